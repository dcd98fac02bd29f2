package route

import (
	"context"
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// A key that moves is filled at its home from a node that had it before: when it was deleted, or when it was stored and the home
// has evicted it. What this closes: that node has missed the write, because this process cannot reach it now, and the process
// that fills can. The home has the old value then, for this process as well; and when the node is repaired, the home is not.
//
// So until that node has answered this process again, behind the write or its repair, this process believes the home only if
// the item there is the one that it has stored, by its CAS, and else takes the key for missing. Then it deletes the key at all
// others (LateClears), but for its own item. Other processes may read the old value as long as the cut lasts, see Available.

// noteLate notes the nodes that have missed one of writes.
func (m *Moving) noteLate(p walkPlan, writes []*Op, c *clears) {
	if m.late == nil {
		return
	}
	for _, op := range writes {
		missed, own := c.missed[op], ownValue{}
		switch {
		case op.Request.Command == protocol.Delete:
			if failed, ok := op.Err.(*pool.Error); ok && p.home >= 0 && isNodeFault(failed) {
				missed = append(missed, m.nodes[p.home])
			}
		case !hasStored(op):
			continue
		default:
			own = ownOf(op)
		}
		if len(missed) == 0 && m.late.has(op) {
			m.late.drop(op, m.nodes) // all have it
		}
		for _, n := range missed {
			m.late.putOwn(m.lateWrite(op, n), own)
		}
	}
}

// hasStored reports whether the home has what op has stored.
func hasStored(op *Op) bool {
	_, failed := op.Err.(*pool.Error)
	c := op.Request.Command
	return (c.IsStore() || c.IsArithmetic()) && !failed && op.Reply.Status == protocol.OK
}

func (m *Moving) lateWrite(op *Op, missed *pool.Node) *lateClear {
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

// ownValue is an item that this process has stored; the zero ownValue is none.
type ownValue struct {
	node            *pool.Node
	generation, cas uint64
}

// ownOf returns what op has stored or found; the zero ownValue if the node has not said which item that is.
func ownOf(op *Op) ownValue {
	if op.Reply.CAS == 0 {
		return ownValue{}
	}
	generation, _ := op.Token.Generation()
	return ownValue{op.Node, generation, op.Reply.CAS}
}

// readLate serves reads of keys of which a node has missed a write.
func (m *Moving) readLate(ctx context.Context, p walkPlan, ops []*Op) {
	var ask []*Op
	for _, op := range ops {
		if op.Request.Command == protocol.Get && op.Request.Has(protocol.ReturnCAS) && p.home >= 0 && m.late.own(op) != (ownValue{}) {
			ask = append(ask, op)
		} else {
			settleMiss(op)
		}
	}
	if len(ask) == 0 {
		return
	}
	m.nodes[p.home].Do(ctx, ask)
	for _, op := range ask {
		if isHit(op) && ownOf(op) != m.late.own(op) {
			settleMiss(op)
		}
	}
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
