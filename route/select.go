package route

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

// hash sends each op to its key's home.
type hash struct{ placement Placement }

// Hash sends each op to the home of its key and to no other replica. Its reply or error is the answer.
func Hash(p Placement) Selector { return &hash{p} }

func (h *hash) Select(op *Op) Route {
	r := h.placement.Replicas(op)
	return r.All[r.home(op)]
}

func (h *hash) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, h.Select) }

func (h *hash) Explain(op *Op) Step {
	return Step{Route: "hash", Why: Why(h.placement, op), Next: []Step{Explain(h.Select(op), op)}}
}

// byOperation chooses a child by what the op asks.
type byOperation struct {
	children [operationCount]Route
}

// ByOperation sends each op to the route that routes has for its operation, as OperationOf tells it, else to fallback.
// A compare-and-swap for which there is no route takes that of Set, a get for update that of Get.
func ByOperation(fallback Route, routes map[protocol.Command]Route) Selector {
	b := &byOperation{}
	for c := range b.children {
		b.children[c] = fallback
	}
	for special, plain := range map[protocol.Command]protocol.Command{CompareAndSwap: protocol.Set, GetForUpdate: protocol.Get} {
		if r, ok := routes[plain]; ok {
			b.children[special] = r
		}
	}
	for c, r := range routes {
		b.children[c] = r
	}
	return b
}

func (b *byOperation) Select(op *Op) Route { return b.children[OperationOf(op)] }

func (b *byOperation) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, b.Select) }

func (b *byOperation) Explain(op *Op) Step {
	return Step{Route: "by operation", Why: operationName(OperationOf(op)), Next: []Step{Explain(b.Select(op), op)}}
}
