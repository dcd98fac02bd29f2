package route

import (
	"context"
	"slices"
)

// ZoneOptions say how reads leave the local zone. The zero value has them do so in order, and only where the local zone
// has failed.
type ZoneOptions struct {
	MissIsNotGood bool        // a read that misses in a zone is asked in the next ones too
	AtOnce        *Background // ask all other zones at once and take the first hit; nil: one after the other
}

// zoneFailover reads in the local zone first.
type zoneFailover struct {
	homeOnly
	write  Route
	far    Route // all other zones at once; nil: one after the other
	others others
	miss   bool // MissIsNotGood
}

// ZoneFailover reads a key in the zone that zones says to read first, the local one, and what has failed there in the
// others: in their order, home first, or all at once and the first hit wins. What no zone can serve has the error of the
// last, but a zone's miss is better than an error. As with Failover, the miss of a zone that is not the key's home is asked
// again at the home, because read-modify-writes clear the other zones. Writes go to all zones, as AllSync sends them; what
// only the home can decide goes there.
//
// Zones are placements of routes that reach a zone each: Zones gives the key the same home in every process, whichever
// zone is local. Fixed(local, far...) does not, so it is for keys that are never read for update and then written from
// different zones. Without zones the error is ErrNoPart.
func ZoneFailover(zones Placement, o ZoneOptions) (Route, error) {
	if zones == nil {
		return nil, ErrNoPart
	}
	z := &zoneFailover{homeOnly: newHomeOnly(zones), write: AllSync(zones), others: others{zones}, miss: o.MissIsNotGood}
	if o.AtOnce == nil {
		return z, nil
	}
	far, err := AllFastest(z.others, FastestOptions{MissIsNotGood: true}, o.AtOnce)
	z.far = far
	return z, err
}

// others places keys in all zones but the one to read first.
type others struct{ zones Placement }

func (o others) Replicas(op *Op) Replicas {
	return Replicas{All: o.zones.Replicas(op).InReadingOrder()[1:]}
}

func (z *zoneFailover) Do(ctx context.Context, ops []*Op) {
	ops = z.serve(ctx, ops)
	if writes := without(ops, isPlainGet); len(writes) > 0 {
		z.write.Do(ctx, writes)
	}
	if ops = filter(ops, isPlainGet); len(ops) == 0 {
		return
	}
	doEach(ctx, ops, func(op *Op) Route { return z.zone(op, 0) })
	z.leave(ctx, ops)
}

func (z *zoneFailover) zone(op *Op, try int) Route { return z.placement.Replicas(op).nth(try) }

// leave has what the local zone has not served go on.
func (z *zoneFailover) leave(ctx context.Context, ops []*Op) {
	failed := filter(ops, func(op *Op) bool { return z.goesOn(ctx, op) })
	missed := filter(ops, isMiss)
	askAgain(ctx, filter(missed, z.asksHome), z.home)
	switch {
	case len(failed) == 0:
	case z.far != nil:
		z.far.Do(ctx, without(failed, z.isSingle))
	default:
		missed = append(slices.Clip(missed), z.inOrder(ctx, failed)...)
	}
	for _, op := range missed {
		keepMiss(ctx, op)
	}
}

// inOrder asks the other zones one after the other and returns the ops that some has answered with a miss.
func (z *zoneFailover) inOrder(ctx context.Context, ops []*Op) (missed []*Op) {
	for try := 1; ; try++ {
		ops = filter(ops, func(op *Op) bool { return z.goesOn(ctx, op) && try < len(z.placement.Replicas(op).All) })
		if len(ops) == 0 {
			return missed
		}
		countFailovers(filter(ops, func(op *Op) bool { return op.Err != nil }))
		doEach(ctx, ops, func(op *Op) Route { return z.zone(op, try) })
		missed = append(missed, filter(ops, isMiss)...)
	}
}

func (z *zoneFailover) goesOn(ctx context.Context, op *Op) bool {
	if op.Err != nil {
		return ctx.Err() == nil && isNodeFault(op.Err)
	}
	return z.miss && isMiss(op)
}

// asksHome reports whether op's miss is asked again at the home and nowhere else.
func (z *zoneFailover) asksHome(op *Op) bool { return !z.miss && z.placement.Replicas(op).Read != 0 }

// keepMiss has the miss of one node stand, if another that was asked then has failed.
func keepMiss(ctx context.Context, op *Op) {
	if op.Err != nil && ctx.Err() == nil && isNodeFault(op.Err) {
		op.Settle(defaultMiss, nil)
	}
}

func (z *zoneFailover) Explain(op *Op) Step {
	r := z.placement.Replicas(op)
	switch {
	case isReadModifyWrite(op) || readsAtHome(op):
		return z.explain("zone failover", op)
	case !isPlainGet(op):
		return Explain(z.write, op)
	}
	s := Step{Route: "zone failover", Why: Why(z.placement, op), Next: []Step{Explain(r.nth(0), op)}}
	if z.far != nil && len(r.All) > 1 {
		s.Next = append(s.Next, Explain(z.far, op))
		return s
	}
	s.Next = append(s.Next, explainAll(r.InReadingOrder()[1:], op)...)
	return s
}
