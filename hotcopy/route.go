package hotcopy

import (
	"context"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Route serves ops whose key has a rule from copies, where a rule says so, and hands all others to the tree below it. Safe
// for concurrent use.
type Route struct {
	copies *Copies
	next   route.Route
	nodes  *nodes
}

// Route returns a route over a client's tree. It is made anew with each view; what is kept stays with c.
//
// nodes are those of the view, in any order; the values of keys that a rule spreads are copied to them. They belong to
// trees in which a key lives on one node, its home. Where every node has every key there is nothing to spread: without
// nodes, the rule only has the process keep the value.
//
// The tree should answer a Get for nothing but the CAS and the size from where it would answer a Get for the value. What one
// that does not, as route.Coherent, reads elsewhere is not kept (Elsewhere).
func (c *Copies) Route(next route.Route, nodes ...*pool.Node) *Route {
	return &Route{copies: c, next: next, nodes: c.newNodes(nodes)}
}

// Do serves ops. Those of a batch are served together: first the homes are asked, by one tree for all; then those values
// are read that have changed or are on other nodes. A third round is made only for values of which no copy was there.
func (r *Route) Do(ctx context.Context, ops []*route.Op) {
	t := r.copies.table.Load()
	for _, op := range ops {
		q := &op.Request
		rule := t.Lookup(op.Hash, q.Key)
		if rule == nil && !pool.IsReserved(q.Key) && q.Command != protocol.FlushAll {
			continue // it is nothing to this route
		}
		if rule == nil || len(ops) > 1 || !r.answerFresh(op, rule) {
			r.serve(ctx, t, ops)
		}
		return
	}
	r.next.Do(ctx, ops)
}

// serve serves ops of which some may need copies.
func (r *Route) serve(ctx context.Context, t *hotkey.Table, ops []*route.Op) {
	b := batches.Get().(*batch)
	defer b.free()
	b.route, b.table = r, t
	b.reserve(len(ops))
	for _, op := range ops {
		b.add(op)
	}
	for b.send(ctx) {
		b.judge(ctx)
	}
	if b.flushes {
		r.copies.Forget()
	}
}

// Explain says which rule applies.
func (r *Route) Explain(op *route.Op) route.Step {
	s := route.Step{Route: "hot copies", Why: "no rule", Next: []route.Step{route.Explain(r.next, op)}}
	rule := r.copies.table.Load().Lookup(op.Hash, op.Request.Key)
	switch {
	case !op.Request.Command.IsKeyed():
	case pool.IsReserved(op.Request.Key):
		s.Why, s.Next = ErrReservedKey.Error(), nil
	case rule == nil:
	case rule.Action.Kind == hotkey.Deny:
		s.Why, s.Next = ErrDenied.Error(), nil
	default:
		s.Why = why(rule)
	}
	return s
}

// why puts a rule in words, without the key.
func why(rule *hotkey.Rule) string {
	text := rule.Origin.String() + " rule for the key: "
	if rule.Prefix != "" {
		text = rule.Origin.String() + " rule for a prefix: "
	}
	text += rule.Action.Kind.String()
	switch {
	case !makesCopies(rule):
	case rule.Action.Staleness > 0:
		text += ", at most " + rule.Action.Staleness.String() + " old"
	default:
		text += ", strict"
	}
	return text
}
