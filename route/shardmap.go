package route

import (
	"context"
	"fmt"
)

// byShard chooses a child by an explicit map of shards.
type byShard struct {
	shard    func(key string) (int, bool)
	routes   []Route
	fallback Route
}

// ByShard sends each op to the route at the index that shard returns for its key (placement.ShardID reads it from
// "prefix:shard:rest"), and to fallback if the key names no shard, or the index is out of range, or the route there is
// nil.
func ByShard(shard func(key string) (int, bool), routes []Route, fallback Route) Selector {
	return &byShard{shard, routes, fallback}
}

func (b *byShard) Select(op *Op) Route {
	i, ok := b.shard(op.Request.Key)
	if !ok || i < 0 || i >= len(b.routes) || b.routes[i] == nil {
		return b.fallback
	}
	return b.routes[i]
}

func (b *byShard) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, b.Select) }

func (b *byShard) Explain(op *Op) Step {
	s := Step{Route: "by shard", Why: "the key names none", Next: []Step{Explain(b.Select(op), op)}}
	if i, ok := b.shard(op.Request.Key); ok {
		s.Why = fmt.Sprintf("shard %d", i)
	}
	return s
}
