package pool

import (
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// gatedConn waits for its turn before each write, so that a test decides the order in which a node gets requests.
type gatedConn struct {
	net.Conn
	turn    chan struct{}
	mu      sync.Mutex
	waiting bool
}

func (g *gatedConn) Write(b []byte) (int, error) {
	g.setWaiting(true)
	<-g.turn
	g.setWaiting(false)
	return g.Conn.Write(b)
}

func (g *gatedConn) setWaiting(w bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = w
}

func (g *gatedConn) isWaiting() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting
}

// choices is one schedule: which of those that could go on did so, at each step. The schedules are enumerated as the
// numbers of an odometer.
type choices struct{ taken, of []int }

// pick chooses among n at a step.
func (c *choices) pick(step, n int) int {
	if step == len(c.taken) {
		c.taken, c.of = append(c.taken, 0), append(c.of, n)
	}
	return c.taken[step]
}

// next goes to the next schedule; false: there is none.
func (c *choices) next() bool {
	for i := len(c.taken) - 1; i >= 0; i-- {
		if c.taken[i]+1 < c.of[i] {
			c.taken[i]++
			c.taken, c.of = c.taken[:i+1], c.of[:i+1]
			return true
		}
	}
	return false
}

const oldGeneration, unknown = 0x0123456789abcdef, 0

// Several processes meet a node at once, in every order of their steps. What is checked after each step holds for
// processes that die there too.
func TestEveryOrderOfMarking(t *testing.T) {
	const known = oldGeneration
	for name, c := range map[string]struct {
		holds bool     // what it held when it left
		gone  []uint64 // of each process: the generation that it knew
	}{
		"new, two":                             {false, []uint64{unknown, unknown}},
		"new, three":                           {false, []uint64{unknown, unknown, unknown}},
		"returned, two know it":                {true, []uint64{known, known}},
		"returned, one knows it, one does not": {true, []uint64{known, unknown}},
	} {
		t.Run(name, func(t *testing.T) {
			runs := 0
			for order := new(choices); ; runs++ {
				synctest.Test(t, func(t *testing.T) { meetInOrder(t, order, c.holds, c.gone) })
				if t.Failed() || !order.next() {
					break
				}
			}
			t.Logf("%d orders", runs+1)
		})
	}
}

// meetInOrder has one process for each of gone greet a node, in the given order of their steps.
func meetInOrder(t *testing.T, order *choices, holds bool, gone []uint64) {
	s := memcachetest.NewServer(memcachetest.WithPipe())
	defer s.Close()
	plain := NewNode(Config{Addr: s.Addr(), Dial: s.DialContext})
	defer plain.Close()
	if holds {
		mustSet(t, plain, "k", "old")
		op := do(t.Context(), plain, mark{oldGeneration, 0}.add())
		require.NoError(t, op.Err)
	}
	var conns []*gatedConn
	found := make([]sighting, len(gone))
	var all sync.WaitGroup
	for i, g := range gone {
		nc, err := s.DialContext(t.Context(), "tcp", s.Addr())
		require.NoError(t, err)
		defer nc.Close()
		conn := &gatedConn{Conn: nc, turn: make(chan struct{})}
		conns = append(conns, conn)
		all.Go(func() {
			found[i], err = (&Config{Quarantine: quarantineTime}).newMarker(conn, protocol.Meta).greet(func(seen sighting) bool {
				return g != unknown && seen.mark.generation == g
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	for step := 0; ; step++ {
		synctest.Wait()
		requireNoUnmarkedNode(t, plain)
		var ready []*gatedConn
		for _, c := range conns {
			if c.isWaiting() {
				ready = append(ready, c)
			}
		}
		if len(ready) == 0 {
			break
		}
		ready[order.pick(step, len(ready))].turn <- struct{}{}
	}
	all.Wait()
	for i, m := range found {
		if m.joining == 0 { // it met the node before the first flush and does not know it: Config.Joined makes it wait
			require.Equal(t, uint64(oldGeneration), m.mark.generation, "process %d: %v", i, order.taken)
			require.Zero(t, gone[i])
		}
	}
}

// requireNoUnmarkedNode fails if somebody who came now would take the node for one that serves, unless it is the old
// node, untouched.
func requireNoUnmarkedNode(t *testing.T, plain *Node) {
	found, old := get(t.Context(), plain, markKey), get(t.Context(), plain, "k")
	k := parseMark(string(found.Value))
	if k != nil && k.generation == oldGeneration {
		return
	}
	if old.Reply.Status == protocol.OK {
		t.Error("old data under a new mark, or none")
	}
	if k != nil && k.serves < int64(quarantineTime/time.Second) {
		t.Error("a new node that serves")
	}
}
