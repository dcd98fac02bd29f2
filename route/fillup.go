package route

import (
	"context"
	"slices"
	"time"

	"github.com/nohop/memcache/protocol"
)

// fillUp reads a second route where the first has nothing, and adds what it finds to the first. WarmUp and L1L2 are it.
type fillUp struct {
	name          string
	first, second Route
	ttl           time.Duration // the longest that a value may stay in first; 0: as long as in second
	negative      *negative     // nil: misses are not remembered
	background    *Background
}

// fillWay is how an op uses the second route.
type fillWay uint8

const (
	firstOnly  fillWay = iota // not at all
	fillBehind                // a value found there is returned, and added in the background
	fillBefore                // a value found there is added, and then the op asks first again
	fillLease                 // as fillBehind, but with the lease that first has given
)

func wayToFill(op *Op) fillWay {
	leases := op.Request.Meta&(protocol.Vivify|protocol.Recache) != 0
	switch c := OperationOf(op); {
	case c == protocol.GetAndTouch, c == protocol.Get && op.Request.Has(protocol.UpdateTTL), c == GetForUpdate && !leases:
		return fillBefore
	case c == protocol.Get && leases:
		return fillLease
	case c == protocol.Get:
		return fillBehind
	}
	return firstOnly
}

func (f *fillUp) toFirst(*Op) Route  { return f.first }
func (f *fillUp) toSecond(*Op) Route { return f.second }

func (f *fillUp) Do(ctx context.Context, ops []*Op) {
	if f.negative != nil {
		ops = f.negative.ask(ctx, ops)
	} else {
		doEach(ctx, ops, f.toFirst)
	}
	if missed := filter(ops, func(op *Op) bool { return asksSecond(ctx, op) }); len(missed) > 0 {
		f.askSecond(ctx, missed)
	}
}

// asksSecond reports whether first's answer to op is not the last word. A failure of first is, where what is read must be
// first's own: an op for update, or one that touches.
func asksSecond(ctx context.Context, op *Op) bool {
	way := wayToFill(op)
	switch {
	case way == firstOnly:
		return false
	case op.Err != nil:
		return way != fillBefore && ctx.Err() == nil && isNodeFault(op.Err)
	}
	return isMiss(op) || way == fillLease && isNewStub(op)
}

// isNewStub reports whether a read has found nothing and was given the lease.
func isNewStub(op *Op) bool {
	r := &op.Reply
	return op.Request.Has(protocol.Vivify) && r.Status == protocol.OK && r.Block <= 0 && r.Has(protocol.Won) && !r.Has(protocol.Stale)
}

// askSecond asks second for what first did not have, and adds what it finds to first, unless that had failed.
func (f *fillUp) askSecond(ctx context.Context, ops []*Op) {
	were := make([]Op, len(ops))
	for i, op := range ops {
		were[i] = *op
	}
	adds := readToRefill(ctx, ops, f.toSecond, f.ttl)
	var before, behind, again []*Op
	for i, op := range ops {
		switch add := f.decide(op, &were[i], adds[i]); {
		case add == nil:
		case wayToFill(op) == fillBefore:
			before, again = append(before, add), append(again, op)
		default:
			behind = append(behind, add)
		}
	}
	if len(before) > 0 {
		doEach(ctx, before, f.toFirst) // what comes of the adds does not matter: first is asked what it has now
		doEach(ctx, again, f.toFirst)
	}
	if len(behind) > 0 {
		f.background.Do(ctx, f.first, behind)
	}
}

// decide settles op, for which first answered as was says and second as op says, and returns what is to be added to first.
func (f *fillUp) decide(op, was, add *Op) *Op {
	answered := was.Err == nil
	switch way := wayToFill(op); {
	case way == fillLease && answered && was.Reply.Status == protocol.OK:
		return leased(op, was, add)
	case way == fillBefore && isHit(op) && add == nil:
		settleMiss(op) // first's answer: a CAS of second's would be of no use
		return nil
	case isMiss(op) && answered && way == fillBehind && f.negative != nil:
		return f.negative.marker.add(op, f.negative.ttl)
	case !answered:
		return nil
	}
	return add
}

// leased settles an op that has the lease of first: with second's value and no lease, which the add then ends; or with the
// lease, if there is nothing that could end it.
func leased(op, was, add *Op) *Op {
	if add == nil || was.Reply.CAS == 0 {
		giveBack(op, was)
		return nil
	}
	return overwriting(add, was)
}

// giveBack settles op, a read, as it was at an earlier try.
func giveBack(op, was *Op) {
	op.Settle(nil, nil)
	op.Reply, op.Value, op.Node, op.Token = was.Reply, was.Value, was.Node, was.Token
}

// overwriting makes add put its value in the place of what was read there, and of nothing newer.
func overwriting(add, read *Op) *Op {
	add.Request.Command = protocol.Set
	add.Request.Meta |= protocol.Compare
	add.Request.CAS, add.Token = read.Reply.CAS, read.Token
	return add
}

func (f *fillUp) Explain(op *Op) Step {
	s := Step{Route: f.name, Next: []Step{Explain(f.first, op)}}
	way := wayToFill(op)
	s.Why = [...]string{
		firstOnly:  operationName(OperationOf(op)) + ": the first alone",
		fillBehind: "what the first does not have is read at the second, and added to the first in the background",
		fillBefore: "what the first does not have is copied from the second, and then read at the first",
		fillLease:  "where the first gives the lease, the second is read, and its value ends the lease",
	}[way]
	if way == fillBehind && f.negative != nil {
		s.Why += "; what neither has is remembered there"
	}
	if way != firstOnly {
		second := *op
		asPlainRead(&second, refillFlags)
		s.Next = slices.Concat(s.Next, []Step{Explain(f.second, &second)})
	}
	return s
}
