package hotcopy

import (
	"context"
	"slices"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// choose picks the node to read j's value from, and reports whether it is another than the home.
func (r *Route) choose(j *job) bool {
	home := j.found.home
	if _, known := j.found.version.token.Generation(); !known {
		r.copies.tell(home, NoGeneration)
		return false
	}
	if j.at != nil && j.at.node != home {
		return true
	}
	o := j.e.orderIn(r.nodes, home)
	if o == nil {
		return false
	}
	m := leastLoaded(o.candidates(&j.rule.Action), r.copies.now())
	j.enter(m, j.found.size)
	return m.node != home
}

// stubTTL is how long others wait, in seconds, for a copy whose maker dies.
const stubTTL = 2

// askForCopy asks the chosen node for its copy and, if it has none, for the lease to make it.
func (r *Route) askForCopy(j *job) step {
	name, _ := j.found.version.copyName(j.e.key) // the generation is known
	q := protocol.Request{
		Command: protocol.Get, Key: name, VivifyTTL: stubTTL,
		Meta: protocol.ReturnValue | protocol.ReturnFlags | protocol.Vivify,
	}
	j.own = own(q, j.op.Hash)
	j.sent = r.copies.now()
	return copying
}

// haveCopied goes on with what the node has said; of is how many jobs there are.
func (r *Route) haveCopied(ctx context.Context, j *job, of int) step {
	c, said := r.copies, &j.own
	switch reply := &said.Reply; {
	case said.Err != nil && ctx.Err() != nil:
	case said.Err != nil:
		j.at.shunned.Store(c.now() + shunTime)
	case reply.Has(protocol.Won):
		return j.fill()
	case reply.Has(protocol.Busy) && of == 1 && !j.waited:
		j.waited = true
		c.count.waits.Add(1)
		if pause(ctx, time.Duration(c.now()-j.sent)) {
			return r.askForCopy(j)
		}
	case reply.Status == protocol.OK && reply.Meta&leaseMarks == 0 && reply.Block == j.found.size:
		r.takeCopy(j)
		return done
	}
	c.count.fallbacks.Add(1)
	return reading
}

// pause waits for d, about a round trip, and reports whether ctx has not ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// takeCopy answers j's op with the copy.
func (r *Route) takeCopy(j *job) {
	op, said := j.op, &j.own
	said.Node, said.Token = j.found.home, j.found.version.token
	r.keep(j, j.found.version, j.found.asked, said)
	op.Settle(said, nil)
	j.found.flags = said.Reply.Flags
	op.Reply = protocol.Reply{}
	j.found.describe(op, j.found.version)
	r.copies.count.copied.Add(1)
	r.copies.count.saved.Add(uint64(j.found.size))
	r.copies.observe(op)
}

// fill reads the home, with the time that the item has left, to make the copy.
func (j *job) fill() step {
	q := protocol.Request{Command: protocol.Get, Key: j.op.Request.Key, Meta: j.binary() | lineFlags | protocol.ReturnTTL | protocol.ReturnSize}
	j.own = own(q, j.op.Hash)
	return filling
}

// haveFilled answers j's op with what the home has, and has the copy made. It is named by the version that came with the
// value, whichever was sought.
func (r *Route) haveFilled(j *job) step {
	c, got := r.copies, &j.own
	j.op.Settle(got, got.Err)
	if got.Err != nil {
		j.op.Node = got.Node
		return done
	}
	if got.Reply.Has(protocol.Won) && isClassic(&j.op.Request) {
		r.giveBack(got)
	}
	if got.Reply.Block == 0 && got.Reply.Has(protocol.Busy) && isClassic(&j.op.Request) {
		return reading // the stub of a lease: to a classic read it is a miss
	}
	c.observe(j.op)
	if r.isElsewhere(j, got) {
		return done
	}
	r.learn(j, got)
	if got.Reply.Status == protocol.OK && got.Reply.Meta&leaseMarks == 0 && versionOf(got).isKnown() {
		ttl := c.copyTTL(got.Reply.TTL)
		if r.makeCopies(versionOf(got), j.e.key, got, []*member{j.at}, ttl) {
			c.count.fills.Add(1)
		}
	}
	return done
}

// copyTTL returns the exptime of a copy of an item that has so many seconds left, -1 meaning no end; 0: none is to be made.
func (c *Copies) copyTTL(left int64) int64 {
	longest := int64(c.cfg.CopyTTL / time.Second)
	if left < 0 {
		return longest
	}
	return min(left, longest)
}

// makeCopies has nodes store a value that op has read or stored, in the background, and reports whether they will be
// asked. Whatever becomes of it, nothing is wrong: bytes of version v under the name of v are true for ever.
func (r *Route) makeCopies(v version, key string, from *route.Op, at []*member, ttl int64) bool {
	name, ok := v.copyName(key)
	if !ok || ttl <= 0 {
		return false
	}
	value, flags := from.Request.Value, from.Request.Flags
	if from.Request.Command == protocol.Get {
		value, flags = from.Value, from.Reply.Flags
	}
	value = slices.Clone(value) // the caller's, who may change it
	hash := from.Hash
	return r.copies.background.Go(func() {
		for _, m := range at {
			q := protocol.Request{Command: protocol.Set, Key: name, Value: value, Flags: flags, Exptime: ttl}
			store := own(q, hash)
			m.node.Do(r.copies.ctx, []*route.Op{&store})
		}
	})
}
