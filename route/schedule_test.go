package route

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// schedule decides in which order the requests of several processes reach their nodes, one at a time. Its runs go through
// all orders: taken counts up like an odometer.
type schedule struct {
	taken, of []int

	mu      sync.Mutex
	waiting map[int]chan struct{} // by process and node, so that a run can be repeated
}

// enter waits for its turn.
func (s *schedule) enter(id int) {
	turn := make(chan struct{})
	s.mu.Lock()
	s.waiting[id] = turn
	s.mu.Unlock()
	<-turn
}

// run lets one request after the other go on until none is left.
func (s *schedule) run() {
	for step := 0; ; step++ {
		synctest.Wait()
		s.mu.Lock()
		ids := slices.Sorted(maps.Keys(s.waiting))
		if len(ids) == 0 {
			s.mu.Unlock()
			return
		}
		if step == len(s.taken) {
			s.taken, s.of = append(s.taken, 0), append(s.of, len(ids))
		}
		id := ids[s.taken[step]]
		close(s.waiting[id])
		delete(s.waiting, id)
		s.mu.Unlock()
	}
}

// next goes to the next order; false: there is none.
func (s *schedule) next() bool {
	for i := len(s.taken) - 1; i >= 0; i-- {
		if s.taken[i]+1 < s.of[i] {
			s.taken, s.of = s.taken[:i+1], s.of[:i+1]
			s.taken[i]++
			return true
		}
	}
	return false
}

// item is what a node of a schedule holds of the one key; CAS 0: nothing.
type item struct {
	value string
	cas   uint64
}

// scheduled is a node as one process sees it.
type scheduled struct {
	order   *schedule
	id      int
	item    *item // shared by the processes
	joining bool
}

func (n *scheduled) Joining() bool { return n.joining }

func (n *scheduled) Do(_ context.Context, ops []*Op) {
	for _, op := range ops {
		if n.joining && op.Request.Command != protocol.Delete && !verifies(op) && !op.Inspect {
			failsWith("joining", pool.NotSent, pool.ErrJoining)(op)
			continue
		}
		n.order.enter(n.id)
		n.apply(op)
	}
}

func (n *scheduled) apply(op *Op) {
	there := n.item.cas != 0
	status := protocol.OK
	switch c := op.Request.Command; {
	case c == protocol.Set && n.joining:
		n.item.value, n.item.cas, op.Cleared = "", 0, true
	case c == protocol.Set, c == protocol.Add && !there:
		n.store(string(op.Request.Value))
	case c == protocol.Append && there:
		n.store(n.item.value + string(op.Request.Value))
	case c == protocol.Add, c == protocol.Append:
		status = protocol.NotStored
	case !there:
		status = protocol.Miss
	case c == protocol.Delete && op.Request.Has(protocol.Compare) && op.Request.CAS != n.item.cas:
		status = protocol.Exists
	case c == protocol.Delete:
		n.item.value, n.item.cas = "", 0
	}
	says(status)(op)
	op.Reply.CAS = n.item.cas
}

// nextCAS is shared by all nodes of a run, which is stricter than memcached.
var nextCAS uint64

func (n *scheduled) store(value string) {
	nextCAS++
	n.item.value, n.item.cas = value, nextCAS
}

// eachOrder has two processes do their work on a key in every order of their requests and returns in how many of them
// the nodes held different values at the end. joining says of each process which node is joining for it, -1 for none.
func eachOrder(t *testing.T, start []string, joining [2]int, work func(process int, p Placement)) (orders, divergent int) {
	order := &schedule{waiting: make(map[int]chan struct{})}
	for {
		synctest.Test(t, func(t *testing.T) {
			items := make([]item, len(start))
			for i, value := range start {
				if value != "" {
					items[i] = item{value, uint64(1000 + i)}
				}
			}
			for process := range 2 {
				var routes []Route
				for i := range items {
					routes = append(routes, &scheduled{order, 10*process + i, &items[i], joining[process] == i})
				}
				go work(process, Fixed(routes...))
			}
			order.run()
			values := make(map[string]bool)
			for _, it := range items {
				if it.cas != 0 {
					values[it.value] = true
				}
			}
			if len(values) > 1 {
				divergent++
			}
		})
		orders++
		if !order.next() {
			return orders, divergent
		}
	}
}

// Two processes that disagree on the home leave no different values, in whatever order their requests arrive.
func TestTwoHomesDoNotDiverge(t *testing.T) {
	for name, c := range map[string]struct {
		command protocol.Command
		start   []string
	}{
		"add":                         {protocol.Add, []string{"", "", ""}},
		"append":                      {protocol.Append, []string{"x", "x", "x"}},
		"append, one has nothing yet": {protocol.Append, []string{"", "x", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			orders, divergent := eachOrder(t, c.start, [2]int{0, -1}, func(process int, p Placement) {
				do(AtHome(p), store(c.command, "k", string(rune('1'+process))))
			})
			t.Logf("%d orders", orders)
			require.Zero(t, divergent)
		})
	}
	// The test can fail: at all nodes at once, without a home, they do.
	_, divergent := eachOrder(t, []string{"x", "x", "x"}, [2]int{0, -1}, func(process int, p Placement) {
		ops := []*Op{store(protocol.Append, "k", string(rune('1'+process)))}
		for i, r := range p.Replicas(ops[0]).All {
			if i != 0 || process == 1 {
				do(r, ops...)
			}
		}
	})
	require.NotZero(t, divergent)
}

// The same for two pushes that are verified, also where a node is joining for one of the writers.
func TestVerifiedPushesDoNotDiverge(t *testing.T) {
	for name, joining := range map[string][2]int{"serving": {-1, -1}, "joining for one": {0, -1}, "joining for both": {0, 0}} {
		t.Run(name, func(t *testing.T) {
			push := func(process int, p Placement, v *Verifier) {
				do(Verified(p, v), store(protocol.Set, "k", string(rune('1'+process))))
			}
			orders, divergent := eachOrder(t, []string{"", ""}, joining, func(process int, p Placement) {
				v := NewVerifier(0)
				push(process, p, v)
				v.Close()
			})
			require.Zero(t, divergent)
			_, without := eachOrder(t, []string{"", ""}, joining, func(process int, p Placement) { push(process, p, nil) })
			t.Logf("%d orders; without verification replicas differ in %d", orders, without)
			require.Equal(t, joining != [2]int{0, 0}, without > 0)
		})
	}
}
