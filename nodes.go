package memcache

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/nohop/memcache/pool"
)

// nodeSpec is what a node is made of; the same spec is the same node in every view.
type nodeSpec struct {
	name    string // "": its address
	addr    string
	timeout time.Duration // per try; 0: that of WithTimeout
}

// nodeSet are the nodes of a view in the making.
type nodeSet struct {
	cfg  *config
	last map[nodeSpec]*pool.Node // those of the view before
	next map[nodeSpec]*pool.Node
}

// get returns the node of a spec: the one of the view before, with its connections, or a new one.
func (s *nodeSet) get(spec nodeSpec) *pool.Node {
	if n := s.next[spec]; n != nil {
		return n
	}
	n := s.last[spec]
	if n == nil {
		n = s.cfg.newNode(spec)
	}
	s.next[spec] = n
	return n
}

func (c *config) newNode(spec nodeSpec) *pool.Node {
	cfg := c.node
	cfg.Name, cfg.Addr = spec.name, spec.addr
	cfg.Timeout = cmp.Or(spec.timeout, cfg.Timeout)
	return pool.NewNode(cfg)
}

// inOrder returns the nodes in the order of names.
func (s *nodeSet) inOrder() (nodes []*pool.Node) {
	for _, n := range s.next {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *pool.Node) int { return cmp.Compare(a.Name(), b.Name()) })
	return nodes
}

// apply replaces the view by the one that build makes. Nodes that stay keep their connections; those that left are closed
// after a grace, for requests under way, or when ctx ends. If build fails, the last view stays.
func (c *Client) apply(ctx context.Context, build func(*nodeSet) (*view, error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	set := &nodeSet{cfg: &c.cfg, last: c.nodes, next: make(map[nodeSpec]*pool.Node, len(c.nodes))}
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
			c.wg.Go(func() { c.dismiss(ctx, n) })
		}
	}
	c.nodes = set.next
	if c.detector != nil {
		c.detector.SetNodes(len(v.nodes))
	}
	c.tellRules(v)
	return nil
}

// closeMissing closes the nodes that are not among those that stay.
func closeMissing(nodes, staying map[nodeSpec]*pool.Node) {
	for spec, n := range nodes {
		if staying[spec] == nil {
			n.Close()
		}
	}
}

// dismiss closes a node that has left the view.
func (c *Client) dismiss(ctx context.Context, n *pool.Node) {
	timer := time.NewTimer(c.cfg.grace())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	n.Close()
}

// grace is longer than a write that found a node in the view can be under way: it makes two tries, at the home and at the
// other replicas. A read that fails over may take longer, and goes on at the nodes that are left.
func (c *config) grace() time.Duration {
	return 4 * max(c.node.Timeout, pool.DefaultTimeout)
}
