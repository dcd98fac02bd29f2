package route

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

// coherent has one authority for each key.
type coherent struct {
	placement Placement
	fill      *leasedFill
	plain     *failover // reads that fill nothing
	late      *LateClears
}

// Coherent keeps each key's value at its home, and copies of it at the other replicas, which readers make and every write
// removes. It takes the place of AllSync, AtHome and Failover together: it serves reads and writes of all kinds.
//
// A write takes effect at the home alone. When that has answered, the key is deleted at the other replicas, all at once, and
// when these have answered, the write is acknowledged. So replicas that several processes write at once cannot come to
// differ, and nothing needs to be verified; the price is one more exchange for each write, and for the first read after it
// at each replica.
//
// A read asks the replica that the placement reads first. What that does not have is read at the home, and stored at the
// replica under a lease (leasedfill.go), so that no fill can bring back what a write has removed. If the home cannot answer,
// the others are asked; if none has the key, it is a miss where a replica has said so, else the error of the last one. A
// read for update, or one that takes a lease of its own, is the home's alone. One that touches is a write.
//
// What a failure does:
//
//   - A clear fails: the error is a *WriteError, which Available takes away. The node's journal deletes the key as soon as it
//     can, and until then this process does not read it there (pool.Node.Missed); others may.
//   - The home of a Set or Delete cannot be reached: the key is cleared at the others all the same, and that counts as their
//     acknowledgement. Nothing is stored (Op.Cleared), and until the home answers again, the key is a miss to this process;
//     others that can reach the home may still read there what is older. Any other write fails with the home's error, and no
//     replica takes its place.
//   - The home does a write late, or its journal deletes the key late: the others are cleared once more after that, by late
//     (coherentlate.go).
//   - The process dies between the home and the clears: copies of what was there before stay until their TTL ends. Nobody was
//     told that the write is done.
//
// While the first replica is joining or leaving (joining.go), other processes may take another one for the home than this
// one does. So a write first deletes the key at those before its home, and then clears them like the others; and no
// read of this process fills. Without that delete, what another process fills this home with after an eviction may be
// older than the write; were there fills, they could copy what the other home's writer is about to clear here. Both were
// found, and their absence checked, by trying all schedules of a few writers and readers whose views are one step apart.
//
// Without p or late the error is ErrNoPart.
func Coherent(p Placement, late *LateClears) (Route, error) {
	if p == nil || late == nil {
		return nil, ErrNoPart
	}
	late.Follow(p)
	c := &coherent{placement: p, plain: &failover{placement: p, homeDecides: true}, late: late}
	c.fill = &leasedFill{target: c.nearest, source: c.first}
	return c, nil
}

func (c *coherent) nearest(op *Op) Route { return c.placement.Replicas(op).nth(0) }
func (c *coherent) first(op *Op) Route   { return c.placement.Replicas(op).All[0] }

func (c *coherent) Do(ctx context.Context, ops []*Op) {
	if writes := filter(ops, isWrite); len(writes) > 0 {
		c.write(ctx, writes)
		ops = without(ops, isWrite)
	}
	if atHome := filter(ops, onlyHomeTells); len(atHome) > 0 {
		c.plain.askHome(ctx, atHome)
		ops = without(ops, onlyHomeTells)
	}
	if late := filter(ops, c.isLate); len(late) > 0 {
		c.readLate(ctx, late)
		ops = rest(ops, late)
	}
	if len(ops) > 0 {
		c.read(ctx, ops)
	}
}

func (c *coherent) isLate(op *Op) bool { return c.late.has(op) }

// readLate reads keys of which a write of this process waits for the home.
func (c *coherent) readLate(ctx context.Context, ops []*Op) {
	c.plain.askHome(ctx, ops)
	missIfOut(ctx, ops)
}

// missIfOut makes misses of ops whose home cannot answer.
func missIfOut(ctx context.Context, ops []*Op) {
	for _, op := range ops {
		if op.Err != nil && ctx.Err() == nil && isNodeFault(op.Err) {
			settleMiss(op)
		}
	}
}

// onlyHomeTells reports whether op is a read whose answer at a replica would be of no use. One that asks no value cannot
// tell an item from the stub of a fill.
func onlyHomeTells(op *Op) bool {
	return readsAtHome(op) || op.Request.Command == protocol.Get && !op.Request.Has(protocol.ReturnValue)
}

