package rulestore

import (
	"context"
	"time"

	"github.com/nohop/memcache/protocol"
)

// Lease lets one of many lead for a while. It need not be exact: two may hold it at once, or nobody. Its methods are safe
// for concurrent use.
type Lease interface {
	// Hold takes the lease for LeaseTime if it is free, or renews it if id holds it, and reports whether id holds it now.
	Hold(ctx context.Context, id string) (held bool, err error)
	// Release gives the lease back if id holds it.
	Release(ctx context.Context, id string) error
}

// A lease lasts LeaseTime, and who holds it renews it every LeaseInterval.
const (
	LeaseTime     = 5 * time.Second
	LeaseInterval = time.Second
)

const leaseKey = Reserved + "lease"

// MemcachedLease is a lease in the cache itself: one key at its home, with the id of who holds it. Since memcached may evict
// it, and nodes differ between views, two may hold it for a moment.
type MemcachedLease struct{ order Order }

// NewMemcachedLease returns a lease at the home of its key.
func NewMemcachedLease(order Order) *MemcachedLease { return &MemcachedLease{order} }

// Hold asks who holds the lease, adds the key if that is nobody, and renews it if that is id. The error is a *NodeError, or
// ErrNoNodes.
func (l *MemcachedLease) Hold(ctx context.Context, id string) (bool, error) {
	now, err := l.read(ctx)
	switch {
	case err != nil:
		return false, err
	case now.id == "":
		return now.send(ctx, protocol.Request{Command: protocol.Add, Value: []byte(id), Exptime: int64(LeaseTime / time.Second)})
	case now.id != id:
		return false, nil
	case now.cas == 0:
		return false, &NodeError{now.node.Name(), ErrNoCAS}
	}
	return now.send(ctx, protocol.Request{
		Command: protocol.Set, Value: []byte(id), Exptime: int64(LeaseTime / time.Second),
		Meta: protocol.Compare, CAS: now.cas,
	})
}

// Release deletes the key if id holds the lease. The errors are those of Hold.
func (l *MemcachedLease) Release(ctx context.Context, id string) error {
	now, err := l.read(ctx)
	if err != nil || now.id != id {
		return err
	}
	_, err = now.send(ctx, protocol.Request{Command: protocol.Delete, Meta: protocol.Compare, CAS: now.cas})
	return err
}

// holder is who holds the lease; "" is nobody.
type holder struct {
	node Node
	id   string
	cas  uint64
}

func (l *MemcachedLease) read(ctx context.Context) (holder, error) {
	n, err := l.order.home(leaseKey)
	if err != nil {
		return holder{}, err
	}
	const want = protocol.ReturnValue | protocol.ReturnCAS
	op, err := ask(ctx, n, protocol.Request{Command: protocol.Get, Key: leaseKey, Meta: want})
	if err != nil {
		return holder{}, &NodeError{n.Name(), err}
	}
	if op.Reply.Status != protocol.OK {
		return holder{node: n}, nil
	}
	return holder{n, string(op.Value), op.Reply.CAS}, nil
}

// send changes the key, and reports whether that was done.
func (h holder) send(ctx context.Context, r protocol.Request) (bool, error) {
	r.Key = leaseKey
	op, err := ask(ctx, h.node, r)
	if err != nil {
		return false, &NodeError{h.node.Name(), err}
	}
	return op.Reply.Status == protocol.OK, nil
}
