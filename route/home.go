package route

import (
	"context"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// atHome has read-modify-writes take effect in one place.
type atHome struct{ placement Placement }

// AtHome sends each op to the home of its key and, if that may have changed the item, deletes the key at the other
// replicas, all at once; their next read asks the home. It is for commands whose result depends on what is there: add,
// replace, append, prepend, increment, decrement, compare-and-swap. Done at each replica they would leave different
// values. If the home fails, its error is the op's and no replica takes its place; if only a clear fails, the error is a
// *WriteError, and the op keeps the home's reply beside it.
func AtHome(p Placement) Route { return &atHome{p} }

func (a *atHome) Do(ctx context.Context, ops []*Op) {
	doEach(ctx, ops, func(op *Op) Route { return a.placement.Replicas(op).All[0] })
	a.clear(ctx, ops)
}

func (a *atHome) Explain(op *Op) Step {
	r := a.placement.Replicas(op).All
	s := Step{Route: "at home", Why: Why(a.placement, op), Next: []Step{Explain(r[0], op)}}
	if len(r) > 1 {
		s.Next = append(s.Next, Step{Route: "clear", Why: "if the home has changed the item", Next: explainAll(r[1:], op)})
	}
	return s
}

// clear deletes what the home has changed, or may have changed, at the other replicas.
func (a *atHome) clear(ctx context.Context, ops []*Op) {
	w := newWrite()
	defer w.free()
	for _, op := range ops {
		if others := a.placement.Replicas(op).All[1:]; len(others) > 0 && mayHaveChanged(op) {
			w.addClear(op, others)
		}
	}
	w.do(ctx)
	w.each(func(op *Op, copies []*Op) {
		if err := clearError(op, copies); err != nil && op.Err == nil {
			op.Err = err
		}
	})
}

// addClear queues a plain delete of op's key for each of replicas.
func (w *write) addClear(op *Op, replicas []Route) {
	w.add(op, replicas, clearOf(op))
}

// clearOf returns a plain delete of op's key.
func clearOf(op *Op) *protocol.Request {
	return &protocol.Request{Command: protocol.Delete, Key: op.Request.Key, Meta: op.Request.Meta & protocol.BinaryKey}
}

// clearError is the error of a clear of which some failed; it counts the home among those that acknowledged.
func clearError(op *Op, copies []*Op) error {
	failed := failures(copies)
	if len(failed) == 0 {
		return nil
	}
	noteMissed(copies)
	return &WriteError{Command: op.Request.Command, Acked: 1 + len(copies) - len(failed), Failed: failed}
}

func mayHaveChanged(op *Op) bool {
	if !op.Request.Command.Mutates() {
		return false
	}
	if op.Err == nil {
		return op.Reply.Status == protocol.OK
	}
	failed, ok := op.Err.(*pool.Error)
	return !ok || failed.Outcome == pool.Ambiguous
}
