package route

import (
	"slices"
	"strconv"
	"sync/atomic"
)

// Order says which child FailoverList asks next. The first child is always asked first.
type Order interface {
	// next returns the child to ask next of those that were not asked; false if there is none. It changes nothing.
	next(op *Op, asked []bool) (int, bool)
	// learn notes what came of an op at a child; nil is a reply.
	learn(child int, err error)
	String() string
}

// sized is an order that was made for a number of children, and never asks one beyond it.
type sized interface{ size() int }

type inOrder struct{}

// InOrder asks the children in the order of the list.
func InOrder() Order { return inOrder{} }

func (inOrder) next(_ *Op, asked []bool) (int, bool) {
	i := slices.Index(asked, false)
	return i, i >= 0
}

func (inOrder) learn(int, error) {}
func (inOrder) String() string   { return "in order" }

// leastFailures counts each child's failures in a row.
type leastFailures struct{ inARow []atomic.Int64 }

// LeastFailures asks, after the first of children, the one that has failed least often in a row; of equals the first in
// the list. What is the request's fault, or the caller's, does not count. It is for one FailoverList with that many
// children.
func LeastFailures(children int) Order { return &leastFailures{make([]atomic.Int64, max(children, 0))} }

func (l *leastFailures) next(_ *Op, asked []bool) (int, bool) {
	best := -1
	for i := range min(len(asked), len(l.inARow)) {
		if !asked[i] && (best < 0 || l.inARow[i].Load() < l.inARow[best].Load()) {
			best = i
		}
	}
	return best, best >= 0
}

func (l *leastFailures) learn(child int, err error) {
	switch counter := &l.inARow[child]; {
	case err != nil && isNodeFault(err):
		counter.Add(1)
	case err == nil && counter.Load() != 0: // a store for each success would have all processors fight for it
		counter.Store(0)
	}
}

func (l *leastFailures) size() int      { return len(l.inARow) }
func (l *leastFailures) String() string { return "least failures in a row" }

// deterministic draws children by the hash of the key and a salt.
type deterministic struct {
	draw func(key string) int
}

// firstSalt and maxDraws are mcrouter's.
const (
	firstSalt = 2
	maxDraws  = 100
)

// DeterministicOrder asks the children in an order of the key's own, the same in every process: draw returns a child for
// the key with a salt behind it, 2, 3, 4 and so on up to a hundred times, and those drawn already are skipped. draw is one
// of package placement's functions over as many children; an index out of range is skipped.
func DeterministicOrder(draw func(key string) int) Order { return &deterministic{draw} }

func (d *deterministic) next(op *Op, asked []bool) (int, bool) {
	for salt := firstSalt; salt < firstSalt+maxDraws; salt++ {
		i := d.draw(op.Request.Key + strconv.Itoa(salt))
		if i >= 0 && i < len(asked) && !asked[i] {
			return i, true
		}
	}
	return 0, false
}

func (*deterministic) learn(int, error) {}
func (*deterministic) String() string   { return "an order of the key's own" }

// keyOrder asks children as a function orders them.
type keyOrder struct {
	appendOrder func(dst []int, key string) []int
}

// KeyOrder asks, after the first child, the others in the order that appendOrder appends to dst for the key, as indexes of
// the children; those out of range are skipped. The Rendezvous of package placement has such a method.
func KeyOrder(appendOrder func(dst []int, key string) []int) Order {
	return &keyOrder{appendOrder}
}

func (k *keyOrder) next(op *Op, asked []bool) (int, bool) {
	for _, i := range k.appendOrder(nil, op.Request.Key) {
		if i >= 0 && i < len(asked) && !asked[i] {
			return i, true
		}
	}
	return 0, false
}

func (*keyOrder) learn(int, error) {}
func (*keyOrder) String() string   { return "an order of the key's own" }

// rendezvous scores the children by name.
type rendezvous struct{ seeds []uint64 }

// RendezvousOrder asks, after the first child, the others in the order of their rendezvous scores for the key, so that the
// keys of one that is down spread over all. names are those of the children, the first of which does not count.
func RendezvousOrder(names []string) Order {
	r := &rendezvous{}
	for _, n := range names {
		r.seeds = append(r.seeds, HashKey(n))
	}
	return r
}

func (r *rendezvous) next(op *Op, asked []bool) (int, bool) {
	best, most := -1, uint64(0)
	for i := range min(len(asked), len(r.seeds)) {
		if score := mix(r.seeds[i] ^ mix(op.Hash)); !asked[i] && (best < 0 || score > most) {
			best, most = i, score
		}
	}
	return best, best >= 0
}

func (*rendezvous) learn(int, error) {}
func (r *rendezvous) size() int      { return len(r.seeds) }
func (*rendezvous) String() string   { return "by rendezvous for the key" }
