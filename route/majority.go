package route

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

// allMajority sends to every replica and believes most of them.
type allMajority struct {
	homeOnly
	background *Background
}

// AllMajority sends each op to every replica of its key at once and answers with the status that most of them gave, as
// soon as more than half agree, or else when all have answered; of statuses that came equally often it takes the one
// that counts more in combine.go. If no more than half of the replicas acknowledge, the op fails: a read with the first
// failure, as soon as that is clear; a write, when all have answered, with a *WriteError that tells what became of each.
// Values are not compared: the reply is the first, home first, of that status.
//
// The slower replicas go on in b, with copies of the op; if b has no room, they are waited for. Those that miss a write
// are noted (pool.Node.Missed) when they fail. What depends on the item that is there is never sent to all: AtHome serves
// it, and reads for update or for a lease are the home's. Without p or b the error is ErrNoPart.
func AllMajority(p Placement, b *Background) (Route, error) {
	if p == nil || b == nil {
		return nil, ErrNoPart
	}
	return &allMajority{newHomeOnly(p), b}, nil
}

func (m *allMajority) Do(ctx context.Context, ops []*Op) {
	ops = m.spread(ctx, ops)
	doRace(ctx, ops, m.placement, m.background, judgeMajority)
}

func (m *allMajority) Explain(op *Op) Step { return m.explain("all-majority", op) }

func judgeMajority(op *Op, replies []*Op) bool {
	v := count(op.Request.Command, replies)
	majority := len(replies)/2 + 1
	switch all := v.acked+len(v.failed) == len(replies); {
	case v.most >= majority || all && v.acked >= majority:
		op.Settle(v.winner, nil)
	case all || len(v.failed) >= majority && isRead(op.Request.Command):
		v.fail(op, len(replies))
	default:
		return false
	}
	return true
}

// votes is what the replicas of one op have said so far.
type votes struct {
	winner *Op // the first with the status that came most often; nil without a reply
	most   int // how often it came
	acked  int // replies of any status
	failed []error
}

// count counts replies, nil for those that are not in.
func count(c protocol.Command, replies []*Op) (v votes) {
	var times [protocol.More + 1]int
	for _, r := range replies {
		switch {
		case r == nil:
		case r.Err != nil:
			v.failed = append(v.failed, r.Err)
		default:
			v.acked++
			times[r.Reply.Status]++
		}
	}
	for _, r := range replies {
		if r == nil || r.Err != nil {
			continue
		}
		n := times[r.Reply.Status]
		if n > v.most || n == v.most && weight(c, r) > weight(c, v.winner) {
			v.winner, v.most = r, n
		}
	}
	return v
}

// weight is how much a reply counts, as combine.go says.
func weight(c protocol.Command, r *Op) uint8 { return counts[c][min(r.Reply.Status, protocol.Exists)] }

// fail settles op as failed. Beside the error of a write it keeps what those that acknowledged say.
func (v votes) fail(op *Op, replicas int) {
	if isRead(op.Request.Command) {
		op.Settle(nil, v.failed[0])
		return
	}
	op.Settle(v.winner, failure(op.Request.Command, replicas, v.failed))
}
