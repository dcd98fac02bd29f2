package route

import (
	"context"
	"slices"

	"github.com/nohop/memcache/protocol"
)

// homeOnly serves what is never sent to all replicas: what only the home of a key can decide.
type homeOnly struct {
	placement Placement
	modify    Route
}

func newHomeOnly(p Placement) homeOnly { return homeOnly{p, AtHome(p)} }

// serve serves those of ops that go home and returns the others.
func (h homeOnly) serve(ctx context.Context, ops []*Op) []*Op {
	if slices.ContainsFunc(ops, isReadModifyWrite) {
		h.modify.Do(ctx, filter(ops, isReadModifyWrite))
		ops = without(ops, isReadModifyWrite)
	}
	if slices.ContainsFunc(ops, readsAtHome) {
		doEach(ctx, filter(ops, readsAtHome), h.home)
		ops = without(ops, readsAtHome)
	}
	return ops
}

// spread serves those of ops too that have a single replica, and returns what is to be sent to several.
func (h homeOnly) spread(ctx context.Context, ops []*Op) []*Op {
	ops = h.serve(ctx, ops)
	if single := filter(ops, h.isSingle); len(single) > 0 {
		doEach(ctx, single, h.home)
		ops = without(ops, h.isSingle)
	}
	return ops
}

func (h homeOnly) home(op *Op) Route {
	r := h.placement.Replicas(op)
	return r.All[r.home(op)]
}

func (h homeOnly) isSingle(op *Op) bool { return len(h.placement.Replicas(op).All) == 1 }

// readsAtHome reports whether op is a read whose answer only the home may give: its CAS will be used, or it takes a lease,
// of which there must be one.
func readsAtHome(op *Op) bool {
	return op.ForUpdate || isRead(op.Request.Command) && op.Request.Meta&(protocol.Vivify|protocol.Recache) != 0
}

// explain explains a route that sends to all replicas what does not go home.
func (h homeOnly) explain(route string, op *Op) Step {
	switch {
	case isReadModifyWrite(op):
		return Explain(h.modify, op)
	case readsAtHome(op):
		return Step{Route: route, Why: "only the home can answer", Next: []Step{Explain(h.home(op), op)}}
	}
	return Step{Route: route, Why: Why(h.placement, op), Next: explainAll(h.placement.Replicas(op).All, op)}
}
