package route

import (
	"cmp"
	"context"
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// coherentWrite is a batch of writes and where their keys were when they were begun: that may change on the way.
type coherentWrite struct {
	placement Placement
	ops       []*Op
	at        []placed
	failed    map[*Op][]error // of ops for which clearBefore has failed: what came of it at each replica before the home
}

func newCoherentWrite(p Placement, ops []*Op) *coherentWrite {
	w := &coherentWrite{placement: p, ops: ops, at: make([]placed, len(ops))}
	for i, op := range ops {
		w.at[i] = placeOf(p, op)
	}
	return w
}

// clearBefore deletes at the replicas that others may take for the home.
func (w *coherentWrite) clearBefore(ctx context.Context) {
	clears := newWrite()
	defer clears.free()
	for i, op := range w.ops {
		if before := w.at[i].all[:w.at[i].home]; len(before) > 0 {
			clears.add(op, before, clearingOf(op))
		}
	}
	clears.do(ctx)
	clears.each(func(op *Op, copies []*Op) {
		if len(failures(copies)) == 0 {
			return
		}
		if w.failed == nil {
			w.failed = make(map[*Op][]error)
		}
		for _, c := range copies {
			w.failed[op] = append(w.failed[op], c.Err)
		}
	})
}

func (w *coherentWrite) atHome(ctx context.Context) {
	b := newBatch()
	defer b.free()
	for i, op := range w.ops {
		b.add(resolve(w.at[i].route(), op), op)
	}
	b.do(ctx)
}

// takeMoved takes out of w, and returns, the ops that have another home than the one that has refused them.
func (w *coherentWrite) takeMoved() (moved []*Op) {
	var ops []*Op
	var at []placed
	for i, op := range w.ops {
		r := w.placement.Replicas(op)
		switch {
		case hasJoined(op) && r.home(op) != w.at[i].home:
			moved = append(moved, op)
			continue
		case hasJoined(op) && !isReadModifyWrite(op) && r.allJoining(op):
			settleMiss(op)
		}
		ops, at = append(ops, op), append(at, w.at[i])
	}
	w.ops, w.at = ops, at
	return moved
}

// unsettled returns the ops that their homes may have done, or will delete late, and where that is.
func (w *coherentWrite) unsettled() (ops []*Op, at []placed) {
	for i, op := range w.ops {
		if isUnsure(op) || isWhole(op) && isOutOfReach(op) {
			ops, at = append(ops, op), append(at, w.at[i])
		}
	}
	return ops, at
}

// clearOthers deletes what the homes have changed, or may have changed, at the other replicas.
func (w *coherentWrite) clearOthers(ctx context.Context) {
	clears := newWrite()
	defer clears.free()
	for i, op := range w.ops {
		if !clearsOthers(op) {
			continue
		}
		if begun := w.at[i].begun(w.placement, op); len(w.at[i].all)+len(begun) > 1 {
			clears.addClear(op, w.at[i], begun, clearingOf(op))
		}
	}
	clears.do(ctx)
	clears.each(func(op *Op, copies []*Op) {
		for i, err := range w.failed[op] { // those before the home are the first of the others, too
			copies[i].Err = cmp.Or(copies[i].Err, err)
		}
		settleCleared(op, copies)
	})
}

// clearingOf returns what removes at another replica what op writes at the home.
func clearingOf(op *Op) *protocol.Request {
	if !op.Request.Command.IsKeyed() {
		return &op.Request // a flush
	}
	return clearOf(op)
}

// isWhole reports whether op leaves the same, whatever was there.
func isWhole(op *Op) bool {
	switch op.Request.Command {
	case protocol.Set, protocol.Delete:
		return !op.Request.Has(protocol.Compare)
	}
	return op.Request.Command == protocol.FlushAll
}

// clearsOthers reports whether copies of op's key must go. For a whole write that is always so: the home may have lost, by an
// eviction, what the others still have, and a value that is too large removes the one that was there.
func clearsOthers(op *Op) bool {
	if op.Err == nil {
		return op.Reply.Status == protocol.OK || isWhole(op)
	}
	return isUnsure(op) || isWhole(op) && isNodeFault(op.Err)
}

// isUnsure reports whether nobody knows if op was done.
func isUnsure(op *Op) bool {
	if op.Err == nil {
		return false
	}
	failed, ok := op.Err.(*pool.Error)
	return !ok || failed.Outcome == pool.Ambiguous
}

// settleCleared settles op, which its home has done or not, by what came of the clears.
func settleCleared(op *Op, clears []*Op) {
	failed := failures(clears)
	acked := len(clears) - len(failed)
	noteMissed(clears)
	switch {
	case op.Err == nil:
		if isMiss(op) && op.Request.Command == protocol.Delete && slices.ContainsFunc(clears, isHit) {
			op.Reply.Status = protocol.OK // a replica had it
		}
		if len(failed) > 0 {
			op.Err = &WriteError{Command: op.Request.Command, Acked: 1 + acked, Failed: failed}
		}
	case acked > 0 && isWhole(op) && isOutOfReach(op):
		noteMissed([]*Op{op})
		err := &WriteError{Command: op.Request.Command, Acked: acked, Failed: append([]error{op.Err}, failed...)}
		op.Settle(&Op{Reply: withoutHome(op, clears), Node: op.Node, Cleared: op.Request.Command == protocol.Set}, err)
	}
}

// isOutOfReach reports whether op's home has not answered.
func isOutOfReach(op *Op) bool {
	failed, ok := op.Err.(*pool.Error)
	return ok && failed.Outcome != pool.Refused && isNodeFault(op.Err)
}

// withoutHome returns what the replicas that were cleared say of op, a whole write.
func withoutHome(op *Op, clears []*Op) protocol.Reply {
	reply := protocol.Reply{Status: protocol.OK, Block: -1}
	if op.Request.Command == protocol.Delete && !slices.ContainsFunc(clears, isHit) {
		reply.Status = protocol.Miss
	}
	return reply
}
