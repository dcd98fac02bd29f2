package route

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

// askHome asks the home of what was missed elsewhere.
type askHome struct {
	read      Route
	placement Placement
}

// AskHome has read serve ops, and asks the home of the key, as p has it, for what read has missed at another node; if the
// home cannot answer, the miss stands. It is for reads that go their own way while p's home decides read-modify-writes,
// which clear the other replicas. What only the home can decide, a read for update included, is asked there alone.
func AskHome(read Route, p Placement) Route { return &askHome{read, p} }

func (a *askHome) Do(ctx context.Context, ops []*Op) {
	if first := filter(ops, needsHome); len(first) > 0 {
		doEach(ctx, first, a.home)
		if ops = without(ops, needsHome); len(ops) == 0 {
			return
		}
	}
	a.read.Do(ctx, ops)
	missed := filter(ops, func(op *Op) bool {
		return isMiss(op) && isRead(op.Request.Command) && resolve(a.home(op), op) != Route(op.Node)
	})
	askAgain(ctx, missed, a.home)
}

func (a *askHome) home(op *Op) Route {
	r := a.placement.Replicas(op)
	return r.All[r.home(op)]
}

// askAgain asks another route for ops that were missed. If it cannot answer, the miss stands.
func askAgain(ctx context.Context, missed []*Op, other func(*Op) Route) {
	if len(missed) == 0 {
		return
	}
	doEach(ctx, missed, other)
	for _, op := range missed {
		if op.Err != nil && ctx.Err() == nil && isNodeFault(op.Err) {
			op.Err = nil
			op.Reply = protocol.Reply{Status: protocol.Miss, Block: -1}
		}
	}
}

func (a *askHome) Explain(op *Op) Step {
	home := Explain(a.home(op), op)
	if needsHome(op) {
		return Step{Route: "home", Why: Why(a.placement, op), Next: []Step{home}}
	}
	return Step{Route: "ask home", Why: "a miss is asked again at the home, which is last here", Next: []Step{Explain(a.read, op), home}}
}
