package route

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/protocol"
)

// L1L2Options say how values and misses of L2 are kept in L1. The zero value keeps values as long as L2 does, and no misses.
type L1L2Options struct {
	TTL         time.Duration // the longest that a value from L2 stays in L1; 0: as long as in L2
	NegativeTTL time.Duration // for how long L1 remembers that neither has a key; 0: not at all
	NegativeAsk int           // every so many gets of remembered misses, one asks L2 again in the background; 0: none
}

// ErrNegativeAsk means that L2 is to be asked again about misses that are not remembered, or a negative number of times.
var ErrNegativeAsk = errors.New("memcache: L2 is asked again only about misses that L1 remembers")

// L1L2 reads a near tier before a far one: a get asks l1 and, on a miss or if l1's node fails, l2; a hit there is returned,
// and added to l1 in the background. Reads, leases and TTLs are as with WarmUp; if both fail, the error is l2's.
//
// With NegativeTTL, a get that misses in both leaves a marker in l1, and for that long its key misses without l2 being
// asked: an item with the value "ncache" and the bit 0x10000 in its client flags, as mcrouter stores it. To store that
// combination is refused with ErrReservedFlags; the bit is free for all other values.
//
// All writes and deletes, read-modify-writes among them, take effect at l1 alone: l2 is filled and cleared by others, and
// what it has of a deleted key comes back with the next get. A write that depends on the item that is there, or a
// touch, first removes a marker, at the price of a read.
func L1L2(l1, l2 Route, o L1L2Options, b *Background) (Route, error) {
	if err := checkParts(b, l1, l2); err != nil {
		return nil, err
	}
	if o.NegativeAsk < 0 || o.NegativeAsk > 0 && o.NegativeTTL == 0 {
		return nil, ErrNegativeAsk
	}
	for _, ttl := range []time.Duration{o.TTL, o.NegativeTTL} {
		if _, err := protocol.Exptime(ttl, time.Now()); err != nil {
			return nil, err
		}
	}
	f := &fillUp{name: "l1-l2", first: l1, second: l2, ttl: o.TTL, background: b}
	if o.NegativeTTL > 0 {
		f.negative = &negative{marker: absentMarker, tiers: f, ttl: o.NegativeTTL, every: uint64(o.NegativeAsk)}
	}
	return f, nil
}

// negative remembers in L1 what neither tier has.
type negative struct {
	marker marker
	tiers  *fillUp
	ttl    time.Duration
	every  uint64
	known  atomic.Uint64 // reads of markers
}

// ask has first serve ops, and returns those for which that need not be the last word.
func (n *negative) ask(ctx context.Context, ops []*Op) []*Op {
	ops = n.marker.refuseImitations(ops)
	if inWay := filter(ops, dependsOnItem); len(inWay) > 0 {
		n.marker.removeBefore(ctx, n.tiers.first, inWay)
	}
	doShowing(ctx, ops, n.tiers.first)
	isMarked := func(op *Op) bool { return returnsItem(op) && n.marker.isIn(op) }
	marked := filter(ops, isMarked)
	if len(marked) == 0 {
		return ops
	}
	ops = without(ops, isMarked)
	n.settle(ctx, marked)
	return ops
}

// dependsOnItem reports whether a marker in the place of the item would change what op does. A compare-and-swap is not
// among them: the CAS of a marker is never told.
func dependsOnItem(op *Op) bool {
	switch c := OperationOf(op); c {
	case CompareAndSwap:
		return false
	case protocol.Touch, protocol.GetAndTouch:
		return true
	case protocol.Get:
		return op.Request.Has(protocol.UpdateTTL)
	}
	return isReadModifyWrite(op)
}

// settle makes misses of markers. One in so many asks second again.
func (n *negative) settle(ctx context.Context, marked []*Op) {
	for _, op := range marked {
		if n.every > 0 && n.known.Add(1)%n.every == 0 {
			n.askAgain(ctx, op)
		}
		settleMiss(op)
	}
}

// askAgain puts what second has by now in the place of the marker that read has found, in the background. If second has
// still nothing, the marker gets a new exptime.
func (n *negative) askAgain(ctx context.Context, read *Op) {
	ctx = context.WithoutCancel(ctx)
	ops := copies([]*Op{read})
	op := ops[0]
	was := &Op{Reply: read.Reply, Token: read.Token}
	if was.Reply.CAS == 0 {
		return // the node counts none, and a plain set could undo a newer one
	}
	n.tiers.background.Go(func() {
		add := readToRefill(ctx, ops, n.tiers.toSecond, n.tiers.ttl)[0]
		if isMiss(op) {
			add = n.marker.add(op, n.ttl)
		}
		if add != nil {
			doEach(ctx, []*Op{overwriting(add, was)}, n.tiers.toFirst)
		}
	})
}
