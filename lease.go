package memcache

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nohop/memcache/internal/mechanism"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// lease is what a node says of the right to load a key (memcached's doc/protocol.txt, "Meta Get", N, R and the return
// flags W, X and Z).
type lease struct {
	won  bool // the asker has it
	busy bool // somebody has it
	cas  CAS  // of the stub or of the old value: whatever is done to the key gives it another
	node *pool.Node
}

// found returns what a read has brought, which was answered: the item, nil if it has no value, and the lease.
//
// Where somebody has the lease there will be another value soon, so one that cannot be read is no error, but as good as none.
func (r *request) found() (*Item, lease, error) {
	op := &r.op
	if op.Reply.Status != protocol.OK {
		return nil, lease{}, nil
	}
	l := lease{won: op.Reply.Has(protocol.Won), busy: op.Reply.Has(protocol.Busy), cas: CAS{op.Reply.CAS, op.Token}, node: op.Node}
	// What is empty and has a lease is the stub of one, or is loaded again as if it were.
	if op.Reply.Block == 0 && op.Reply.Meta&(protocol.Won|protocol.Busy|protocol.Stale) != 0 {
		return nil, l, nil
	}
	if err := r.unpack(); err != nil && (l.won || l.busy) {
		return nil, l, nil
	} else if err != nil {
		return nil, lease{}, err
	}
	item := new(Item)
	fill(item, r.key, op)
	return item, l, nil
}

// takeLease reads the key at its home and, if it is not there, takes the lease, where there are leases.
func (j *job) takeLease(ctx context.Context) (*Item, lease, error) {
	c := j.client
	r := c.newRequest(protocol.Get, j.key, leaseReadFlags|protocol.Vivify)
	defer r.free()
	r.view = c.viewOfWork()
	r.op.ForUpdate = true
	r.op.Request.VivifyTTL = j.opts.lease
	j.opts.apply(&r.op.Request)
	r.view.read.Do(ctx, r.ops[:])
	if r.op.Err != nil {
		return nil, lease{}, r.op.Err
	}
	return r.found()
}

// errVoid is a fill that came too late: what the lease was for is gone.
var errVoid = errors.New("memcache: the lease has ended")

// store fills the lease. The home compares the CAS, so whatever was done to the key since the lease was given prevents
// it; that is errVoid. Then the other replicas are cleared, as after every compare-and-swap: one that has kept a value that
// the home lost, or that is stale, would go on serving it.
func (j *job) store(ctx context.Context, item *Item, l lease) error {
	if !mechanism.Leases {
		return j.send(ctx, protocol.Set, item, CAS{}, 0)
	}
	return j.send(ctx, protocol.Set, item, l.cas, protocol.Compare)
}

// add stores an item for which there are no leases, unless somebody else has stored one.
func (j *job) add(ctx context.Context, item *Item) error {
	return j.send(ctx, protocol.Add, item, CAS{}, 0)
}

func (j *job) send(ctx context.Context, command protocol.Command, item *Item, cas CAS, flags protocol.MetaFlags) error {
	c := j.client
	exptime, err := c.cfg.exptime(item.TTL)
	if err != nil {
		return err
	}
	r := c.newRequest(command, j.key, flags)
	defer r.free()
	r.view = c.viewOfWork()
	q := &r.op.Request
	q.Value, q.Flags, q.Exptime, q.CAS, r.op.Token = item.Value, item.Flags, exptime, cas.unique, cas.token
	if err := r.pack(); err != nil {
		return err
	}
	if err := c.send(ctx, r); err != nil && !errors.Is(err, ErrPartialWrite) { // partial: the home has stored it
		return err
	}
	if r.op.Reply.Status != protocol.OK {
		return errVoid
	}
	return nil
}

// release gives a lease back that will not be filled: without it, everybody would wait until it expires. A stub is
// deleted; an old value is marked stale, which lets the next reader have the lease. It is asked of the node that gave the
// lease, for it concerns no other. If that fails, or if routes have changed the key on its way there, the lease ends by
// itself.
func (j *job) release(ctx context.Context, item *Item, l lease) {
	if l.node == nil {
		return // a route has answered by itself
	}
	r := j.client.newRequest(protocol.Delete, j.key, protocol.Compare)
	defer r.free()
	if item != nil {
		r.op.Request.Meta |= protocol.Invalidate
	}
	r.op.Request.CAS, r.op.Token = l.cas.unique, l.cas.token
	l.node.Do(ctx, r.ops[:])
}

// pauses are those between two looks at a key that another process is loading.
type pauses struct {
	next time.Duration
	left time.Duration
}

const (
	firstPause = 5 * time.Millisecond
	maxPause   = 100 * time.Millisecond
)

// wait pauses, each time for about twice as long, and reports whether to look again. The pauses are jittered, so that
// processes which wait for one key do not ask together.
func (p *pauses) wait(ctx context.Context) bool {
	if p.left <= 0 {
		return false
	}
	p.next = min(max(2*p.next, firstPause), maxPause)
	pause := min(p.next/2+rand.N(p.next), p.left)
	p.left -= pause
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
