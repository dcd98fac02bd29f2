package memcache

import (
	"context"
	"errors"

	"github.com/nohop/memcache/protocol"
)

// extendTries bounds how often Append and Prepend look again at an item that others change meanwhile.
const extendTries = 10

// extend is Append and Prepend. Where values may be compressed it sees to it that the one there is not, and that it is
// still the same when something is added to it.
func (c *Client) extend(ctx context.Context, command protocol.Command, item *Item) error {
	if c.cfg.compression == nil {
		return c.store(ctx, command, item, 0)
	}
	seen := *item
	for range extendTries {
		cas, err := c.extensible(ctx, item.Key)
		if err != nil {
			return err
		}
		seen.CAS = cas
		err = c.store(ctx, command, &seen, protocol.Compare)
		if !errors.Is(err, ErrCASConflict) && !errors.Is(err, ErrCacheMiss) {
			return err
		}
	}
	return ErrCASConflict
}

// extensible returns the CAS of an item that is not compressed, from its home.
func (c *Client) extensible(ctx context.Context, key string) (CAS, error) {
	// The size makes it a meta command, which brings no value.
	r := c.newRequest(protocol.Get, key, protocol.ReturnFlags|protocol.ReturnCAS|protocol.ReturnSize)
	defer r.free()
	r.op.ForUpdate = true
	r.view.read.Do(ctx, r.ops[:])
	switch {
	case r.op.Err != nil:
		return CAS{}, r.failure()
	case r.op.Reply.Status != protocol.OK:
		return CAS{}, ErrNotStored
	case r.op.Reply.Flags&compressionBits != 0:
		return CAS{}, ErrCompressed
	}
	return CAS{r.op.Reply.CAS, r.op.Token}, nil
}
