package route

import (
	"context"
	"math/rand/v2"
	"slices"
)

// random picks children by chance.
type random struct {
	children []Route
	pick     func(n int) int
}

// Random sends each op to one of children, picked by chance and evenly; that child's answer is the answer. Reads may go
// where writes did not, so it is for children that hold the same.
func Random(children []Route) (Selector, error) {
	if len(children) == 0 {
		return nil, ErrNoMembers
	}
	return &random{slices.Clone(children), rand.IntN}, checkChildren(children...)
}

func (r *random) Select(*Op) Route { return r.children[r.pick(len(r.children))] }

func (r *random) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, r.Select) }

func (r *random) Explain(op *Op) Step {
	return Step{Route: "random", Why: "one of", Next: explainAll(r.children, op)}
}

// HostID returns the child of this host: number hostID modulo the number of children. Each host has one, so it is no route
// of its own.
func HostID(children []Route, hostID uint64) (Route, error) {
	if len(children) == 0 {
		return nil, ErrNoMembers
	}
	return children[hostID%uint64(len(children))], checkChildren(children...)
}
