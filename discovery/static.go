package discovery

import (
	"context"
	"slices"
)

// Static is a list that never changes. A node's identity is its Name, or its address if it has none.
type Static []Node

// Nodes returns the list.
func (s Static) Nodes(context.Context) ([]Node, error) { return slices.Clone(s), nil }

// Watch yields the list once and waits for the end of ctx.
func (s Static) Watch(ctx context.Context, yield func([]Node, error)) error {
	yield(slices.Clone(s), nil)
	<-ctx.Done()
	return ctx.Err()
}

// StaticAddrs is a Static list of addresses, each the name of its node.
func StaticAddrs(addrs ...string) Static {
	list := make(Static, len(addrs))
	for i, addr := range addrs {
		list[i].Addr = addr
	}
	return list
}
