package route

import (
	"context"
	"errors"
	"time"

	"github.com/nohop/memcache/protocol"
)

// SizeSplitOptions say what goes to L2.
type SizeSplitOptions struct {
	Threshold  int           // values of that many bytes and more are large; 0: none is
	MinTTL     time.Duration // a large value that is to stay for less goes to L1 all the same; 0: no such limit
	FailureTTL time.Duration // the longest that L1 keeps a large value which L2 failed to store; 0: a minute
	BothFull   bool          // L1 keeps large values too, and L2 gets them in the background
}

// ErrThreshold means that a threshold is negative.
var ErrThreshold = errors.New("memcache: threshold of a size split is negative")

const defaultFailureTTL = time.Minute

type sizeSplit struct {
	l1, l2     Route
	options    SizeSplitOptions
	background *Background
}

// L1L2SizeSplit keeps large values in l2 and, for each, a sentinel in l1: an item without value and with the bit 0x20 in
// its client flags, as mcrouter stores it. To store that combination is refused with ErrReservedFlags; the bit is free for
// all other values. A get asks l1, and l2 only where it finds a sentinel; l2's failure is the op's error, and its miss
// a miss that takes the sentinel away.
//
// A large set is stored at l2 and then its sentinel at l1, whose reply is the answer; if l2 fails, l1 gets the whole value
// for FailureTTL at most. All else takes effect at l1, which decides what a key is: small sets, deletes, and, with values
// of any size, add, replace and compare-and-swap, for which the CAS is that of the sentinel. Append, prepend, increment and
// decrement of a large value find nothing: its sentinel is removed first, at the price of a read. A touch goes to l1 and
// then, if that has the item, to l2; if l2 fails, the error is a *WriteError. A lease is l1's: its value is stored there
// whole.
func L1L2SizeSplit(l1, l2 Route, o SizeSplitOptions, b *Background) (Route, error) {
	if err := checkParts(b, l1, l2); err != nil {
		return nil, err
	}
	if o.Threshold < 0 {
		return nil, ErrThreshold
	}
	if o.FailureTTL == 0 {
		o.FailureTTL = defaultFailureTTL
	}
	for _, ttl := range []time.Duration{o.MinTTL, o.FailureTTL} {
		if _, err := protocol.Exptime(ttl, time.Now()); err != nil {
			return nil, err
		}
	}
	return &sizeSplit{l1, l2, o, b}, nil
}

func (s *sizeSplit) toL1(*Op) Route { return s.l1 }
func (s *sizeSplit) toL2(*Op) Route { return s.l2 }

// sizeWay is what becomes of an op.
type sizeWay uint8

const (
	toL1Alone     sizeWay = iota
	afterSentinel         // to L1, when no sentinel stands there any more
	readBySize            // to L1, and to L2 where that has a sentinel
	touchBoth             // to L1, and to L2 where L1 has the item
	storeLarge            // to both
)

// way says what becomes of an op that comes now.
func (s *sizeSplit) way(op *Op, now time.Time) sizeWay {
	switch c := op.Request.Command; {
	case returnsItem(op):
		return readBySize
	case c == protocol.Touch:
		return touchBoth
	case c.IsArithmetic() || c == protocol.Append || c == protocol.Prepend:
		return afterSentinel
	case s.isLarge(op, now):
		return storeLarge
	}
	return toL1Alone
}

func (s *sizeSplit) Do(ctx context.Context, ops []*Op) {
	ops = sentinelMarker.refuseImitations(ops)
	now := time.Now() // one for all: an op must not change its way in between
	for way, do := range [...]func(context.Context, []*Op){
		toL1Alone: s.change, afterSentinel: s.changeAfterSentinel, readBySize: s.read, touchBoth: s.touch, storeLarge: s.store,
	} {
		if these := filter(ops, func(op *Op) bool { return s.way(op, now) == sizeWay(way) }); len(these) > 0 {
			do(ctx, these)
		}
	}
}

func (s *sizeSplit) change(ctx context.Context, ops []*Op) { doEach(ctx, ops, s.toL1) }

func (s *sizeSplit) changeAfterSentinel(ctx context.Context, ops []*Op) {
	sentinelMarker.removeBefore(ctx, s.l1, ops)
	s.change(ctx, ops)
}

// isLarge reports whether op is a set whose value belongs to L2.
func (s *sizeSplit) isLarge(op *Op, now time.Time) bool {
	o := s.options
	if o.Threshold == 0 || OperationOf(op) != protocol.Set || len(op.Request.Value) < o.Threshold {
		return false
	}
	shortest, err := protocol.Exptime(o.MinTTL, now)
	return err == nil && (shortest == 0 || !earlier(op.Request.Exptime, shortest, now))
}

