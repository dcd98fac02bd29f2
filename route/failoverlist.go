package route

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// FailoverOptions say how FailoverList moves on. The zero value asks every child in the order of the list, for failures
// of nodes.
type FailoverOptions struct {
	On        FailoverOn
	Order     Order         // which child is next; nil: that of the list
	MaxTries  int           // children asked at most, the first included; 0: all
	MaxErrors int           // failures after which no more are asked; 0: no bound. A node that is down or has left costs none
	Exclude   Failure       // other failures that do not count for MaxErrors
	Limit     *RequestLimit // of moving on; nil: none
}

// FailoverOn are the failures after which the next child is asked, by kind of operation; nil is FailNode, a pointer to 0
// is never. Touch moves on for FailNode, increment and decrement never do. What else depends on the item that is there
// (add, replace, append, prepend, compare-and-swap) moves on only for a failure that Update names, and only if the node has
// certainly not done it: nobody wants an append twice.
type FailoverOn struct {
	Get, Update, Delete *Failure
}

// ErrFailover means that FailoverOptions make no sense.
var ErrFailover = errors.New("memcache: bad failover options")

// failoverList asks children one after the other.
type failoverList struct {
	children []Route
	options  FailoverOptions
}

// FailoverList asks children one after the other, the first of the list first, until a reply is not a failure that
// options name; a miss is a reply. If no child is left, or no try, or the limit says so, the last failure is the answer.
// Only the ops of a batch that failed move on.
//
// The max_tries of mcrouter's deterministic order and of its least failures is MaxTries; its max_error_tries, and the
// max_tries of its in-order policy, is MaxErrors.
func FailoverList(children []Route, options FailoverOptions) (Route, error) {
	switch {
	case len(children) == 0:
		return nil, ErrNoMembers
	case options.MaxTries < 0 || options.MaxErrors < 0:
		return nil, fmt.Errorf("%w: a number is negative", ErrFailover)
	case len(children) == 1:
		return children[0], nil
	}
	if options.Order == nil {
		options.Order = InOrder()
	}
	if o, ok := options.Order.(sized); ok && o.size() < len(children) {
		return nil, fmt.Errorf("%w: an order of %d for %d children", ErrFailover, o.size(), len(children))
	}
	return &failoverList{slices.Clone(children), options}, checkChildren(children...)
}

func (f *failoverList) Do(ctx context.Context, ops []*Op) {
	f.options.Limit.count(len(ops))
	doEach(ctx, ops, f.first)
	for _, op := range ops {
		f.options.Order.learn(0, op.Err)
	}
	ops = filter(ops, func(op *Op) bool { return f.mayMoveOn(ctx, op) })
	if len(ops) == 0 {
		return
	}
	for walks := f.newWalks(ops); ; {
		if ops = f.move(ctx, ops, walks); len(ops) == 0 {
			return
		}
		doEach(ctx, ops, func(op *Op) Route { return f.children[walks[op].at] })
		for _, op := range ops {
			f.options.Order.learn(walks[op].at, op.Err)
		}
	}
}

func (f *failoverList) first(*Op) Route { return f.children[0] }

// move moves on those of ops that have failed and have a child left, and returns them.
func (f *failoverList) move(ctx context.Context, ops []*Op, walks map[*Op]*walk) (moved []*Op) {
	for _, op := range ops {
		if f.mayMoveOn(ctx, op) && f.step(op, walks[op]) {
			moved = append(moved, op)
		}
	}
	return countFailovers(moved)
}

// mayMoveOn reports whether op has failed so that another child may be asked. A read-modify-write that the node may have
// done, or may do yet, has not.
func (f *failoverList) mayMoveOn(ctx context.Context, op *Op) bool {
	switch {
	case op.Err == nil || ctx.Err() != nil || FailureOf(op.Err)&f.errorsOf(op) == 0:
		return false
	case isReadModifyWrite(op):
		failed, ok := op.Err.(*pool.Error)
		return ok && failed.Outcome != pool.Ambiguous
	}
	return true
}

// errorsOf returns the failures after which op moves on.
func (f *failoverList) errorsOf(op *Op) Failure {
	var set *Failure
	switch c := OperationOf(op); {
	case c == protocol.Get || c == GetForUpdate || c == protocol.GetAndTouch:
		set = f.options.On.Get
	case c.IsStore() || c == CompareAndSwap:
		set = f.options.On.Update
		if set == nil && isReadModifyWrite(op) {
			return 0
		}
	case c == protocol.Delete:
		set = f.options.On.Delete
	case c.IsArithmetic():
		return 0
	}
	if set == nil {
		return FailNode
	}
	return *set
}

// walk is how far one op has come.
type walk struct {
	at            int // the child asked last
	asked         []bool
	tries, errors int
}

func (f *failoverList) newWalks(ops []*Op) map[*Op]*walk {
	walks := make(map[*Op]*walk, len(ops))
	for _, op := range ops {
		w := &walk{asked: make([]bool, len(f.children))}
		chosen := f.chosenFirst(op)
		for i, c := range f.children {
			w.asked[i] = i == 0 || resolve(c, op) == chosen
		}
		walks[op] = w
	}
	return walks
}

// chosenFirst returns what the first child has chosen for op, which has failed there: it may be one of the others, which is
// not to be asked again. A choice by chance is not made twice: of it, the node that was asked is known.
func (f *failoverList) chosenFirst(op *Op) Route {
	asked := func(c Route) bool { return op.Node != nil && resolve(c, op) == Route(op.Node) }
	if slices.ContainsFunc(f.children[1:], asked) {
		return op.Node
	}
	return resolve(f.children[0], op)
}

// step moves op, which has failed, on to its next child. False means that it stays as it is.
func (f *failoverList) step(op *Op, w *walk) bool {
	o, kind := &f.options, FailureOf(op.Err)
	costly := kind&failUnsent == 0
	w.tries++
	if costly && kind&o.Exclude == 0 {
		w.errors++
	}
	if o.MaxTries > 0 && w.tries >= o.MaxTries || o.MaxErrors > 0 && w.errors >= o.MaxErrors {
		return false
	}
	next, ok := o.Order.next(op, w.asked)
	if !ok || costly && !o.Limit.take() {
		return false
	}
	w.at, w.asked[next] = next, true
	return true
}

// failUnsent are failures that cost the node nothing: it is known to be down, could not be connected to, or has left.
const failUnsent = FailDown | FailConnect | FailConnectTimeout | FailClosed

func (f *failoverList) Explain(op *Op) Step {
	s := Step{Route: "failover", Why: f.options.Order.String(), Next: []Step{Explain(f.children[0], op)}}
	if f.errorsOf(op) == 0 {
		s.Why = operationName(OperationOf(op)) + " does not fail over"
		return s
	}
	w := f.newWalks([]*Op{op})[op]
	for tries := 1; f.options.MaxTries == 0 || tries < f.options.MaxTries; tries++ {
		next, ok := f.options.Order.next(op, w.asked)
		if !ok {
			break
		}
		w.asked[next] = true
		s.Next = append(s.Next, Explain(f.children[next], op))
	}
	return s
}
