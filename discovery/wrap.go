package discovery

import (
	"context"
	"time"
)

// Map returns src with every node changed by f, for instance to take a zone or a stable name out of a host's name. f gets
// nodes as the source gives them, before validation, and must not change Meta in place.
func Map(src Source, f func(Node) Node) Source {
	m := mapped{src, f}
	if w, ok := src.(Watcher); ok {
		return mappedWatcher{m, w}
	}
	return m
}

// WithZone returns src with all its nodes in zone. With DNS, which knows no zones, use one name for each zone.
func WithZone(zone string, src Source) Source {
	return Map(src, func(n Node) Node {
		n.Zone = zone
		return n
	})
}

type mapped struct {
	src Source
	f   func(Node) Node
}

func (m mapped) Nodes(ctx context.Context) ([]Node, error) {
	nodes, err := m.src.Nodes(ctx)
	return m.apply(nodes), err
}

func (m mapped) Interval() time.Duration { return intervalOf(m.src) }

func (m mapped) apply(nodes []Node) []Node {
	list := make([]Node, len(nodes))
	for i, n := range nodes {
		list[i] = m.f(n)
	}
	return list
}

type mappedWatcher struct {
	mapped
	watcher Watcher
}

func (m mappedWatcher) Watch(ctx context.Context, yield func([]Node, error)) error {
	return m.watchWithin(ctx, Config{}, yield)
}

func (m mappedWatcher) watchWithin(ctx context.Context, bounds Config, yield func([]Node, error)) error {
	return watchWithin(ctx, m.watcher, bounds, func(nodes []Node, err error) { yield(m.apply(nodes), err) })
}
