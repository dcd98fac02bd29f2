package hotcopy

import (
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// refreshIfDue has the home asked anew for what is held, in the background and by one goroutine, when half of the
// staleness allowed is over.
func (r *Route) refreshIfDue(e *entry, h *held, now int64, rule *hotkey.Rule) {
	if now-h.asked < int64(rule.Action.Staleness)/2 || e.refreshing.Load() || !e.refreshing.CompareAndSwap(false, true) {
		return
	}
	if !r.copies.background.Go(func() { r.refresh(e, rule) }) {
		e.refreshing.Store(false)
	}
}

// refresh asks the home for the CAS and, if it has changed and the value is kept, for the value.
func (r *Route) refresh(e *entry, rule *hotkey.Rule) {
	defer e.refreshing.Store(false)
	c := r.copies
	read := own(protocol.Request{Command: protocol.Get, Key: e.key}, e.hash)
	if protocol.CheckKey(e.key) != nil {
		read.Request.Meta = protocol.BinaryKey
	}
	j := job{op: &read, rule: rule, e: e, held: e.held.Load(), writes: e.writes.Load(), asked: c.now()}
	if j.held == nil {
		return
	}
	j.ask()
	r.next.Do(c.ctx, []*route.Op{&j.own})
	c.count.checks.Add(1)
	said := &j.own
	switch {
	case said.Err != nil && !isUnsupported(said):
	case !r.isVersion(e, said):
		c.shelf.forget(e, j.held)
	case said.Reply.Status != protocol.OK:
		c.shelf.forget(e, j.held)
	default:
		r.refreshTo(&j, said)
	}
}

// refreshTo takes over what the home has said.
func (r *Route) refreshTo(j *job, said *route.Op) {
	c := r.copies
	j.found = held{version: versionOf(said), home: said.Node, asked: j.asked, size: int(said.Reply.Size)}
	switch {
	case j.found.version.is(j.held.version):
		r.renew(j)
	case !j.held.kept:
		c.count.changed.Add(1)
		c.shelf.keep(j.e, &j.found, j.writes, ifRoom)
	default:
		c.count.changed.Add(1)
		j.op.Request.Meta |= lineFlags | protocol.ReturnSize
		r.next.Do(c.ctx, []*route.Op{j.op})
		r.learn(j, j.op)
	}
}
