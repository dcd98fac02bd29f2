package route

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/pool"
)

// Balance says how LoadBalancer chooses.
type Balance uint8

// The ways to choose.
const (
	TwoChoices       Balance = iota // the better of two picked by chance
	LeastOutstanding                // the best of all; of equals the first
)

// loadBalancer counts what is under way at each child.
type loadBalancer struct {
	children []balanced
	balance  Balance
	pick     func(n int) int
	born     time.Time
}

// balanced is a child with what is known of its load.
type balanced struct {
	route  Route
	node   *pool.Node   // route, if it is one
	busy   atomic.Int64 // ops of this route under way
	failed atomic.Int64 // when one failed last, as time since the route's birth; 0: it has answered since
}

// LoadBalancer sends each op to the child with the fewest ops under way: of two picked by chance, or of all. Its answer is
// the answer. What other routes of this process have under way counts where the child is a node. One that has just failed
// is not picked beside one that has not, for failing at once would make it look idle; it has another chance after 250 ms.
//
// Reads may go where writes did not, so it is for children that hold the same. mcrouter's goes by the load that servers
// report, which memcached does not.
func LoadBalancer(children []Route, balance Balance) (Route, error) {
	switch {
	case len(children) == 0:
		return nil, ErrNoMembers
	case balance > LeastOutstanding:
		return nil, fmt.Errorf("memcache: no such way to balance load: %d", balance)
	case len(children) == 1:
		return children[0], nil
	}
	l := &loadBalancer{children: make([]balanced, len(children)), balance: balance, pick: rand.IntN, born: time.Now()}
	for i, r := range children {
		l.children[i].route = r
		l.children[i].node, _ = r.(*pool.Node)
	}
	return l, checkChildren(children...)
}

func (l *loadBalancer) Do(ctx context.Context, ops []*Op) {
	if len(ops) == 1 {
		c := l.choose()
		c.busy.Add(1)
		defer l.done(c, ops[0]) // also if a route of the caller's panics
		resolve(c.route, ops[0]).Do(ctx, ops)
		return
	}
	chosen := make([]*balanced, 0, len(ops))
	defer func() {
		for i, c := range chosen {
			l.done(c, ops[i])
		}
	}()
	doEach(ctx, ops, func(*Op) Route {
		c := l.choose()
		c.busy.Add(1)
		chosen = append(chosen, c)
		return c.route
	})
}

// done notes that op has been served by c.
func (l *loadBalancer) done(c *balanced, op *Op) {
	c.busy.Add(-1)
	switch {
	case op.Err != nil && isNodeFault(op.Err):
		c.failed.Store(int64(max(1, time.Since(l.born))))
	case op.Err == nil && c.failed.Load() != 0:
		c.failed.Store(0)
	}
}

func (l *loadBalancer) choose() *balanced {
	if l.balance == LeastOutstanding {
		return l.least()
	}
	a := l.pick(len(l.children))
	b := l.pick(len(l.children) - 1)
	if b >= a {
		b++ // another one
	}
	if l.load(&l.children[b]) < l.load(&l.children[a]) {
		return &l.children[b]
	}
	return &l.children[a]
}

// least returns the child with the fewest ops under way.
func (l *loadBalancer) least() *balanced {
	best, fewest := 0, l.load(&l.children[0])
	for i := 1; i < len(l.children) && fewest > 0; i++ {
		if n := l.load(&l.children[i]); n < fewest {
			best, fewest = i, n
		}
	}
	return &l.children[best]
}

// The load of a child that has just failed: more than any other.
const (
	failedLoad = 1 << 32
	failedFor  = 250 * time.Millisecond
)

// load returns how many ops c has under way, as far as this process knows.
func (l *loadBalancer) load(c *balanced) int64 {
	n := c.busy.Load()
	if c.node != nil {
		n = max(n, int64(c.node.Owed()))
	}
	if failed := c.failed.Load(); failed != 0 && time.Since(l.born)-time.Duration(failed) < failedFor {
		n += failedLoad
	}
	return n
}

func (l *loadBalancer) Explain(op *Op) Step {
	s := Step{Route: "load balancer", Why: "fewest under way"}
	for i := range l.children {
		c := &l.children[i]
		why := fmt.Sprintf("%d under way", l.load(c)%failedLoad)
		if l.load(c) >= failedLoad {
			why += ", has just failed"
		}
		s.Next = append(s.Next, Step{Route: "child", Why: why, Next: []Step{Explain(c.route, op)}})
	}
	return s
}
