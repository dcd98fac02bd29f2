package hotcopy

import (
	"errors"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// leaseMarks say that the item is being made, or is to be made anew (protocol.txt, "Meta Get", W, X and Z).
const leaseMarks = protocol.Won | protocol.Stale | protocol.Busy

// isUnsupported reports whether the node's dialect cannot say the request.
func isUnsupported(op *route.Op) bool { return errors.Is(op.Err, protocol.ErrUnsupported) }

// isVersion reports whether what the home has said names a version, or that there is none. Where there is a lease, or the
// node is unfit for copies, reads go to the tree for a while.
func (r *Route) isVersion(e *entry, said *route.Op) bool {
	c := r.copies
	switch reply := &said.Reply; {
	case said.Err != nil:
		c.tell(said.Node, NoMeta)
		c.setAside(e, unfitTime)
	case reply.Status != protocol.OK:
		return true
	case reply.Meta&leaseMarks != 0:
		c.count.stale.Add(1)
		c.setAside(e, leaseTime)
		if reply.Has(protocol.Won) {
			r.giveBack(said)
		}
	case !versionOf(said).isKnown():
		c.tell(said.Node, NoCAS)
		c.setAside(e, unfitTime)
	default:
		return true
	}
	return false
}

const (
	leaseTime     = 100 * time.Millisecond // until a key that is being made anew is looked at again
	unfitTime     = time.Minute            // until a node is tried again that is unfit
	elsewhereTime = time.Second            // until the tree is trusted again; a failover looks the same
)

// setAside has the key's reads go to the tree for a while.
func (c *Copies) setAside(e *entry, d time.Duration) { e.aside.Store(c.now() + int64(d)) }

func (r *Route) isAside(e *entry) bool {
	until := e.aside.Load()
	if until == 0 {
		return false
	}
	if r.copies.now() < until {
		return true
	}
	e.aside.CompareAndSwap(until, 0)
	return false
}

// isElsewhere reports whether the tree has read the value at another node than the one it has asked for the CAS. Such a
// tree, or one that changes its mind, has no use for what is kept: the key's reads are left to it for a while.
func (r *Route) isElsewhere(j *job, read *route.Op) bool {
	if j.told == nil || read.Err != nil || read.Node == j.told {
		return false
	}
	r.copies.tell(j.told, Elsewhere)
	r.copies.setAside(j.e, elsewhereTime)
	r.copies.shelf.forget(j.e, j.e.held.Load())
	return true
}

// giveBack gives a lease back that asking for the CAS has taken: memcached gives the lease of a stale item to whoever asks
// first, whatever he asks (memcached issue 851). Marking the item stale again lets the next reader have it.
func (r *Route) giveBack(said *route.Op) {
	if said.Node == nil {
		return
	}
	q := protocol.Request{
		Command: protocol.Delete, Key: said.Request.Key, CAS: said.Reply.CAS,
		Meta: said.Request.Meta&protocol.BinaryKey | protocol.Invalidate | protocol.Compare,
	}
	back := own(q, said.Hash)
	back.Token = said.Token
	said.Node.Do(r.copies.ctx, []*route.Op{&back})
}
