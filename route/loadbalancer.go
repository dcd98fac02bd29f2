package route

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
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
	children []Route
	busy     []atomic.Int64 // ops under way, by child
	balance  Balance
	pick     func(n int) int
}

// LoadBalancer sends each op to the child with the fewest ops of this route under way: of two picked by chance, or of
// all. Its answer is the answer. Reads may go where writes did not, so it is for children that hold the same. mcrouter's
// goes by the load that servers report, which memcached does not.
func LoadBalancer(children []Route, balance Balance) (Route, error) {
	switch {
	case len(children) == 0:
		return nil, ErrNoMembers
	case balance > LeastOutstanding:
		return nil, fmt.Errorf("memcache: no such way to balance load: %d", balance)
	case len(children) == 1:
		return children[0], nil
	}
	return &loadBalancer{children, make([]atomic.Int64, len(children)), balance, rand.IntN}, checkChildren(children...)
}

func (l *loadBalancer) Do(ctx context.Context, ops []*Op) {
	if len(ops) == 1 {
		at := l.choose()
		l.busy[at].Add(1)
		defer l.busy[at].Add(-1)
		resolve(l.children[at], ops[0]).Do(ctx, ops)
		return
	}
	sent := make([]int64, len(l.children))
	doEach(ctx, ops, func(*Op) Route {
		at := l.choose()
		l.busy[at].Add(1)
		sent[at]++
		return l.children[at]
	})
	for at, n := range sent {
		l.busy[at].Add(-n)
	}
}

func (l *loadBalancer) choose() int {
	if l.balance == LeastOutstanding {
		return l.least()
	}
	a := l.pick(len(l.children))
	b := l.pick(len(l.children) - 1)
	if b >= a {
		b++ // another one
	}
	if l.busy[b].Load() < l.busy[a].Load() {
		return b
	}
	return a
}

// least returns the child with the fewest ops under way.
func (l *loadBalancer) least() int {
	best := 0
	for i := range l.busy {
		if l.busy[i].Load() < l.busy[best].Load() {
			best = i
		}
	}
	return best
}

func (l *loadBalancer) Explain(op *Op) Step {
	s := Step{Route: "load balancer", Why: "fewest under way"}
	for i, c := range l.children {
		next := Explain(c, op)
		s.Next = append(s.Next, Step{Route: "child", Why: fmt.Sprintf("%d under way", l.busy[i].Load()), Next: []Step{next}})
	}
	return s
}
