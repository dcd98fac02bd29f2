package memcache

import (
	"context"
	"time"

	"github.com/nohop/memcache/protocol"
)

// Set stores item at every replica, whatever was there. If all fail, or some fail under RequireAll, the error is a *WriteError;
// where the key has one replica, it is an *OpError.
func (c *Client) Set(ctx context.Context, item *Item) error {
	return c.store(ctx, protocol.Set, item, 0)
}

// Add stores item if its key is not there, else it returns ErrNotStored.
func (c *Client) Add(ctx context.Context, item *Item) error {
	return c.store(ctx, protocol.Add, item, 0)
}

// Replace stores item if its key is there, else it returns ErrNotStored.
func (c *Client) Replace(ctx context.Context, item *Item) error {
	return c.store(ctx, protocol.Replace, item, 0)
}

// Append adds item.Value behind the value that is there, whose flags and TTL stay; ErrNotStored if there is none, or
// if the result would be larger than the server allows. With WithCompression it is ErrCompressed if that value is, and
// ErrCASConflict if others changed it ten times meanwhile.
func (c *Client) Append(ctx context.Context, item *Item) error {
	return c.extend(ctx, protocol.Append, item)
}

// Prepend is Append before the value that is there.
func (c *Client) Prepend(ctx context.Context, item *Item) error {
	return c.extend(ctx, protocol.Prepend, item)
}

// CompareAndSwap stores item if it has not changed since item.CAS was read. Otherwise it returns ErrCASConflict if the item
// has changed, or may have because the connection was lost since, and ErrCacheMiss if it is gone. Where keys have several
// replicas, read with GetForUpdate: the CAS of another replica than the home is ErrForeignCAS, as is that of another Client.
// If item.CAS is zero, the error is ErrNoCAS: the item was not read, or its server keeps none (-C).
//
// Reads do not set item.TTL, so an item that is written back as it was read never expires: give it its TTL again.
func (c *Client) CompareAndSwap(ctx context.Context, item *Item) error {
	if item.CAS.IsZero() {
		return ErrNoCAS
	}
	return c.store(ctx, protocol.Set, item, protocol.Compare)
}

func (c *Client) store(ctx context.Context, command protocol.Command, item *Item, flags protocol.MetaFlags) error {
	exptime, err := c.cfg.exptime(item.TTL)
	if err != nil {
		return err
	}
	r := c.newRequest(command, item.Key, flags)
	defer r.free()
	q := &r.op.Request
	q.Value, q.Flags, q.Exptime, q.CAS = item.Value, item.Flags, exptime, item.CAS.unique
	r.op.Token = item.CAS.token
	if err := r.pack(); err != nil {
		return err
	}
	if err := c.do(ctx, r); err != nil {
		return err
	}
	return statusError(r.op.Reply.Status)
}

// Delete removes key from every replica. If none had it, the error is ErrCacheMiss.
func (c *Client) Delete(ctx context.Context, key string) error {
	r := c.newRequest(protocol.Delete, key, 0)
	defer r.free()
	if err := c.do(ctx, r); err != nil {
		return err
	}
	return statusError(r.op.Reply.Status)
}

// Touch gives key a new TTL at every replica; 0 means that it never expires. ErrCacheMiss if its home has no such item.
func (c *Client) Touch(ctx context.Context, key string, ttl time.Duration) error {
	exptime, err := c.cfg.exptime(ttl)
	if err != nil {
		return err
	}
	r := c.newRequest(protocol.Touch, key, 0)
	defer r.free()
	r.op.Request.Exptime = exptime
	if err := c.do(ctx, r); err != nil {
		return err
	}
	return statusError(r.op.Reply.Status)
}
