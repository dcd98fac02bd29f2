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
	var few [16]placed
	a.clear(ctx, ops, doAtHome(ctx, a.placement, ops, few[:0]))
}

// placed is where an op is sent: the replicas of its key at that moment, and which of them is the home. Both may be others
// while the op is under way.
type placed struct {
	all  []Route
	home int
}

func placeOf(p Placement, op *Op) placed {
	r := p.Replicas(op)
	return placed{r.All, r.home(op)}
}

// route returns the home.
func (p placed) route() Route { return p.all[p.home] }

func (p placed) others() []Route { return besides(p.home, p.all) }

// besides returns all but the home.
func besides(home int, all []Route) []Route { return slices.Concat(all[:home], all[home+1:]) }

// doAtHome has each op served by its home and appends to at where that was. A home that turns out to be joining, which is not
// known before its first connection, leaves it to the next one.
func doAtHome(ctx context.Context, p Placement, ops []*Op, at []placed) []placed {
	at = placesOf(p, ops, at)
	doAt(ctx, ops, at)
	for i, op := range ops {
		if hasJoined(op) {
			at[i] = doAtNextHome(ctx, p, ops[i:i+1], at[i])
		}
	}
	return at
}

// placesOf appends the place of each op to at.
func placesOf(p Placement, ops []*Op, at []placed) []placed {
	for _, op := range ops {
		at = append(at, placeOf(p, op))
	}
	return at
}

// doAt has each op served by the home in its place.
func doAt(ctx context.Context, ops []*Op, at []placed) {
	if len(ops) == 1 {
		resolve(at[0].route(), ops[0]).Do(ctx, ops)
		return
	}
	b := newBatch()
	defer b.free()
	for i, op := range ops {
		b.add(resolve(at[i].route(), op), op)
	}
	b.do(ctx)
}

// doAtNextHome has an op served that has met a home that is joining, and returns where that was.
func doAtNextHome(ctx context.Context, p Placement, op []*Op, at placed) placed {
	for range at.all {
		next := placeOf(p, op[0])
		to := resolve(next.route(), op[0])
		if !hasJoined(op[0]) || next.home == at.home && to == Route(op[0].Node) {
			break
		}
		at = next
		to.Do(ctx, op)
	}
	return at
}

// begun returns the nodes that a key moves between which has begun to move since op was sent there: then nobody did for op
// what the steps ask for, and the replicas of now are not those that have to be cleared.
func (p placed) begun(now Placement, op *Op) (nodes []*pool.Node) {
	m, moves := resolve(now.Replicas(op).All[0], op).(*Moving)
	if _, moved := resolve(p.all[0], op).(*Moving); !moves || moved {
		return nil
	}
	for _, n := range m.nodes[:m.reach(m.steps())] {
		if n != op.Node && !p.has(n, op) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (p placed) has(n *pool.Node, op *Op) bool {
	return slices.ContainsFunc(p.all, func(r Route) bool { return resolve(r, op) == Route(n) })
}

func (a *atHome) Explain(op *Op) Step {
	r := a.placement.Replicas(op)
	home := r.home(op)
	s := Step{Route: "at home", Why: Why(a.placement, op), Next: []Step{Explain(r.All[home], op)}}
	if len(r.All) > 1 {
		others := besides(home, r.All)
		s.Next = append(s.Next, Step{Route: "clear", Why: "if the home has changed the item", Next: explainAll(others, op)})
	}
	return s
}

// clear deletes what the homes have changed, or may have changed, at the other replicas.
func (a *atHome) clear(ctx context.Context, ops []*Op, at []placed) {
	w := newWrite()
	defer w.free()
	for i, op := range ops {
		if !mayHaveChanged(op) {
			continue
		}
		if begun := at[i].begun(a.placement, op); len(at[i].all)+len(begun) > 1 {
			w.addClear(op, at[i], begun, clearOf(op))
		}
	}
	w.do(ctx)
	w.each(func(op *Op, copies []*Op) {
		if err := clearError(op, copies); err != nil && op.Err == nil {
			op.Err = err
		}
	})
}

// addClear queues request, which clears what op was, for each replica but the home, and for the nodes of begun. Nobody is not
// asked: he has no say.
func (w *write) addClear(op *Op, at placed, begun []*pool.Node, request *protocol.Request) {
	w.ops = append(w.ops, op)
	for i, r := range at.all {
		if i != at.home && r != nobody {
			w.send(op, r, request, op.Hash).Uncounted = true
		}
	}
	for _, n := range begun {
		w.send(op, n, request, op.Hash).Uncounted = true
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
