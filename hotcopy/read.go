package hotcopy

import (
	"slices"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

const (
	// lineFlags are what a classic read returns.
	lineFlags = protocol.ReturnValue | protocol.ReturnFlags | protocol.ReturnCAS
	// checkFlags ask for the CAS. With the size it is a meta command; the CAS alone would be a classic read.
	checkFlags = protocol.ReturnCAS | protocol.ReturnSize
)

// isAnswerable reports whether op is a read that a copy can answer: for the value, its flags, CAS and size, without
// any effect.
func isAnswerable(op *route.Op) bool {
	q := &op.Request
	if q.Command != protocol.Get || op.ForUpdate || op.Inspect || q.Meta&^(lineFlags|protocol.ReturnSize|protocol.BinaryKey) != 0 {
		return false
	}
	return q.Has(protocol.ReturnValue) || isClassic(q)
}

// isClassic reports whether a Get goes as a classic read, which always returns the value, and does not tell of leases.
func isClassic(q *protocol.Request) bool { return q.Meta&^lineFlags == 0 }

// read begins a read that a copy can answer.
func (b *batch) read(op *route.Op, rule *hotkey.Rule) {
	r, e := b.route, b.entry(op)
	if e == nil || r.isAside(e) {
		b.hand(op)
		return
	}
	h := e.held.Load()
	asked := int64(0)
	if rule.Action.Staleness > 0 {
		asked = r.copies.now()
		if h.isFresh(e, asked, r.copies, rule) {
			r.refreshIfDue(e, h, asked, rule)
			if h.kept {
				r.answer(op, h, h)
				return
			}
		}
	}
	j := b.job(op, done)
	j.rule, j.e, j.held, j.writes, j.asked = rule, e, h, e.writes.Load(), asked
	j.step = r.firstStep(j)
}

// answerFresh answers op with what the process keeps, if a copy can answer it and nobody need be asked.
func (r *Route) answerFresh(op *route.Op, rule *hotkey.Rule) bool {
	if rule.Action.Staleness == 0 || !makesCopies(rule) || !isAnswerable(op) {
		return false
	}
	e := r.copies.shelf.find(op.Hash, op.Request.Key)
	if e == nil || e.aside.Load() != 0 {
		return false
	}
	h, now := e.held.Load(), r.copies.now()
	if h == nil || !h.kept || !h.isFresh(e, now, r.copies, rule) {
		return false
	}
	e.use()
	r.refreshIfDue(e, h, now, rule)
	r.answer(op, h, h)
	return true
}

// readAtHome begins a read that only the home can answer; what it brings is news all the same.
func (b *batch) readAtHome(op *route.Op, rule *hotkey.Rule) {
	e := b.entry(op)
	if e == nil || b.route.isAside(e) {
		b.hand(op)
		return
	}
	j := b.job(op, reading)
	j.rule, j.e, j.held, j.writes = rule, e, e.held.Load(), e.writes.Load()
	if rule.Action.Staleness > 0 {
		j.asked = b.route.copies.now()
	}
}

// isFresh reports whether h need not be asked for again. What was asked for when the entry was new may be older than a
// write that began before and was not noted.
func (h *held) isFresh(e *entry, now int64, c *Copies, rule *hotkey.Rule) bool {
	return h != nil && h.asked > 0 && now-h.asked < int64(rule.Action.Staleness) && h.asked-e.born >= int64(c.cfg.WriteTime)
}

// firstStep of a read that is not answered at once.
func (r *Route) firstStep(j *job) step {
	h := j.held
	switch {
	case h == nil:
		return reading
	case h.kept:
		return j.ask()
	case j.rule.Action.Kind != hotkey.Spread:
		return reading
	}
	j.found = *h
	if !r.choose(j) {
		return reading
	}
	if h.isFresh(j.e, j.asked, r.copies, j.rule) {
		return r.askForCopy(j)
	}
	return j.ask()
}

// ask asks the home for the CAS.
func (j *job) ask() step {
	j.own = own(protocol.Request{Command: protocol.Get, Key: j.op.Request.Key, Meta: j.binary() | checkFlags}, j.op.Hash)
	return asking
}

func (j *job) binary() protocol.MetaFlags { return j.op.Request.Meta & protocol.BinaryKey }

// own returns an op of this package's. All that are sent are made here, except what callers have sent: so none is sampled
// (pool.Config.NewSampler), and Config.Observe is told what they have answered.
func own(q protocol.Request, hash uint64) route.Op {
	return route.Op{Request: q, Hash: hash, Uncounted: true}
}

// haveAsked goes on with what the home has said of the CAS.
func (r *Route) haveAsked(j *job) step {
	c, said := r.copies, &j.own
	c.count.checks.Add(1)
	if said.Err != nil && !isUnsupported(said) {
		return reading // that nobody could say is no answer; the tree may know one
	}
	if !r.isVersion(j.e, said) {
		c.shelf.forget(j.e, j.held)
		return reading
	}
	if said.Reply.Status != protocol.OK {
		c.shelf.forget(j.e, j.held)
		j.op.Settle(said, nil)
		c.observe(j.op)
		return done
	}
	j.told = said.Node
	j.found = held{version: versionOf(said), home: said.Node, asked: j.asked, size: int(said.Reply.Size)}
	if !j.found.version.is(j.held.version) {
		c.count.changed.Add(1)
	} else if j.held.kept {
		r.renew(j)
		r.answer(j.op, j.held, &j.found)
		return done
	}
	if j.rule.Action.Kind == hotkey.Spread && r.choose(j) {
		return r.askForCopy(j)
	}
	return reading
}

func versionOf(op *route.Op) version { return version{op.Reply.CAS, op.Token} }

// renew notes that what is held was found to be current.
func (r *Route) renew(j *job) {
	if j.asked != 0 {
		again := j.held.at(j.asked)
		again.version, again.home = j.found.version, j.found.home
		r.copies.shelf.keep(j.e, again, j.writes, ifRoom)
	}
}

// answer answers op with a value that is kept, in the version that the home has named.
func (r *Route) answer(op *route.Op, h, found *held) {
	op.Settle(nil, nil)
	op.Value = append(op.Dst, h.value...)
	if op.Value == nil {
		op.Value = []byte{}
	}
	h.describe(op, found.version)
	op.Token, op.Node = found.version.token, found.home
	r.copies.count.kept.Add(1)
	r.copies.count.saved.Add(uint64(len(h.value)))
	r.copies.observe(op)
}

// describe makes op's reply, of which nothing is said yet, what the home's would have been to a read for the value.
func (h *held) describe(op *route.Op, v version) {
	reply := &op.Reply
	reply.Status, reply.Block = protocol.OK, h.size
	reply.Meta = op.Request.Meta & (lineFlags | protocol.ReturnSize)
	if isClassic(&op.Request) {
		reply.Meta |= lineFlags
	}
	if reply.Has(protocol.ReturnFlags) {
		reply.Flags = h.flags
	}
	if reply.Has(protocol.ReturnCAS) {
		reply.CAS = v.cas
	}
	if reply.Has(protocol.ReturnSize) {
		reply.Size = int64(h.size)
	}
}

// haveRead goes on with what the tree has answered to the op itself.
func (r *Route) haveRead(j *job) step {
	if !r.isElsewhere(j, j.op) {
		r.learn(j, j.op)
	}
	return done
}

// learn keeps what a read has brought.
func (r *Route) learn(j *job, op *route.Op) {
	c := r.copies
	switch reply := &op.Reply; {
	case op.Err != nil || j.e.aside.Load() != 0:
		return
	case reply.Status != protocol.OK:
		c.shelf.forget(j.e, j.held)
		return
	case reply.Meta&leaseMarks != 0:
		c.setAside(j.e, leaseTime)
		return
	case reply.Block < 0 || !reply.Has(lineFlags):
		return
	case reply.CAS == 0:
		c.tell(op.Node, NoCAS)
		return
	case op.Token.IsZero():
		return
	}
	r.keep(j, versionOf(op), j.asked, op)
}

// keep keeps the value that op has brought, in version v, which was asked for at that time.
func (r *Route) keep(j *job, v version, asked int64, op *route.Op) {
	c, value := r.copies, op.Value[len(op.Dst):]
	h := &held{version: v, home: op.Node, asked: asked, size: len(value), flags: op.Reply.Flags}
	if last := j.e.held.Load(); last != nil && last.kept && last.version.is(v) {
		h.kept, h.value = true, last.value
	} else if len(value) <= c.cfg.ItemBytes && c.cfg.Bytes > 0 {
		h.kept, h.value = true, slices.Clone(value)
	}
	force := evicting
	if j.rule.Action.Kind == hotkey.Spread {
		force = ifRoom
	}
	c.shelf.keep(j.e, h, j.writes, force)
}
