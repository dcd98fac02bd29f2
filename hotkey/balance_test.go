package hotkey

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

// The simulation of a fleet: clients that each know what they did themselves and nothing else read the same keys, by
// zipf's law, from nodes whose load is the bytes they send. Detectors, choice, and rule tables are the real ones.
const (
	simKeys  = 1_000_000
	simValue = 8192 // bytes
	simCheck = 27   // bytes of an answer to "mg k c"
	simRate  = 20_000
	simSlots = 1 << 14
	simScan  = 16   // candidates that are compared; of more, two
	simFade  = 0.84 // of a client's own counts, per tick
)

// simKeyspace is made once.
var simKeyspace = sync.OnceValues(func() (names []string, hashes []uint64) {
	names, hashes = make([]string, simKeys), make([]uint64, simKeys)
	for i := range names {
		names[i] = fmt.Sprint("key:", i)
		hashes[i] = xxhash.Sum64String(names[i])
	}
	return names, hashes
})

// fleet is a run of the simulation.
type fleet struct {
	z       *zipf
	nodes   int
	orders  map[int][]int // rendezvous order of the nodes, by slot
	homes   []int         // by slot
	clients []*simClient
	before  []float64 // bytes that each node would have sent without remedies
	after   []float64 // bytes that each node sent
	now     time.Time
}

// simClient is one process.
type simClient struct {
	detector *Detector
	sampler  *Sampler
	table    *Table
	sent     []float64 // by each node to this client, fading
	kept     map[string]bool
	rng      *rand.Rand
}

func newFleet(t testing.TB, alpha float64, nodes, clients int, seed uint64) *fleet {
	f := &fleet{
		z:      newZipf(simKeys, alpha, seed),
		nodes:  nodes,
		orders: map[int][]int{},
		before: make([]float64, nodes),
		after:  make([]float64, nodes),
		now:    epoch,
	}
	for slot := range simSlots {
		f.homes = append(f.homes, f.best(slot))
	}
	for i := range uint64(clients) {
		d, err := New(Options{Nodes: nodes, seed: seed<<32 + i + 1})
		require.NoError(t, err)
		d.Tick(f.now)
		f.clients = append(f.clients, &simClient{
			detector: d,
			sampler:  d.NewSampler(),
			sent:     make([]float64, nodes),
			kept:     map[string]bool{},
			rng:      rand.New(rand.NewPCG(seed, i)),
		})
	}
	return f
}

func score(node, slot int) uint64 { return mix(mix(uint64(node)+1) ^ mix(uint64(slot)+1)) }

func (f *fleet) best(slot int) (best int) {
	for node := range f.nodes {
		if score(node, slot) > score(best, slot) {
			best = node
		}
	}
	return best
}

func slotOf(hash uint64) int { return int(hash >> (64 - 14)) }

// candidates are the first r nodes of the slot's order.
func (f *fleet) candidates(slot, r int) []int {
	order := f.orders[slot]
	if order == nil {
		for node := range f.nodes {
			order = append(order, node)
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(score(b, slot), score(a, slot)) })
		f.orders[slot] = order
	}
	return order[:min(r, f.nodes)]
}

// run simulates a time of ticks. Loads are those of this time.
func (f *fleet) run(t testing.TB, ticks int, policy Policy) {
	clear(f.before)
	clear(f.after)
	for range ticks {
		f.now = f.now.Add(TickInterval)
		for _, c := range f.clients {
			for range simRate / int(time.Second/TickInterval) {
				f.read(c)
			}
			c.tick(t, f.now, policy)
		}
	}
}

func (c *simClient) tick(t testing.TB, now time.Time, policy Policy) {
	c.detector.Tick(now)
	table, err := (*Table)(nil).WithRemedies(c.detector.Remedies(policy, nil))
	require.NoError(t, err)
	c.table = table
	for node := range c.sent {
		c.sent[node] *= simFade
	}
}

func (f *fleet) read(c *simClient) {
	names, hashes := simKeyspace()
	rank := f.z.next()
	key, hash := names[rank], hashes[rank]
	size := float64(len(key) + simValue)
	home := f.homes[slotOf(hash)]
	f.before[home] += size
	c.sampler.Read(key, hash, int(size))
	rule := c.table.Lookup(hash, key)
	switch {
	case rule == nil || rule.Action.Kind == None:
		f.send(c, home, size)
	case rule.Action.Kind == Keep:
		f.send(c, home, simCheck)
		if !c.kept[key] {
			c.kept[key] = true
			f.send(c, home, size)
		}
	case rule.Action.Kind == Spread:
		f.send(c, home, simCheck)
		f.send(c, c.leastLoaded(f.candidates(slotOf(hash), rule.Action.Copies)), size)
	default:
		panic("an action that was not asked for")
	}
}

func (f *fleet) send(c *simClient, node int, bytes float64) {
	f.after[node] += bytes
	c.sent[node] += bytes
}

func (c *simClient) leastLoaded(candidates []int) int {
	if len(candidates) > simScan {
		candidates = []int{candidates[c.rng.IntN(len(candidates))], candidates[c.rng.IntN(len(candidates))]}
	}
	return slices.MinFunc(candidates, func(a, b int) int { return cmp.Compare(c.sent[a], c.sent[b]) })
}

func mean(loads []float64) float64 {
	sum := 0.0
	for _, l := range loads {
		sum += l
	}
	return sum / float64(len(loads))
}

func overload(loads []float64) float64 { return slices.Max(loads) / mean(loads) }

// onlySpread keeps nothing in the process, so that every hot key is spread.
var onlySpread = Policy{KeepBytes: -1}

// Clients that do not talk to each other balance the nodes.
func TestBalance(t *testing.T) {
	if raceDetector {
		t.Skip("one goroutine, much arithmetic")
	}
	for _, c := range []struct {
		alpha float64
		nodes int
	}{{0.9, 30}, {1.0, 100}, {1.4, 100}} {
		f := newFleet(t, c.alpha, c.nodes, 6, 1)
		f.run(t, 16, onlySpread)
		f.run(t, 4, onlySpread)
		t.Logf("zipf %v, %d nodes: %.2f before, %.2f after", c.alpha, c.nodes, overload(f.before), overload(f.after))
		require.Greater(t, overload(f.before), 1.5)
		require.LessOrEqual(t, overload(f.after), 1.15)
	}
}

// BenchmarkBalance prints the load of the busiest node in units of the mean: max/mean-before; max/mean-after with hot keys
// spread, for which the goal is 1.15 at 10 to 100 nodes; and kept-max/mean-before with the default policy, which keeps the hot
// keys' values in the 50 processes, so that there the mean is that of before.
func BenchmarkBalance(b *testing.B) {
	for _, alpha := range []float64{0.9, 1.0, 1.1, 1.2, 1.3, 1.4} {
		for _, nodes := range []int{10, 30, 100, 300, 1000} {
			b.Run(fmt.Sprintf("zipf=%.1f/nodes=%d", alpha, nodes), func(b *testing.B) {
				for b.Loop() {
					spread := newFleet(b, alpha, nodes, 50, 1)
					spread.run(b, 24, onlySpread)
					spread.run(b, 8, onlySpread)
					kept := newFleet(b, alpha, nodes, 50, 1)
					kept.run(b, 24, Policy{})
					kept.run(b, 8, Policy{})
					b.ReportMetric(overload(spread.before), "max/mean-before")
					b.ReportMetric(overload(spread.after), "max/mean-after")
					b.ReportMetric(slices.Max(kept.after)/mean(kept.before), "kept-max/mean-before")
					b.ReportMetric(0, "ns/op")
				}
			})
		}
	}
}
