package route

import (
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// A delete of a key that moves leaves nothing at the home, so the next reader fills it, from a node that had the key before.
// What this closes: that node has missed the delete, because this process cannot reach it now, and the reader can. The home
// has the old value then, for this process as well; and when the node is repaired, the home is not.
//
// So this process takes the key for missing until that node has answered it again, behind the delete or its repair, and
// then deletes the key at all others (LateClears). A value that this process stores meanwhile ends that: where there is
// something, nothing is filled. Other processes may read the old value as long as the cut lasts, see Available.

// noteDeletes notes the deletes among writes that nodes have missed, and the values that end the wait for such ones.
func (m *Moving) noteDeletes(p walkPlan, writes []*Op, c *clears) {
	if m.late == nil {
		return
	}
	for _, op := range writes {
		switch {
		case op.Request.Command == protocol.Delete:
			for _, n := range m.missedBy(p, op, c) {
				m.late.put(m.lateDelete(op, n))
			}
		case m.late.has(op) && hasStored(op):
			m.late.drop(op, m.nodes)
		}
	}
}

// hasStored reports whether the home has what op has stored.
func hasStored(op *Op) bool {
	_, failed := op.Err.(*pool.Error)
	return stores(op) && !failed && op.Reply.Status == protocol.OK
}

// missedBy returns the nodes that have not acknowledged a delete which others have.
func (m *Moving) missedBy(p walkPlan, op *Op, c *clears) []*pool.Node {
	missed := c.missed[op]
	if failed, ok := op.Err.(*pool.Error); ok && p.home >= 0 && isNodeFault(failed) {
		missed = append(missed, m.nodes[p.home])
	}
	return missed
}

func (m *Moving) lateDelete(op *Op, missed *pool.Node) *lateClear {
	var others []Route
	for _, n := range m.nodes {
		if n != missed && !slices.Contains(others, Route(n)) {
			others = append(others, n)
		}
	}
	late := newLateClear(op, missed, others)
	late.moving = true
	return late
}

// drop ends the wait for nodes to answer op's key.
func (l *LateClears) drop(op *Op, nodes []*pool.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range nodes {
		if k := (lateKey{n, op.Request.Key}); l.waiting[k] != nil {
			l.forgetLocked(k)
		}
	}
}

// partsOf returns what the replicas are, a Moving being its nodes.
func partsOf(r Replicas, op *Op) (list []Route) {
	for _, replica := range r.All {
		switch at := resolve(replica, op).(type) {
		case *Moving:
			for _, n := range at.nodes {
				list = append(list, n)
			}
		case *empty, *former:
		default:
			list = append(list, at)
		}
	}
	return list
}
