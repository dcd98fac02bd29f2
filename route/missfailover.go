package route

import (
	"context"
	"slices"
	"time"

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
// is left, in the background; never after a failure, and never over a newer value.
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
	return &missFailover{children, options}, checkChildren(children...)
}

func (m *missFailover) Do(ctx context.Context, ops []*Op) {
	doEach(ctx, ops, func(*Op) Route { return m.children[0] })
	ops = filter(ops, func(op *Op) bool { return goesOn(op) && !isHit(op) && ctx.Err() == nil })
	if len(ops) == 0 {
		return
	}
	missed := make([][]*Op, len(m.children)) // by child
	best := make(map[*Op]answer)
	for i := 1; i < len(m.children) && len(ops) > 0; i++ {
		missed[i-1] = slices.Clone(filter(ops, isMiss))
		for _, op := range ops {
			best[op] = best[op].orLater(op)
		}
		m.ask(ctx, ops, i, missed[:i])
		ops = filter(ops, func(op *Op) bool { return !isHit(op) && ctx.Err() == nil })
	}
	if m.options.BestOnError {
		for _, op := range ops {
			best[op].orLater(op).give(op)
		}
	}
}

// ask asks child i. missed are the ops that each child before it has missed.
func (m *missFailover) ask(ctx context.Context, ops []*Op, i int, missed [][]*Op) {
	child := func(*Op) Route { return m.children[i] }
	if m.options.Refill == nil || ops[0].Request.Command == protocol.Delete {
		doEach(ctx, ops, child)
		return
	}
	adds := readToRefill(ctx, ops, child, m.options.RefillTTL)
	for earlier, list := range missed {
		var refills []*Op
		for k, op := range ops {
			if adds[k] != nil && slices.Contains(list, op) {
				refills = append(refills, adds[k])
			}
		}
		if len(refills) > 0 {
			m.options.Refill.Do(ctx, m.children[earlier], refills)
		}
	}
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

// answer is what a child said of an op.
type answer struct {
	known bool
	reply protocol.Reply
	err   error
}

// orLater returns what counts more: a, or what op's last child said. A miss counts more than a failure, of equals the
// later one.
func (a answer) orLater(op *Op) answer {
	if a.known && a.err == nil && op.Err != nil {
		return a
	}
	return answer{true, op.Reply, op.Err}
}

func (a answer) give(op *Op) {
	op.Settle(nil, a.err)
	op.Reply = a.reply
}

func (m *missFailover) Explain(op *Op) Step {
	if !goesOn(op) {
		return Step{Route: "miss failover", Why: operationName(OperationOf(op)) + " goes to the first", Next: explainAll(m.children[:1], op)}
	}
	return Step{Route: "miss failover", Why: "until one has the item", Next: explainAll(m.children, op)}
}
