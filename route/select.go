package route

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

// hash sends each op to its key's home.
type hash struct{ placement Placement }

// Hash sends each op to the home of its key and to no other replica. Its reply or error is the answer.
func Hash(p Placement) Selector { return &hash{p} }

func (h *hash) Select(op *Op) Route { return h.placement.Replicas(op).All[0] }

func (h *hash) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, h.Select) }

// CompareAndSwap stands for a Set with the Compare flag, where operations are told apart.
const CompareAndSwap = protocol.Auth + 1

// byOperation chooses a child by the op's command.
type byOperation struct {
	children [CompareAndSwap + 1]Route
}

// ByOperation sends each op to the route that routes has for its command, else to fallback.
func ByOperation(fallback Route, routes map[protocol.Command]Route) Selector {
	b := &byOperation{}
	for c := range b.children {
		b.children[c] = fallback
	}
	for c, r := range routes {
		b.children[c] = r
	}
	return b
}

func (b *byOperation) Select(op *Op) Route {
	if op.Request.Command == protocol.Set && op.Request.Has(protocol.Compare) {
		return b.children[CompareAndSwap]
	}
	return b.children[min(op.Request.Command, CompareAndSwap)] // a command that does not exist is refused at the node
}

func (b *byOperation) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, b.Select) }