func (c *coherent) read(ctx context.Context, ops []*Op) {
	filled := filter(ops, c.fills)
	if plain := rest(ops, filled); len(plain) > 0 {
		c.readPlain(ctx, plain)
	}
	if len(filled) > 0 {
		c.readFilling(ctx, filled)
	}
}

// rest returns ops without taken, which filter has taken from them by what may not hold a second time.
func rest(ops, taken []*Op) (others []*Op) {
	if len(taken) == 0 {
		return ops
	}
	for _, op := range ops {
		if len(taken) > 0 && taken[0] == op {
			taken = taken[1:]
		} else {
			others = append(others, op)
		}
	}
	return others
}

// readPlain reads and fills nothing. The stub of another process's fill is a miss, to be asked again at the home.
func (c *coherent) readPlain(ctx context.Context, ops []*Op) {
	c.plain.Do(ctx, ops)
	stubs := filter(ops, func(op *Op) bool { return isForeignStub(op) && !c.plain.readsHome(op) })
	for _, op := range stubs {
		settleMiss(op)
	}
	askAgain(ctx, stubs, c.plain.home)
}

func isForeignStub(op *Op) bool {
	r := &op.Reply
	return isHit(op) && r.Block == 0 && r.Has(protocol.Busy) && !r.Has(protocol.Stale)
}

func (c *coherent) readFilling(ctx context.Context, filled []*Op) {
	absent := c.fill.do(ctx, filled)
	c.askOthers(ctx, filled)
	missIfOut(ctx, absent)
	c.plain.missIfAllJoin(filled)
}

// fills reports whether op may fill the replica it reads: from the first of all, if that is its home.
func (c *coherent) fills(op *Op) bool {
	r := c.placement.Replicas(op)
	return r.Read != 0 && isFillable(op) && r.home(op) == 0
}

// askOthers asks the replicas that are left for ops whose home has failed. A copy that is there is no older than the last
// write that was acknowledged.
func (c *coherent) askOthers(ctx context.Context, ops []*Op) {
	const first = 2 // after the replica to read first and the home
	for try := first; ; try++ {
		if ops = c.plain.failed(ctx, ops, try); len(ops) == 0 {
			return
		}
		doEach(ctx, ops, func(op *Op) Route {
			r := c.placement.Replicas(op)
			return Replicas{All: r.All, Read: r.Read}.nth(try) // the home is second
		})
		for _, op := range ops {
			hideStub(op)
		}
	}
}

// write does ops at their homes and clears the other replicas. A home that turns out to be joining, which is not known
// before its first connection, leaves it to the next one.
func (c *coherent) write(ctx context.Context, ops []*Op) {
	for len(ops) > 0 {
		w := newCoherentWrite(c.placement, ops)
		w.clearBefore(ctx)
		w.atHome(ctx)
		ops = w.takeMoved()
		unsettled, at := w.unsettled()
		w.clearOthers(ctx)
		c.late.add(unsettled, at)
	}
}

func (c *coherent) Explain(op *Op) Step {
	r := c.placement.Replicas(op)
	s := Step{Route: "coherent", Why: Why(c.placement, op)}
	home := r.home(op)
	switch {
	case isWrite(op):
		s.Next = c.explainWrite(op, r, home)
	case c.fills(op):
		first := Explain(r.nth(0), op)
		s.Next = []Step{first, {Route: "fill", Why: "what it does not have, under a lease", Next: []Step{Explain(r.All[0], op)}}}
	case onlyHomeTells(op):
		s.Next = []Step{Explain(r.All[home], op)}
	default:
		s.Next = []Step{Explain(c.plain, op)}
	}
	return s
}

func (c *coherent) explainWrite(op *Op, r Replicas, home int) (steps []Step) {
	if home > 0 {
		steps = append(steps, Step{Route: "clear", Why: "others may take it for the home", Next: explainAll(r.All[:home], op)})
	}
	steps = append(steps, Step{Route: "home", Next: []Step{Explain(r.All[home], op)}})
	if len(r.All) > 1 {
		others := besides(home, r.All)
		steps = append(steps, Step{Route: "clear", Why: "when the home has answered", Next: explainAll(others, op)})
	}
	return steps
}
