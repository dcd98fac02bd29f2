package hotcopy

import (
	"slices"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// effect is what an op that succeeds leaves of what is known of its key.
type effect uint8

const (
	nothing effect = iota // what the item is now only a read can tell
	itsOwn                // the value that it has stored
	doubt                 // the value; whether it is there must be asked
)

// effectOf returns the effect of op.
func effectOf(op *route.Op) effect {
	switch q := &op.Request; q.Command {
	case protocol.Touch, protocol.GetAndTouch:
		return doubt
	case protocol.Set:
		if q.Meta&^(protocol.Compare|protocol.ReturnCAS|protocol.BinaryKey) == 0 {
			return itsOwn
		}
	}
	return nothing
}

// write begins an op that may change the item. The home decides about it as without a rule.
func (b *batch) write(op *route.Op, rule *hotkey.Rule) {
	c := b.route.copies
	j := b.job(op, writing)
	j.rule, j.effect, j.wantCAS = rule, effectOf(op), op.WantCAS
	if j.e = c.shelf.find(op.Hash, op.Request.Key); j.e != nil {
		j.held = j.e.held.Load()
		j.began = c.shelf.beginWrite(j.e)
	}
	if j.effect == itsOwn {
		op.WantCAS = true
	}
	if rule.Action.Staleness > 0 {
		j.asked = c.now()
	}
}

// haveWritten replaces or drops what the process keeps before the writer learns that the write is done.
func (r *Route) haveWritten(j *job) step {
	op := j.op
	op.WantCAS = j.wantCAS
	stored := j.effect == itsOwn && isDone(op) && !op.Cleared && versionOf(op).isKnown()
	if j.e != nil {
		r.copies.shelf.endWrite(j.e, j.began, r.left(j, stored))
		if stored {
			j.e.aside.Store(0) // nothing is stale any more
		}
	}
	if stored && j.rule.Action.Kind == hotkey.Spread {
		r.push(j)
	}
	return done
}

func isDone(op *route.Op) bool { return op.Err == nil && op.Reply.Status == protocol.OK }

// left returns what is known after j's write; nil: nothing.
func (r *Route) left(j *job, stored bool) *held {
	q := &j.op.Request
	switch {
	case j.held == nil:
		return nil
	case j.effect == doubt:
		return j.held.at(0)
	case !stored || r.copies.copyTTL(secondsLeft(q.Exptime)) == 0:
		return nil
	}
	h := &held{version: versionOf(j.op), home: j.op.Node, asked: j.asked, size: len(q.Value), flags: q.Flags}
	if h.kept = j.held.kept && len(q.Value) <= r.copies.cfg.ItemBytes; h.kept {
		h.value = slices.Clone(q.Value)
	}
	return h
}

// relativeLimit is the largest exptime in seconds from now; above it is Unix time (protocol.txt, "Expiration times").
const relativeLimit = 60 * 60 * 24 * 30

// secondsLeft returns how long an item stays that is stored with that exptime: -1 for ever, 0 not at all.
func secondsLeft(exptime int64) int64 {
	switch {
	case exptime == 0:
		return -1
	case exptime > relativeLimit:
		exptime -= time.Now().Unix()
	}
	return max(exptime, 0)
}

// push makes the copies of a value that this process has stored, so that readers need not.
func (r *Route) push(j *job) {
	op := j.op
	var o *order
	if j.e != nil {
		o = j.e.orderIn(r.nodes, op.Node)
	} else {
		o = r.nodes.orderOf(op.Hash, op.Node)
	}
	if o == nil {
		return
	}
	now := r.copies.now()
	at := slices.DeleteFunc(slices.Clone(o.candidates(&j.rule.Action)[1:]), func(m *member) bool {
		return now < m.shunned.Load() || m.node.Joining()
	})
	if len(at) == 0 {
		return
	}
	if r.makeCopies(versionOf(op), op.Request.Key, op, at, r.copies.copyTTL(secondsLeft(op.Request.Exptime))) {
		r.copies.count.pushes.Add(uint64(len(at)))
	}
}
