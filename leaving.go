package memcache

import (
	"context"
	"slices"
	"time"

	"github.com/nohop/memcache/pool"
)

// A node that has left the list stays in the tree for a time, because other processes may use it until they have seen the
// same list. What closes: one process has seen a node leave and writes without it, another has not and goes on reading
// there what is old now. Where every node holds every key, nothing is read or stored there for twice D, and what is
// written is deleted (pool.Node.Leave). Where a key has one home, the node goes the way out that moves its keys
// (pool.Node.Retire, route.Walk).
//
// A node that comes back before that is a node of its own, which asks the memcached process what it is and has it flushed
// if it holds what it held (package pool, mark.go); the one that leaves goes on beside it, to finish its journal.

// departed returns the nodes that are on their way out, were set to be the view.
func (c *Client) departed(set *nodeSet) []member {
	if !c.cfg.changes() || c.cfg.isFree() {
		return nil
	}
	gone := slices.DeleteFunc(slices.Clone(c.leaving), func(m member) bool { return set.next[specOf(m.Node)] != nil })
	for _, n := range c.list {
		if spec := specOf(n); set.next[spec] == nil && set.last[spec] != nil {
			gone = append(gone, member{n, set.last[spec]})
		}
	}
	return gone[max(0, len(gone)-maxLeaving):]
}

// maxLeaving bounds the nodes that are on their way out: where the list changes so often that there would be more, those
// that have left first are forgotten early.
const maxLeaving = 32

// isFree reports whether the tree is not a preset's: it is made of the nodes that are there, and of no others.
func (c *config) isFree() bool { return c.topology == custom || c.topology == configured }

// moves reports whether a key has one home, which is to move when nodes come and go.
func (c *config) moves() bool { return c.changes() && !c.isFree() && c.topology != replicated }

// seeOut takes leave of a node that is not in the list any more.
func (c *Client) seeOut(ctx context.Context, spec nodeSpec, n *pool.Node) {
	stays := time.Duration(0)
	switch {
	case !c.cfg.changes() || c.cfg.isFree():
	case c.cfg.moves():
		stays = n.Retire()
	default:
		n.Leave()
		stays = 2 * c.cfg.node.Quarantine
	}
	c.remember(spec, n)
	leaving, cut := context.WithTimeout(ctx, stays)
	c.cuts[n] = cut
	c.wg.Go(func() {
		defer cut()
		<-leaving.Done()
		c.forget(ctx, spec, n)
		pause(ctx, c.cfg.longestOperation()) // for requests under way
		n.Close()
	})
}

// cutShort ends the way out of nodes that are not in the tree any more, because they have come back or were too many.
func (c *Client) cutShort() {
	for n, cut := range c.cuts {
		if !slices.ContainsFunc(c.leaving, func(m member) bool { return m.node == n }) {
			cut()
			delete(c.cuts, n)
		}
	}
}

// leaveLast has the last nodes of zones that are gone do without a walk: no other node of the zone takes their keys.
func leaveLast(members, leaving []member) {
	for _, m := range leaving {
		if !slices.ContainsFunc(members, func(o member) bool { return o.Zone == m.Zone }) {
			m.node.Leave()
		}
	}
}

// pause returns after d, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// forget takes a node that has left out of the tree.
func (c *Client) forget(ctx context.Context, spec nodeSpec, n *pool.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remember(spec, n)
	isIt := func(m member) bool { return m.node == n }
	if c.closed || !slices.ContainsFunc(c.leaving, isIt) {
		return
	}
	c.leaving = slices.DeleteFunc(slices.Clone(c.leaving), isIt)
	if err := c.applyLocked(ctx, c.again); err != nil {
		c.cfg.log.Error("memcache: a node that has left cannot be taken out of the view", "node", n.Name(), "error", err)
	}
}

// maxGenerations bounds the nodes that are remembered after they have left.
const maxGenerations = 4096

// remember keeps the generation of a node that leaves, so that it is known if it comes back.
func (c *Client) remember(spec nodeSpec, n *pool.Node) {
	g, known := n.Generation()
	if !known {
		return
	}
	if c.generations == nil {
		c.generations = make(map[nodeSpec]uint64)
	}
	if len(c.generations) >= maxGenerations {
		for some := range c.generations { // which one does not matter: one that is not known is told by its mark alone
			delete(c.generations, some)
			break
		}
	}
	c.generations[spec] = g
}

// newNode returns a node that has come into the list. Of a client that is younger than D nobody knows whether the node
// joins, or has been there and is only now heard of.
func (c *Client) newNode(spec nodeSpec) *pool.Node {
	cfg := c.cfg.nodeConfig(spec)
	if !c.cfg.changes() {
		return pool.NewNode(cfg)
	}
	for _, m := range c.leaving { // it may have restarted while it left
		if specOf(m.Node) == spec {
			c.remember(spec, m.node)
		}
	}
	cfg.KnownGeneration = c.generations[spec]
	isOld := !c.since.IsZero() && time.Since(c.since) > cfg.Quarantine
	cfg.Joined = isOld || cfg.KnownGeneration != 0
	return pool.NewNode(cfg)
}
