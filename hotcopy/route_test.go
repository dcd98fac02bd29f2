package hotcopy

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 1).process(t)
		p.rules(hotkey.Rule{Key: "k", Action: keepStrict}, hotkey.Rule{Prefix: "s", Action: hotkey.Action{Kind: hotkey.Spread, Copies: 2, Staleness: time.Second}},
			hotkey.Rule{Key: "d", Action: hotkey.Action{Kind: hotkey.Deny}}, hotkey.Rule{Key: "n"},
			hotkey.Rule{Key: "a", Action: keepStrict, Origin: hotkey.Automatic})
		for key, want := range map[string]string{
			"k":    "explicit rule for the key: keep, strict",
			"a":    "automatic rule for the key: keep, strict",
			"s:1":  "explicit rule for a prefix: spread, at most 1s old",
			"n":    "explicit rule for the key: none",
			"cold": "no rule",
			"d":    "memcache: a rule denies the key",
			"~c":   "memcache: malformed key: keys that begin with ~ are reserved",
		} {
			s := route.Explain(p.route, getOp(key))
			require.Equal(t, "hot copies", s.Route)
			require.Equal(t, want, s.Why)
			require.Equal(t, key[0] == 'd' || key[0] == '~', s.Next == nil)
		}
		stats := &route.Op{Request: protocol.Request{Command: protocol.Stats, Key: "~"}}
		require.Equal(t, "no rule", route.Explain(p.route, stats).Why)
		require.Zero(t, p.copies.Stats())
		require.Empty(t, p.tree.take())
	})
}

func TestReasons(t *testing.T) {
	for r, want := range map[Reason]string{NoMeta: "no meta commands", NoCAS: "no CAS", NoGeneration: "no generation", Elsewhere: "value read elsewhere", 0: "unknown", 99: "unknown"} {
		require.Equal(t, want, r.String())
	}
}

func TestConfigDefaults(t *testing.T) {
	c := Config{}.withDefaults()
	require.Equal(t, 32<<20, c.Bytes)
	require.Equal(t, 256<<10, c.ItemBytes)
	require.Equal(t, 30*time.Second, c.CopyTTL)
	c = Config{Bytes: -1, CopyTTL: time.Second}.withDefaults()
	require.Zero(t, c.Bytes)
	require.Equal(t, 3*time.Second, c.CopyTTL)
	require.Equal(t, 30*24*time.Hour, Config{CopyTTL: 1000 * time.Hour}.withDefaults().CopyTTL)
	require.Equal(t, 4*time.Second, Config{CopyTTL: 4900 * time.Millisecond}.withDefaults().CopyTTL)
}

// tally is a sampler that counts, and what Observe is told as well.
type tally struct {
	mu                   sync.Mutex
	reads, misses, bytes int
	writes               int
}

func (c *tally) Read(_ string, _ uint64, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	c.bytes += size
}

func (c *tally) Write(string, uint64, int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes++
}

func (c *tally) Miss(string, uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.misses++
}

func (c *tally) observe(op *route.Op, size int) {
	if op.Reply.Status == protocol.Miss {
		c.Miss("", 0)
		return
	}
	c.Read("", 0, size)
}

// Who counts at the connections, and what Observe is told, sees each op once and with the size of its value, whoever has
// answered it: else a key would cool down because it is relieved.
func TestEachOpIsSeenOnce(t *testing.T) {
	for _, action := range []hotkey.Action{keepStrict, keepFor(3 * time.Second), spreadOver(3), {Kind: hotkey.Spread, Copies: 3, Staleness: 3 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, 3)
			seen := new(tally)
			var nodes []*pool.Node
			for _, s := range f.servers {
				nodes = append(nodes, pool.NewNode(pool.Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout, Generations: true,
					NewSampler: func() pool.Sampler { return seen }}))
			}
			p := newProcess(t, nodes, nothingKept, func(c *Config) {
				c.Observe = seen.observe
				if action.Kind == hotkey.Keep {
					c.Bytes = 0
				}
			})
			p.rule(action)
			want := new(tally)
			for i := range 300 {
				switch {
				case i%50 == 30:
					p.do(request(protocol.Delete, key))
					want.writes++
				case i%50 == 40 || i == 0:
					p.set(long)
					want.writes++
				case p.get() == "(miss)":
					want.misses++
				default:
					want.reads++
					want.bytes += len(key) + len(long)
				}
				time.Sleep(50 * time.Millisecond)
			}
			require.Equal(t, want, seen)
			require.Greater(t, p.copies.Stats().Kept+p.copies.Stats().Copied, uint64(100))
		})
	}
}

// After Close the routes serve without copies.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 2).process(t)
		p.settled(keepFor(time.Minute), "v")
		p.copies.Close()
		p.copies.Close()
		require.Equal(t, "v", p.get())
		p.rule(spreadOver(2))
		for range 10 {
			require.Equal(t, "v", p.get())
		}
		p.set("w")
		require.Equal(t, "w", p.get())
	})
}

// What one view has kept the next one uses, and a key that moved is asked for at its new home.
func TestViewsShareWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		p := f.process(t)
		p.settled(keepStrict, "old")
		old := p.succeed(getOp(key)).Node
		p.tree.take()
		again := p.copies.Route(p.tree, p.nodes...)
		again.Do(t.Context(), []*route.Op{getOp(key)})
		require.Equal(t, []string{"check"}, p.tree.take())

		moved := &spy{next: treeOf(route.Fixed(p.other(old)))}
		p.route = p.copies.Route(moved, p.other(old))
		require.Equal(t, "(miss)", p.get())
		p.set("new")
		require.Equal(t, "new", p.get())
		p.get()
		require.Equal(t, []string{"check", "set", "get", "check"}, moved.take())
	})
}
