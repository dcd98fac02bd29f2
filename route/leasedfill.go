package route

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

// leasedFill reads at one route, the target, and fills what it lacks from another one, the source, under a lease of the
// target's (memcached's doc/protocol.txt, "Meta Get", N, and the return flags W, X and Z). What it closes: a value that was
// read at the source before a write, and is stored at the target after that write has cleared it, would stay there until
// its TTL ends, and nobody would notice.
//
//	target says     what is done
//	hit             it is the answer
//	W, the lease    the source is read; what it has is stored at the target with the lease's CAS, else the stub is removed
//	Z, taken        the source is read, and nothing stored: somebody else does that
//	X, stale        as W or Z, whichever comes with it; the old value is no answer
//	miss, error     the source is read, and nothing stored: there is no lease, as no memory for a stub, or no meta commands
//
// Why this is enough. Let a write change the source first and then, before it is acknowledged, set or delete the key at the
// target. A lease that was given before the latter is void after it, so nothing that was read under it can be stored. One
// that was given after it reads the source later still, and finds the write, or a newer one, or nothing.
//
// A filler that dies leaves a stub, and everybody reads the source until it expires, after stubSeconds. A fill that arrives later
// than that finds no stub. A fill of which nobody knows whether it was stored is deleted by the node's journal.
//
// An op that does more than read an item's value, or whose CAS will be used, is the source's and fills nothing.
type leasedFill struct {
	target, source func(*Op) Route
}

// stubSeconds is how many seconds a stub lives; memcached counts whole ones, so up to one less. Reading the source takes its
// timeout at most, 100 ms by default.
const stubSeconds = 2

// do settles ops, which are reads, as the target or the source says; where both fail, with the source's error. It returns
// those of which the target has said that it does not have them.
func (f *leasedFill) do(ctx context.Context, ops []*Op) (absent []*Op) {
	fillable := filter(ops, isFillable)
	if len(fillable) < len(ops) {
		doEach(ctx, without(ops, isFillable), f.source)
	}
	if len(fillable) == 0 {
		return nil
	}
	rewrite(ctx, fillable, f.ask)
	missed := filter(fillable, func(op *Op) bool { return lacks(ctx, op) })
	if len(missed) == 0 {
		return nil
	}
	absent = filter(missed, func(op *Op) bool { return op.Err == nil })
	f.fill(ctx, missed)
	return absent
}

// isFillable reports whether op reads a value, and does nothing else.
func isFillable(op *Op) bool {
	r := &op.Request
	return r.Command == protocol.Get && !op.ForUpdate && !op.Inspect && r.Has(protocol.ReturnValue) && r.Meta&takingFlags == 0
}

// ask makes op the read that takes the lease.
func (f *leasedFill) ask(op *Op) (Route, error) {
	r := f.target(op)
	op.Request.Meta |= protocol.Vivify | protocol.ReturnCAS
	op.Request.VivifyTTL = stubSeconds
	return r, nil
}

// lacks reports whether the target's answer to op is not the last word.
func lacks(ctx context.Context, op *Op) bool {
	if op.Err != nil {
		return ctx.Err() == nil && FailureOf(op.Err)&(FailContext|FailRequest) == 0
	}
	r := &op.Reply
	isStub := r.Block <= 0 && r.Meta&(protocol.Won|protocol.Busy) != 0
	return r.Status != protocol.OK || isStub || r.Has(protocol.Stale)
}

// fill reads ops at the source, and stores what it finds where the target has given the lease.
func (f *leasedFill) fill(ctx context.Context, ops []*Op) {
	leases := make([]*Op, len(ops))
	for i, op := range ops {
		leases[i] = leaseOf(op)
	}
	readWith(ctx, ops, refillFlags, f.source)
	w := newWrite()
	defer w.free()
	for i, op := range ops {
		hideStub(op)
		if lease := leases[i]; lease != nil {
			end(lease, op)
			w.batch.add(resolve(f.target(lease), lease), lease)
		}
	}
	w.do(ctx) // what comes of it does not matter: the stub ends by itself
}

// leaseOf returns the lease that the target has given to op, as what is to be done with it; nil if it gave none, or counts
// no CAS by which the stub could be told from what others store.
func leaseOf(op *Op) *Op {
	if op.Err != nil || !op.Reply.Has(protocol.Won) || op.Reply.CAS == 0 {
		return nil
	}
	lease := &Op{Request: *clearOf(op), Hash: op.Hash, Token: op.Token}
	lease.Request.Meta |= protocol.Compare
	lease.Request.CAS = op.Reply.CAS
	return lease
}

// end makes lease, a delete of the stub, store what the source has found, if that may be copied.
func end(lease, found *Op) {
	exptime, ok := copyExptime(found)
	if !ok {
		return
	}
	r := &lease.Request
	r.Command, r.Value, r.Flags, r.Exptime = protocol.Set, foundValue(found), found.Reply.Flags, exptime
}

// copyExptime returns the exptime of a copy of what a read has found, and whether there may be one. A copy must not outlive
// its original, whatever the clocks say and however long the fill is under way: the stub is there for stubSeconds at most when
// it is stored, so that much is taken off. A copy of what lives longer than thirty days ends after these, which needs
// no clock either. There is no copy of what is stale or being recached, and of what does not tell its TTL.
func copyExptime(found *Op) (exptime int64, ok bool) {
	r := &found.Reply
	switch {
	case !isHit(found) || r.Block < 0 || r.Meta&(protocol.Won|protocol.Stale|protocol.Busy) != 0 || !r.Has(protocol.ReturnTTL):
		return 0, false
	case r.TTL < 0:
		return 0, true // for ever
	}
	exptime = min(r.TTL-stubSeconds, relativeLimit)
	return exptime, exptime > 0
}
