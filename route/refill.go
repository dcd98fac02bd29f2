package route

import (
	"context"
	"errors"
	"time"

	"github.com/nohop/memcache/protocol"
)

// refillFlags are what a read must bring for its value to be added elsewhere as it is.
const refillFlags = protocol.ReturnValue | protocol.ReturnFlags | protocol.ReturnTTL

// readToRefill has each of ops read at the route that from returns for it, as a plain get that takes no lease and touches
// nothing, and returns what adds the values found to another route: one op for each of ops, nil where nothing is to be
// added. The adds keep the client flags and the time that is left; ttl, if it is not 0, is the longest they may stay.
//
// Not added is a value that is stale or being recached; nor one whose time is not known, from a node without meta
// commands, unless there is a ttl: it might stay for ever. The adds share memory with what was read, so they are to be
// sent, or given to Background.Do, before the caller has its ops back.
//
// Of an item marked stale, a meta read takes the lease (protocol.txt, "Meta Get", W); the reply says so.
func readToRefill(ctx context.Context, ops []*Op, from func(*Op) Route, ttl time.Duration) []*Op {
	readWith(ctx, ops, refillFlags, from)
	now := time.Now()
	adds := make([]*Op, len(ops))
	for i, op := range ops {
		hideStub(op)
		adds[i] = refillOf(op, ttl, now)
	}
	return adds
}

// present returns the adds that are there.
func present(adds []*Op) []*Op { return filter(adds, func(op *Op) bool { return op != nil }) }

// readWith has ops served as plain gets that also return what flags ask for, or what they can where the node knows only
// classic text.
func readWith(ctx context.Context, ops []*Op, flags protocol.MetaFlags, from func(*Op) Route) {
	read := func(flags protocol.MetaFlags) func(*Op) (Route, error) {
		return func(op *Op) (Route, error) {
			r := from(op)
			asPlainRead(op, flags)
			return r, nil
		}
	}
	rewrite(ctx, ops, read(flags))
	if old := filter(ops, isUnsupported); len(old) > 0 {
		rewrite(ctx, old, read(flags&readFlags))
	}
}

func isUnsupported(op *Op) bool { return errors.Is(op.Err, protocol.ErrUnsupported) }

// takingFlags make a read do more than read.
const takingFlags = protocol.UpdateTTL | protocol.Vivify | protocol.Recache | protocol.ExplicitCAS | protocol.Compare

func asPlainRead(op *Op, flags protocol.MetaFlags) {
	op.Request.Command = protocol.Get
	op.Request.Meta = op.Request.Meta&^takingFlags | flags
}

// hideStub makes a miss of an item that has no value yet, because somebody has the lease to make it. A node does so where
// it reads with classic text.
func hideStub(op *Op) {
	if op.Err == nil && op.Reply.Block == 0 && op.Reply.Has(protocol.Busy) && !op.Reply.Has(protocol.Stale) {
		settleMiss(op)
	}
}

func settleMiss(op *Op) {
	op.Settle(nil, nil)
	op.Reply = protocol.Reply{Status: protocol.Miss, Block: -1}
}

// isHit reports whether a read has brought an item.
func isHit(op *Op) bool { return op.Err == nil && op.Reply.Status == protocol.OK }

func isMiss(op *Op) bool { return op.Err == nil && op.Reply.Status == protocol.Miss }

func refillOf(op *Op, ttl time.Duration, now time.Time) *Op {
	if !isHit(op) || op.Reply.Block < 0 || op.Reply.Meta&(protocol.Won|protocol.Stale|protocol.Busy) != 0 {
		return nil
	}
	exptime, ok := refillExptime(&op.Reply, ttl, now)
	if !ok {
		return nil
	}
	return &Op{
		Request: protocol.Request{
			Command: protocol.Add, Key: op.Request.Key, Meta: op.Request.Meta & protocol.BinaryKey,
			Value: foundValue(op), Flags: op.Reply.Flags, Exptime: exptime,
		},
		Hash: op.Hash,
	}
}

// foundValue returns what a read has brought, without what stood in Dst.
func foundValue(op *Op) []byte { return op.Value[len(op.Dst):] }

// refillExptime returns the exptime of a copy of what r brought, and whether there may be one.
func refillExptime(r *protocol.Reply, ttl time.Duration, now time.Time) (int64, bool) {
	longest, err := protocol.Exptime(ttl, now)
	if err != nil {
		return 0, false
	}
	if !r.Has(protocol.ReturnTTL) {
		return longest, ttl > 0
	}
	left := r.TTL
	switch {
	case left == 0: // in its last second; as an exptime, 0 would mean for ever
		return 0, false
	case left < 0:
		left = 0
	case left > relativeLimit:
		left += now.Unix()
	}
	if ttl == 0 || earlier(left, longest, now) {
		return left, true
	}
	return longest, true
}
