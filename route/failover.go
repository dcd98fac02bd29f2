package route

import (
	"context"
	"errors"
	"slices"

	"github.com/nohop/memcache/pool"
)

// failover reads the replicas of a key one after the other.
type failover struct {
	placement   Placement
	set         *pool.NodeSet // says which nodes are slow; nil: none is
	homeDecides bool          // what the home misses, no other replica has
}

// Failover asks the replicas of an op's key in their reading order and returns the first reply. A miss is a reply that one more
// replica has to confirm, if somebody else can answer: the home, since a read-modify-write clears the other replicas; or, if
// that has missed or cannot answer, the next replica, since a node may have come back empty or have evicted what others have
// not. If all fail, the error is that of the last one; but if all are joining, nothing can be there, and a read is a miss. An
// op that no node could serve, or whose context has ended, does not move on, and what only the home can decide, a read for
// update included, is asked there alone.
func Failover(p Placement) Route { return SlowLast(p, nil) }

func (f *failover) Do(ctx context.Context, ops []*Op) {
	if slices.ContainsFunc(ops, needsHome) {
		f.askHome(ctx, filter(ops, needsHome))
		ops = without(ops, needsHome)
	}
	order := f.order()
	try := order.askFirst(ctx, ops)
	if slices.ContainsFunc(ops, isNoHit) {
		f.goOn(ctx, ops, order, try)
	}
}

// isNoHit reports whether there may be something left to do for op.
func isNoHit(op *Op) bool { return !isHit(op) }

// askWhoServes asks again what has met a node that has turned out to be joining, if the key has another home for it.
func (f *failover) askWhoServes(ctx context.Context, ops []*Op) {
	again := filter(ops, func(op *Op) bool {
		return hasJoined(op) && ctx.Err() == nil && resolve(f.home(op), op) != Route(op.Node)
	})
	if len(again) > 0 {
		doEach(ctx, again, f.home)
	}
}

// askHome has the homes serve what only they can.
func (f *failover) askHome(ctx context.Context, ops []*Op) {
	var few [16]placed
	doAtHome(ctx, f.placement, ops, few[:0])
	f.missIfAllJoin(ops)
}

// missIfAllJoin makes a miss of a read that has failed because every replica is joining. What depends on the item that
// is there fails: if it was to store something, there is no place for that.
func (f *failover) missIfAllJoin(ops []*Op) {
	for _, op := range ops {
		if hasJoined(op) && isRead(op.Request.Command) && f.placement.Replicas(op).allJoining(op) {
			settleMiss(op)
		}
	}
}

// order is how the replicas are read now.
func (f *failover) order() reading { return reading{f.placement, f.set.Slow()} }

func (f *failover) home(op *Op) Route {
	r := f.placement.Replicas(op)
	return r.All[r.home(op)]
}

// readsHome reports whether the replica to be read first is the home.
func (f *failover) readsHome(op *Op) bool { return f.order().beginsAtHome(op) }

// needsHome reports whether only the home of its key can serve op.
func needsHome(op *Op) bool { return isReadModifyWrite(op) || op.ForUpdate }

// failed returns the ops that have failed and have a replica left for that try.
func (f *failover) failed(ctx context.Context, ops []*Op, try int) []*Op {
	return countFailovers(filter(ops, func(op *Op) bool {
		return op.Err != nil && ctx.Err() == nil && isNodeFault(op.Err) && try < len(f.placement.Replicas(op).All)
	}))
}

// countFailovers counts ops that are moved on to another replica.
func countFailovers(ops []*Op) []*Op {
	for _, op := range ops {
		countFailover(op, op.Node)
	}
	return ops
}

// countFailover counts that op is moved on from n, which is nil if no node was asked.
func countFailover(op *Op, n *pool.Node) {
	op.Failovers++
	if n != nil {
		n.CountFailover()
	}
}

// isNodeFault reports whether a request failed because of the node, so that another one may serve it. A node that was
// closed is such a case: it has left the view while the request was on its way.
func isNodeFault(err error) bool {
	return errors.Is(err, pool.ErrNodeDown) || FailureOf(err)&FailNode != 0 // the first is what every read meets while a node is down
}

func (f *failover) Explain(op *Op) Step {
	s := Step{Route: "failover", Why: Why(f.placement, op)}
	r := f.placement.Replicas(op)
	if needsHome(op) {
		s.Next = []Step{Explain(f.home(op), op)}
		return s
	}
	s.Next = explainAll(r.SlowLast(op, f.set.Slow()), op)
	return s
}
