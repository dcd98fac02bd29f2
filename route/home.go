package route

import (
	"context"
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// atHome has read-modify-writes take effect in one place.
type atHome struct{ placement Placement }

// AtHome sends each op to the home of its key, the first of its replicas that is not joining (joining.go), and, if that may have changed the item, deletes the key at the other
// replicas, all at once; their next read asks the home. It is for commands whose result depends on what is there: add,
// replace, append, prepend, increment, decrement, compare-and-swap. Done at each replica they would leave different
// values. If the home fails, its error is the op's and no replica takes its place; if only a clear fails, the error is a
// *WriteError, and the op keeps the home's reply beside it.
func AtHome(p Placement) Route { return &atHome{p} }

func (a *atHome) Do(ctx context.Context, ops []*Op) {
	var few [16]int
	a.clear(ctx, ops, doAtHome(ctx, a.placement, ops, few[:0]))
}

// doAtHome has each op served by its home and appends to homes which replica that was: who is the home may change while
// the op is under way. A home that turns out to be joining, which is not known before its first connection, leaves it to
// the next one.
func doAtHome(ctx context.Context, p Placement, ops []*Op, homes []int) []int {
	for _, op := range ops {
		homes = append(homes, p.Replicas(op).home(op))
	}
	if len(ops) == 1 {
		resolve(p.Replicas(ops[0]).All[homes[0]], ops[0]).Do(ctx, ops)
	} else {
		b := newBatch()
		defer b.free()
		for i, op := range ops {
			b.add(resolve(p.Replicas(op).All[homes[i]], op), op)
		}
		b.do(ctx)
	}
	for i, op := range ops {
		if hasJoined(op) {
			homes[i] = doAtNextHome(ctx, p, ops[i:i+1], homes[i])
		}
	}
	return homes
}

// doAtNextHome has an op served that has met a home that is joining, and returns which replica it was that served it.
func doAtNextHome(ctx context.Context, p Placement, op []*Op, home int) int {
	for range p.Replicas(op[0]).All {
		r := p.Replicas(op[0])
		next := r.home(op[0])
		to := resolve(r.All[next], op[0])
		if !hasJoined(op[0]) || next == home && to == Route(op[0].Node) {
			break
		}
		home = next
		to.Do(ctx, op)
	}
	return home
}

func (a *atHome) Explain(op *Op) Step {
	r := a.placement.Replicas(op)
	home := r.home(op)
	s := Step{Route: "at home", Why: Why(a.placement, op), Next: []Step{Explain(r.All[home], op)}}
	if len(r.All) > 1 {
		others := slices.Concat(r.All[:home], r.All[home+1:])
		s.Next = append(s.Next, Step{Route: "clear", Why: "if the home has changed the item", Next: explainAll(others, op)})
	}
	return s
}

// clear deletes what the homes have changed, or may have changed, at the other replicas.
func (a *atHome) clear(ctx context.Context, ops []*Op, homes []int) {
	w := newWrite()
	defer w.free()
	for i, op := range ops {
		if r := a.placement.Replicas(op).All; len(r) > 1 && mayHaveChanged(op) {
			w.addClear(op, r, homes[i])
		}
	}
	w.do(ctx)
	w.each(func(op *Op, copies []*Op) {
		if err := clearError(op, copies); err != nil && op.Err == nil {
			op.Err = err
		}
	})
}

// addClear queues a plain delete of op's key for each of replicas but the home.
func (w *write) addClear(op *Op, replicas []Route, home int) {
	w.ops = append(w.ops, op)
	request := clearOf(op)
	for i, r := range replicas {
		if i != home {
			w.send(op, r, request, op.Hash).Uncounted = true
		}
	}
	w.ends = append(w.ends, w.used)
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
