package route

import (
	"context"
	"slices"

	"github.com/nohop/memcache/protocol"
)

// FastestOptions say what is good enough. The zero value takes a miss, as mcrouter does.
type FastestOptions struct {
	MissIsNotGood bool // a read waits for a hit; a miss is the answer only if nobody has one (routelib's miss=true)
}

// allFastest sends to every replica and believes the first.
type allFastest struct {
	homeOnly
	options    FastestOptions
	background *Background
}

// AllFastest sends each op to every replica of its key at once and answers with the first reply that is not a failure of
// the node: a miss is good, unless the options say otherwise, and so is an error that any node would give. If all fail,
// the error of a read is that of the last in the order of the replicas, and a write has a *WriteError.
//
// The slower replicas go on in b, with copies of the op; if b has no room, they are waited for. Those that miss a write
// are noted (pool.Node.Missed) when they fail. What depends on the item that is there is never sent to all: AtHome serves
// it, and reads for update or for a lease are the home's. Without p or b the error is ErrNoPart.
func AllFastest(p Placement, o FastestOptions, b *Background) (Route, error) {
	if p == nil || b == nil {
		return nil, ErrNoPart
	}
	return &allFastest{newHomeOnly(p), o, b}, nil
}

func (f *allFastest) Do(ctx context.Context, ops []*Op) {
	ops = f.spread(ctx, ops)
	doRace(ctx, ops, f.placement, f.background, f.judge)
}

func (f *allFastest) Explain(op *Op) Step { return f.explain("all-fastest", op) }

func (f *allFastest) judge(op *Op, replies []*Op) bool {
	good := slices.IndexFunc(replies, func(r *Op) bool { return r != nil && f.isGood(op, r) })
	switch {
	case good >= 0:
		settleWith(op, replies[good])
	case slices.Contains(replies, nil):
		return false
	default:
		settleWithoutGood(op, replies)
	}
	return true
}

// settleWithoutGood settles op with a miss, if there is one, or else as failed.
func settleWithoutGood(op *Op, replies []*Op) {
	if missed := filter(replies, isMiss); len(missed) > 0 {
		op.Settle(missed[0], nil)
		return
	}
	failed := failures(replies)
	if isRead(op.Request.Command) {
		op.Settle(nil, failed[len(failed)-1])
		return
	}
	op.Settle(nil, failure(op.Request.Command, len(replies), failed))
}

func (f *allFastest) isGood(op, r *Op) bool {
	if r.Err != nil {
		return !isNodeFault(r.Err)
	}
	return !f.options.MissIsNotGood || r.Reply.Status != protocol.Miss || !isRead(op.Request.Command)
}

// settleWith settles op with what its copy came to.
func settleWith(op, c *Op) {
	if c.Err != nil {
		op.Settle(nil, c.Err)
	} else {
		op.Settle(c, nil)
	}
}
