package memcache

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/pool"
)

// nodeSpec is what a node is made of; the same spec is the same node in every view.
type nodeSpec struct {
	name    string // "": its address
	addr    string
	timeout time.Duration // per try; 0: that of WithTimeout
}

// specOf returns what a node of the list is made of.
func specOf(n discovery.Node) nodeSpec { return nodeSpec{name: n.Name, addr: n.Addr} }

// nodeConfig returns what a node of that spec is made with.
func (c *config) nodeConfig(spec nodeSpec) pool.Config {
	cfg := c.node
	cfg.Name, cfg.Addr = spec.name, spec.addr
	cfg.Timeout = cmp.Or(spec.timeout, cfg.Timeout)
	return cfg
}

// nodeSet are the nodes of a view in the making.
type nodeSet struct {
	client *Client
	last   map[nodeSpec]*pool.Node // those of the view before
	next   map[nodeSpec]*pool.Node
}

// get returns the node of a spec: the one of the view before, with its connections, or a new one.
func (s *nodeSet) get(spec nodeSpec) *pool.Node {
	if n := s.next[spec]; n != nil {
		return n
	}
	n := s.last[spec]
	if n == nil {
		n = s.client.newNode(spec)
	}
	s.next[spec] = n
	return n
}

// inOrder returns the nodes in the order of names.
func (s *nodeSet) inOrder() (nodes []*pool.Node) {
	for _, n := range s.next {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *pool.Node) int { return cmp.Compare(a.Name(), b.Name()) })
	return nodes
}

// apply replaces the view by the one that build makes. Nodes that stay keep their connections; those that left are seen
// out (leaving.go), at once when ctx ends. If build fails, the last view stays.
func (c *Client) apply(ctx context.Context, build func(*nodeSet) (*view, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.applyLocked(ctx, build)
}

func (c *Client) applyLocked(ctx context.Context, build func(*nodeSet) (*view, error)) error {
	if c.closed {
		return ErrClosed
	}
	set := &nodeSet{client: c, last: c.nodes, next: make(map[nodeSpec]*pool.Node, len(c.nodes))}
	v, err := build(set)
	if err != nil {
		closeMissing(set.next, set.last)
		return err
	}
	v.nodes = set.inOrder()
	c.cfg.node.NodeSet.Replace(v.nodes)
	c.relieve(v)
	c.observe(v)
	c.view.Store(v)
	for spec, n := range set.last {
		if set.next[spec] == nil {
			c.seeOut(ctx, spec, n)
		}
	}
	c.nodes, c.leaving = set.next, v.leaving
	c.cutShort()
	if c.since.IsZero() && len(c.nodes) > 0 {
		c.since = time.Now()
	}
	if c.detector != nil {
		c.detector.SetNodes(len(v.nodes))
	}
	c.tellRules(v)
	c.tellAwaited(v)
	return nil
}

// again is the build of the view over the same list.
func (c *Client) again(set *nodeSet) (*view, error) { return c.viewOf(set, c.list) }

// closeMissing closes the nodes that are not among those that stay.
func closeMissing(nodes, staying map[nodeSpec]*pool.Node) {
	for spec, n := range nodes {
		if staying[spec] == nil {
			n.Close()
		}
	}
}
