package route

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// pinSkew is D in these tests: so long that most of a step of one process falls into another one of the others.
const pinSkew = 4 * time.Second

// register is the one key of a fleet, and what is true of it. Everything in a synctest bubble that runs between two waits
// runs alone, but for the processors; so it is guarded.
type register struct {
	turn   chan struct{}
	writes map[string]*written
	next   int

	reads, misses, stale int
}

// written is a value and when its write was under way.
type written struct{ from, to time.Time }

func newRegister() *register {
	return &register{turn: make(chan struct{}, 1), writes: map[string]*written{}}
}

func (r *register) alone(f func()) {
	r.turn <- struct{}{}
	f()
	<-r.turn
}

// begin notes a write and returns its value.
func (r *register) begin() (value string) {
	r.alone(func() {
		r.next++
		value = strconv.Itoa(r.next)
		r.writes[value] = &written{from: time.Now()}
	})
	return value
}

func (r *register) end(value string) {
	r.alone(func() { r.writes[value].to = time.Now() })
}

// read counts what a read that began then has found. It is old if some write began after the one found had ended, and had
// ended itself before the read began.
func (r *register) read(value string, began time.Time) {
	r.alone(func() {
		r.reads++
		found := r.writes[value]
		if found == nil {
			r.misses++
			return
		}
		for _, w := range r.writes {
			if !found.to.IsZero() && !w.to.IsZero() && w.from.After(found.to) && w.to.Before(began) {
				r.stale++
				return
			}
		}
	})
}

// slowConn is a connection whose replies arrive late, each by another time.
type slowConn struct{ net.Conn }

func (c slowConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	time.Sleep(rand.N(50 * time.Millisecond))
	return n, err
}

// pinner is a process: nodes of its own, and what it believes of the pin.
type pinner struct {
	t     *testing.T
	nodes []*pool.Node
	base  Placement
	pin   *Pin // nil: none
	rules atomic.Pointer[Rules]
}

func newPinner(t *testing.T, servers []*memcachetest.Server) *pinner {
	p := &pinner{t: t}
	for i, s := range servers {
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := s.DialContext(ctx, network, addr)
			return slowConn{nc}, err
		}
		p.nodes = append(p.nodes, pool.NewNode(pool.Config{Name: fmt.Sprint(i), Addr: s.Addr(), Dial: dial, Timeout: time.Second}))
	}
	p.base = Fixed(p.nodes[0])
	p.rules.Store(NewRules(p.base, nil))
	return p
}

func (p *pinner) close() {
	for _, n := range p.nodes {
		n.Close()
	}
}

// Replicas has requests see what the process believes at that moment.
func (p *pinner) Replicas(op *Op) Replicas { return p.rules.Load().Replicas(op) }

// believe has the process have seen the pin so. Without the walk, it applies at once.
func (p *pinner) believe(pinned, walks bool, seen PinSeen) {
	switch {
	case !walks && pinned:
		p.rules.Store(NewRules(p.base, map[string]Replicas{"k": {All: []Route{p.nodes[1]}}}))
	case !walks:
		p.rules.Store(NewRules(p.base, nil))
	case pinned || seen == PinFoundEnding:
		p.pin = NewPin(seen, pinSkew)
		p.rules.Store(NewPinned(p.base, []PinnedKey{{Key: "k", Pin: p.pin, Nodes: p.nodes[1:2]}}, nil))
	case p.pin != nil:
		p.pin.End()
	}
}

// work writes and reads until the time is over.
func (p *pinner) work(r *register, random *rand.Rand, until time.Time) {
	for time.Now().Before(until) {
		began := time.Now()
		switch random.IntN(8) {
		case 0, 1:
			value := r.begin()
			op := store(protocol.Set, "k", value)
			do(AllSync(p), op)
			require.NoError(p.t, op.Err)
			r.end(value)
		default:
			op := get("k")
			do(Failover(p), op)
			require.NoError(p.t, op.Err)
			r.read(string(op.Value), began)
		}
		time.Sleep(time.Duration(random.Int64N(int64(100 * time.Millisecond))))
	}
}

// tend does what Tend is for.
func (p *pinner) tend(until time.Time) {
	for time.Now().Before(until) {
		p.rules.Load().Tend(p.t.Context())
		time.Sleep(time.Second)
	}
}

// pinRun is a fleet in which a pin comes and goes, and which processes start and see what there is.
type pinRun struct {
	walks, evicts, starts bool
	seed                  uint64
}

// change is what happens to the rule at a time.
type pinChange struct {
	at     time.Duration
	pinned bool
}