// store serves sets of large values.
func (s *sizeSplit) store(ctx context.Context, ops []*Op) {
	if !s.options.BothFull {
		doEach(ctx, ops, s.toL2) // first: a sentinel is to find its value
		s.storeInL1(ctx, ops)
		return
	}
	doEach(ctx, ops, s.toL1)
	if stored := filter(ops, isHit); len(stored) > 0 {
		s.background.Do(ctx, s.l2, stored)
	}
}

// storeInL1 stores what belongs to values that L2 has, or has failed to store.
func (s *sizeSplit) storeInL1(ctx context.Context, ops []*Op) {
	ready := filter(ops, func(op *Op) bool { return isHit(op) || ctx.Err() == nil && op.Err != nil && isNodeFault(op.Err) })
	if len(ready) == 0 {
		return
	}
	rewrite(ctx, ready, func(op *Op) (Route, error) {
		if op.Err == nil {
			op.Request.Value = nil
			op.Request.Flags |= sentinelMarker.flag
			return s.l1, nil
		}
		now := time.Now()
		longest, err := protocol.Exptime(s.options.FailureTTL, now)
		if err == nil && earlier(longest, op.Request.Exptime, now) {
			op.Request.Exptime = longest
		}
		return s.l1, err
	})
}

// read serves gets: at L1, and where that has a sentinel, at L2.
func (s *sizeSplit) read(ctx context.Context, ops []*Op) {
	doShowing(ctx, ops, s.l1)
	large := filter(ops, sentinelMarker.isIn)
	if len(large) == 0 {
		return
	}
	sentinels := make([]*Op, len(large))
	for i, op := range large {
		was := *op
		sentinels[i] = &was
	}
	rewrite(ctx, large, func(op *Op) (Route, error) {
		op.Request.Meta &^= takingFlags &^ protocol.UpdateTTL // leases are L1's
		return s.l2, nil
	})
	var gone []*Op
	for i, op := range large {
		if s.settle(op, sentinels[i]) {
			gone = append(gone, sentinels[i])
		}
	}
	sentinelMarker.remove(ctx, s.l1, gone)
}

// leaseMarks are what a reply says of a lease.
const leaseMarks = protocol.Won | protocol.Stale | protocol.Busy

// settle settles op, which L2 has answered, with what the sentinel says of the item, and reports whether the sentinel
// is of no more use: its value is gone; or cannot be had by one who reads for a lease, and is to get it next time.
func (s *sizeSplit) settle(op, sentinel *Op) (useless bool) {
	marks := sentinel.Reply.Meta & leaseMarks
	switch {
	case op.Err != nil:
		return op.Request.Has(protocol.Vivify) && isNodeFault(op.Err)
	case isHit(op):
		op.Reply.Meta = op.Reply.Meta&^leaseMarks | marks
		op.Reply.CAS, op.Token = sentinel.Reply.CAS, sentinel.Token
		return false
	case marks&protocol.Won != 0: // nothing to read meanwhile, but the lease is this reader's
		giveBack(op, sentinel)
		op.Reply.Flags &^= sentinelMarker.flag
		op.Reply.Meta &^= protocol.Stale
		return false
	}
	return marks == 0
}

// touch gives items a new exptime at L1 and, where they were there, at L2, which may have the value.
func (s *sizeSplit) touch(ctx context.Context, ops []*Op) {
	doEach(ctx, ops, s.toL1)
	w := newWrite()
	defer w.free()
	for _, op := range filter(ops, isHit) {
		w.add(op, []Route{s.l2}, &op.Request)
	}
	w.do(ctx)
	w.each(func(op *Op, copies []*Op) { op.Err = clearError(op, copies) })
}

func (s *sizeSplit) Explain(op *Op) Step {
	if sentinelMarker.imitated(op) {
		return Step{Route: "refused", Why: ErrReservedFlags.Error()}
	}
	l1, l2 := Explain(s.l1, op), Explain(s.l2, op)
	step := Step{Route: "l1-l2 by size", Next: []Step{l1, l2}}
	switch way := s.way(op, time.Now()); {
	case way == readBySize:
		step.Why = "L1, and L2 where L1 has a sentinel"
	case way == touchBoth:
		step.Why = "L1, and L2 where L1 has the item"
	case way == storeLarge && s.options.BothFull:
		step.Why = "a large value: L1, and L2 in the background"
	case way == storeLarge:
		step.Why, step.Next = "a large value: L2, then a sentinel at L1", []Step{l2, l1}
	default:
		step.Why, step.Next = operationName(OperationOf(op))+": L1", []Step{l1}
	}
	return step
}
