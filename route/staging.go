package route

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

type staging struct {
	warm, stage Route
	both        Route // of deletes
	background  *Background
}

// Staging lets new nodes follow the traffic before they serve any: warm answers everything, and stage is kept like it in
// the background. An item that a get has found at warm is added to stage, if it is not there, with its client flags and
// the time it has left; it is not where warm's node knows only classic text and cannot tell that time, nor while it is
// stale or being recached. A store that warm has done is set at stage, what it has touched is touched there.
//
// Read-modify-writes take effect at warm. Where that leaves a value which the request does not name (append, prepend,
// increment, decrement), and where warm may or may not have done a write, the key is deleted at stage.
//
// Only deletes and flushes wait for both, so that none is lost: they are combined as combine.go says, so if stage
// fails, the error is a *WriteError. All other replies and errors are warm's. What runs in the background may be dropped or
// overtake itself, so stage can hold older values: flush it before it serves.
func Staging(warm, stage Route, b *Background) (Route, error) {
	if err := checkParts(b, warm, stage); err != nil {
		return nil, err
	}
	return &staging{warm, stage, AllSync(Fixed(warm, stage)), b}, nil
}

func (s *staging) toWarm(*Op) Route  { return s.warm }
func (s *staging) toStage(*Op) Route { return s.stage }

func (s *staging) Do(ctx context.Context, ops []*Op) {
	if removals := filter(ops, isRemoval); len(removals) > 0 {
		s.both.Do(ctx, removals)
		ops = without(ops, isRemoval)
	}
	if len(ops) > 0 {
		doEach(ctx, ops, s.toWarm)
		s.follow(ctx, ops)
	}
}

// follow brings stage up to date with what warm has done.
func (s *staging) follow(ctx context.Context, ops []*Op) {
	var found, changes []*Op
	for _, op := range ops {
		switch follower := followerOf(op); {
		case follower == nil:
		case follower.Request.Command == protocol.Get:
			found = append(found, follower)
		default:
			changes = append(changes, follower)
		}
	}
	if len(changes) > 0 {
		s.background.Do(ctx, s.stage, changes)
	}
	if len(found) > 0 {
		ctx = context.WithoutCancel(ctx)
		s.background.Go(func() { s.addMissing(ctx, found) })
	}
}

// addMissing copies from warm what stage does not have. The followers were made for it, so they are nobody else's.
func (s *staging) addMissing(ctx context.Context, found []*Op) {
	readWith(ctx, found, protocol.ReturnSize|protocol.ReturnFlags, s.toStage)
	missing := filter(found, isMiss)
	if len(missing) == 0 {
		return
	}
	if adds := present(readToRefill(ctx, missing, s.toWarm, 0)); len(adds) > 0 {
		doEach(ctx, adds, s.toStage)
	}
}

// followerOf returns what keeps stage like warm after op: a get to see whether it has the item, a change, or nil.
func followerOf(op *Op) *Op {
	r := op.Request
	r.Meta &= protocol.BinaryKey
	switch c := op.Request.Command; {
	case !isWrite(op):
		if c != protocol.Get || !isHit(op) {
			return nil
		}
	case !mayHaveChanged(op):
		return nil
	case op.Err != nil || op.Request.Has(protocol.Invalidate):
		r = *clearOf(op)
	case c == protocol.Set, c == protocol.Add, c == protocol.Replace:
		r.Command = protocol.Set
	case c == protocol.Touch, c == protocol.GetAndTouch, c == protocol.Get:
		r.Command = protocol.Touch
	default:
		r = *clearOf(op)
	}
	return &Op{Request: r, Hash: op.Hash}
}

func (s *staging) Explain(op *Op) Step {
	if isRemoval(op) {
		return Step{Route: "staging", Why: "removed from both", Next: explainAll([]Route{s.warm, s.stage}, op)}
	}
	return Step{Route: "staging", Why: "the first answers", Next: []Step{
		Explain(s.warm, op),
		{Route: "in the background", Why: "kept like the first", Next: []Step{Explain(s.stage, op)}},
	}}
}
