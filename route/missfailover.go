package route

import (
	"context"
	"slices"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// MissFailoverOptions say what MissFailover does beside asking on.
type MissFailoverOptions struct {
	BestOnError bool          // without a hit, a miss that some child answered is the answer rather than a later failure
	Refill      *Background   // adds a hit of a later child to those before it that missed; nil: does not
	RefillTTL   time.Duration // how long such a copy stays at most; 0: as long as the original
}

// missFailover asks children until one has the item.
type missFailover struct {
	children []Route
	options  MissFailoverOptions
}

// MissFailover asks children one after the other until one has the item: a read until it hits, a delete until it deletes.
// Without that the answer is the last child's, be it a miss or a failure. All other operations go to the first child alone,
// as do reads that take a lease or whose CAS is to be used.
//
// With Refill, a value found at a later child is added at the earlier ones that missed, with its flags and the time that
// is left, in the background; never after a failure, and never over a newer value. What a read with a touch finds is
// not added; nor, unless there is a RefillTTL, is what comes from a node that cannot tell the time left.
func MissFailover(children []Route, options MissFailoverOptions) (Route, error) {
	switch {
	case len(children) == 0:
		return nil, ErrNoMembers
	case len(children) == 1:
		return children[0], nil
	}
	if _, err := protocol.Exptime(options.RefillTTL, time.Now()); err != nil {
		return nil, err
	}
	return &missFailover{slices.Clone(children), options}, checkChildren(children...)
}

func (m *missFailover) Do(ctx context.Context, ops []*Op) {
	doEach(ctx, ops, func(*Op) Route { return m.children[0] })
	ops = filter(ops, func(op *Op) bool { return goesOn(op) && !isHit(op) && ctx.Err() == nil })
	if len(ops) == 0 {
		return
	}
	missed := make([]map[*Op]bool, 0, len(m.children)) // by child; kept for a refill
	best := make(map[*Op]answer)                       // kept for BestOnError
	for i := 1; i < len(m.children) && len(ops) > 0; i++ {
		if m.options.Refill != nil {
			missed = append(missed, missesOf(ops))
		}
		if m.options.BestOnError {
			noteBest(best, ops)
		}
		m.ask(ctx, ops, i, missed)
		ops = filter(ops, func(op *Op) bool { return !isHit(op) && ctx.Err() == nil })
	}
	if m.options.BestOnError {
		noteBest(best, ops)
		for _, op := range ops {
			best[op].give(op)
		}
	}
}

// ask asks child i. missed are the ops that each child before it has missed.
func (m *missFailover) ask(ctx context.Context, ops []*Op, i int, missed []map[*Op]bool) {
	child := func(*Op) Route { return m.children[i] }
	if m.options.Refill == nil {
		doEach(ctx, ops, child)
		return
	}
	if others := without(ops, isRefilled); len(others) > 0 {
		doEach(ctx, others, child)
	}
	if reads := filter(ops, isRefilled); len(reads) > 0 {
		m.refill(ctx, reads, readToRefill(ctx, reads, child, m.options.RefillTTL), missed)
	}
}

// refill sends adds, one for each of ops or nil, to the children that have missed the op.
func (m *missFailover) refill(ctx context.Context, ops, adds []*Op, missed []map[*Op]bool) {
	for earlier, misses := range missed {
		var list []*Op
		for k, op := range ops {
			if adds[k] != nil && misses[op] {
				list = append(list, adds[k])
			}
		}
		if len(list) > 0 {
			m.options.Refill.Do(ctx, m.children[earlier], list)
		}
	}
}

// isRefilled reports whether what op finds may be added elsewhere: it is a read and does nothing but read.
func isRefilled(op *Op) bool {
	return op.Request.Command == protocol.Get && op.Request.Meta&takingFlags == 0
}

func missesOf(ops []*Op) map[*Op]bool {
	misses := make(map[*Op]bool)
	for _, op := range ops {
		if isMiss(op) {
			misses[op] = true
		}
	}
	return misses
}

// goesOn reports whether an op without a hit is asked at the next child.
func goesOn(op *Op) bool {
	switch op.Request.Command {
	case protocol.Get, protocol.GetAndTouch:
		return !op.ForUpdate && op.Request.Meta&(protocol.Vivify|protocol.Recache) == 0
	case protocol.Delete:
		return true
	}
	return false
}

// answer is what a child said of an op, without a value: it is no hit.
type answer struct {
	reply protocol.Reply
	node  *pool.Node
	err   error
}

// noteBest keeps for each op what counts most of what its children have said: a miss more than a failure, of equals the
// later one.
func noteBest(best map[*Op]answer, ops []*Op) {
	for _, op := range ops {
		if b, ok := best[op]; !ok || b.err != nil || op.Err == nil {
			best[op] = answer{op.Reply, op.Node, op.Err}
		}
	}
}

func (a answer) give(op *Op) {
	op.Settle(nil, a.err)
	op.Reply, op.Node = a.reply, a.node
}

func (m *missFailover) Explain(op *Op) Step {
	if !goesOn(op) {
		return Step{Route: "miss failover", Why: operationName(OperationOf(op)) + " goes to the first", Next: explainAll(m.children[:1], op)}
	}
	return Step{Route: "miss failover", Why: "until one has the item", Next: explainAll(m.children, op)}
}
