package route

import (
	"context"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// Broadcast sends a request that is about no key to every node at once and returns an op for each, settled, in the order
// of nodes.
func Broadcast(ctx context.Context, nodes []*pool.Node, r protocol.Request) []*Op {
	b := newBatch()
	defer b.free()
	ops := make([]*Op, len(nodes))
	for i, n := range nodes {
		ops[i] = &Op{Request: r}
		b.add(n, ops[i])
	}
	b.do(ctx)
	return ops
}
