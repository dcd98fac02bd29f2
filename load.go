package memcache

import (
	"context"
	"errors"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// loadFunc gets a value from where it comes from.
type loadFunc = func(ctx context.Context) (*Item, error)

// GetOrLoad returns the item of key, read as Get reads it or, if it is not there, made by load and stored. Of all the
// processes that miss a key one loads it, under a lease at the key's home; the others wait, for 1 s at most (WithWait), and
// read what it has stored. A process that has waited in vain loads for itself, and what it has loaded is not stored. Of
// load's Item the Value, Flags and TTL count; one with a negative TTL, which has expired by now, is returned and not stored.
//
// A value whose load began before a write of the key that its home has acknowledged is never stored: a Delete, a Set, a flush or an expiry
// ends the lease, and the value goes only to those callers that asked before its load began. So "commit, then Delete"
// keeps cache and database together. A value is stored at the key's home; the other replicas are cleared, for they may
// hold an older one.
//
// In one process a key has one load at a time, which all callers share; the options of the first count. The load's context
// has the values of the caller that began it. It is canceled when the last caller that waits has left, and not when the one
// that began it has (a load of WithBackgroundReload goes on without callers); and with ErrClosed as its cause when the client
// is closed. Close waits for load to return. An error, or a panic, goes to all who wait; nothing is stored and the lease is
// given back, so the next caller can try at once. Load must not ask for the same key. Each caller may keep and change the
// item that it gets.
//
// If the key's home does not answer, the value is loaded and not stored, once at a time in each process. A server without
// leases is ErrUnsupported; see WithoutLeases. A key that a rule denies is ErrDenied and is not loaded. While a key is being
// loaded its home holds an empty item in its place: reads of this client miss it, but Add fails on it, Append and Replace
// find it, and Touch makes it last: delete or set such keys, and no more.
func (c *Client) GetOrLoad(ctx context.Context, key string, load func(context.Context) (*Item, error), opts ...LoadOption) (*Item, error) {
	item, absent, err := c.lookUp(ctx, key, opts)
	if absent != nil {
		return absent.load(ctx, load)
	}
	return item, err
}

// Invalidate marks the item of key stale at every replica and has it expire after d, which is rounded up to seconds, at
// least 2. Until then GetOrLoad has one caller load it again, while the others, and Get, use the stale value; a load that
// is under way will not be stored. Where nobody may see the old value any more, Delete it. ErrCacheMiss if there is no
// such item; ErrUnsupported by servers before 1.6.13. If the key was just being loaded for the first time, Get finds it
// empty until the next GetOrLoad, which loads at once.
func (c *Client) Invalidate(ctx context.Context, key string, d time.Duration) error {
	if d == 0 {
		return ErrInvalidTTL // to the server it would be "for ever"
	}
	exptime, err := c.cfg.exptime(d)
	if err != nil {
		return err
	}
	r := c.newRequest(protocol.Delete, key, protocol.Invalidate|protocol.UpdateTTL)
	defer r.free()
	r.op.Request.Exptime = exptime
	if err := c.do(ctx, r); err != nil {
		return err
	}
	return statusError(r.op.Reply.Status)
}

// absent is a key that somebody has to load, as one caller has found it. That caller stays in the client's gate until it has
// called load.
type absent struct {
	client *Client
	key    string
	opts   loadOptions
	old    *Item // a value that is stale or soon expires, and that this caller is to load again
	won    CAS   // of old, at the node that says so
	door   int   // of the gate
}

// leaseReadFlags make the read a meta command, which tells whether the item is stale or a stub; a classic one does not.
// The size is the shortest thing to ask for.
const leaseReadFlags = readFlags | protocol.ReturnSize

// lookUp reads the item as Get does. If it has to be loaded, it returns no item and no error but what to do.
func (c *Client) lookUp(ctx context.Context, key string, opts []LoadOption) (*Item, *absent, error) {
	o, err := newLoadOptions(opts)
	if err != nil {
		return nil, nil, err
	}
	r := c.newRequest(protocol.Get, key, leaseReadFlags)
	defer r.free()
	o.apply(&r.op.Request)
	r.view.read.Do(ctx, r.ops[:])
	if r.op.Err != nil {
		if err := r.failure(); !isCacheFault(err) {
			return nil, nil, err
		}
		return nil, r.absent(o), nil
	}
	item, lease, err := r.found()
	if err != nil {
		return nil, nil, err
	}
	if !lease.won && item != nil {
		return item, nil, nil
	}
	a := r.absent(o)
	if a.old = item; lease.won {
		a.won = lease.cas
	}
	return nil, a, nil
}

// absent is what is left to do if r has not found what it has read.
func (r *request) absent(o loadOptions) *absent {
	r.client.gate.enter(r.door)
	return &absent{client: r.client, key: r.key, opts: o, door: r.door}
}

// apply has a read ask for what the options need.
func (o *loadOptions) apply(r *protocol.Request) {
	switch {
	case o.noLeases:
		r.Meta &^= protocol.ReturnSize | protocol.Vivify
	case o.recache > 0:
		r.Meta |= protocol.Recache
		r.RecacheTTL = o.recache
	}
}

// isCacheFault reports whether err is the fault of nodes, so that the value can be loaded all the same.
func isCacheFault(err error) bool {
	if _, unreadable := errors.AsType[*CompressionError](err); unreadable {
		return false
	}
	return route.FailureOf(err)&route.FailNode != 0 && !isOneOf(ErrClosed, ErrUnsupported, ErrDenied)(err)
}

// load has the value loaded, by this caller or another one.
func (a *absent) load(ctx context.Context, load loadFunc) (*Item, error) {
	defer a.client.gate.leave(a.door)
	if load == nil {
		return nil, errNoLoad
	}
	l := &a.client.loads
	if a.old != nil && a.opts.background && l.startBehind(&job{a, ctx, load}) {
		return a.old, nil
	}
	return l.do(&job{a, ctx, load})
}

var (
	errNoLoad = errors.New("memcache: no function to load with")
	errNoItem = errors.New("memcache: load returned neither an item nor an error")
)