func (c pinRun) run(t *testing.T) *register {
	r := newRegister()
	synctest.Test(t, func(t *testing.T) {
		var servers []*memcachetest.Server
		for range 2 {
			s := memcachetest.NewServer(memcachetest.WithPipe())
			defer s.Close()
			servers = append(servers, s)
		}
		random := rand.New(rand.NewPCG(c.seed, 7))
		changes := []pinChange{{5 * time.Second, true}, {45 * time.Second, false}, {90 * time.Second, true}, {110 * time.Second, false}}
		begin := time.Now()
		end := begin.Add(150 * time.Second)
		done := make(chan struct{})
		count := 0
		start := func(random *rand.Rand, old bool) {
			p := newPinner(t, servers)
			count++
			go func() {
				defer func() { p.close(); done <- struct{}{} }()
				p.live(c, r, random, begin, end, changes, old)
			}()
		}
		for range 3 {
			start(rand.New(rand.NewPCG(random.Uint64(), 1)), true)
		}
		starts := []time.Duration{5100, 12000, 30000, 45100, 60000, 90500, 100000, 115500}
		if !c.starts {
			starts = nil
		}
		for _, at := range starts {
			time.Sleep(time.Until(begin.Add(at*time.Millisecond + time.Duration(random.Int64N(int64(time.Second/2))))))
			start(rand.New(rand.NewPCG(random.Uint64(), 1)), false)
		}
		if c.evicts {
			go func() {
				p, random := newPinner(t, servers), rand.New(rand.NewPCG(c.seed, 3))
				for time.Now().Before(end) {
					do(p.nodes[random.IntN(2)], asks(protocol.Delete, "k")) // as memcached does when it is full
					time.Sleep(50 * time.Millisecond)
				}
				p.close()
				done <- struct{}{}
			}()
			count++
		}
		for range count {
			<-done
		}
	})
	return r
}

// live is a process's life. One that is old knows what was before; another one begins with what there is.
func (p *pinner) live(c pinRun, r *register, random *rand.Rand, begin, end time.Time, changes []pinChange, old bool) {
	working := make(chan struct{}, 2)
	if !old {
		p.start(c, time.Since(begin), changes)
	}
	own := rand.New(rand.NewPCG(random.Uint64(), 2))
	go func() { p.work(r, own, end); working <- struct{}{} }()
	go func() { p.tend(end); working <- struct{}{} }()
	since := time.Since(begin)
	for _, change := range changes {
		if old || change.at > since {
			p.follow(c, begin, change, random)
		}
	}
	<-working
	<-working
}

func (p *pinner) follow(c pinRun, begin time.Time, change pinChange, random *rand.Rand) {
	time.Sleep(time.Until(begin.Add(change.at + time.Duration(random.IntN(2))*pinSkew)))
	p.believe(change.pinned, c.walks, PinComes)
}

// start has the process see what a table says that it has not seen come.
func (p *pinner) start(c pinRun, at time.Duration, changes []pinChange) {
	i := slices.IndexFunc(changes, func(change pinChange) bool { return change.at > at })
	if i < 0 {
		i = len(changes)
	}
	if i == 0 {
		return
	}
	last := changes[i-1]
	switch {
	case !last.pinned:
		p.believe(false, c.walks, PinFoundEnding)
	case at-last.at < pinSkew:
		p.believe(true, c.walks, PinFoundYoung)
	default:
		p.believe(true, c.walks, PinFound)
	}
}

// A pin comes and goes, processes learn of it up to D apart, and some start meanwhile. Nobody reads what is old, and what
// nobody takes away is not lost; without the walk, it is not so.
func TestPinsAreNotStale(t *testing.T) {
	for seed := range uint64(2) {
		for name, run := range map[string]pinRun{
			"calm":      {walks: true},
			"evictions": {walks: true, evicts: true},
			"starts":    {walks: true, starts: true},
			"both":      {walks: true, starts: true, evicts: true},
		} {
			run.seed = seed
			r := run.run(t)
			t.Logf("%s: %d of %d reads stale, %d missed", name, r.stale, r.reads, r.misses)
			require.Zero(t, r.stale, name)
			if name == "calm" {
				require.LessOrEqual(t, r.misses, r.reads/20) // by who is behind, while others write at the new home
			}
		}
	}
	r := pinRun{seed: 1}.run(t)
	t.Logf("without the walk: %d of %d reads stale, %d missed", r.stale, r.reads, r.misses)
	require.NotZero(t, r.stale, "this test would show nothing")
}
