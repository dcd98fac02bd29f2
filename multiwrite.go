package memcache

import (
	"context"

	"github.com/nohop/memcache/protocol"
)

// SetMulti stores items as Set does, all at once: items of one node share its requests. If some fail, the error is a
// *MultiError; the others are stored. A malformed item is an error before anything is sent.
func (c *Client) SetMulti(ctx context.Context, items []*Item) error {
	m := c.newMulti()
	defer m.free()
	key := func(i int) string { return items[i].Key }
	for i, item := range items {
		if hasEnded(ctx, i) {
			return unsent(ctx, protocol.Set, len(items), key)
		}
		exptime, err := c.cfg.exptime(item.TTL)
		if err != nil {
			return err
		}
		op := m.next()
		c.prepare(op, protocol.Set, item.Key, 0)
		op.Request.Value, op.Request.Flags, op.Request.Exptime = item.Value, item.Flags, exptime
		if z := c.cfg.compression; z != nil {
			if _, err := z.pack(nil, &op.Request); err != nil {
				return err
			}
		}
	}
	err := c.writeAll(ctx, m, key)
	for _, item := range items {
		c.loads.forget(item.Key)
	}
	return err
}

// DeleteMulti removes keys as Delete does, all at once. A key that was not there is no error: it is gone. If some fail, the
// error is a *MultiError; the others are deleted. A malformed key is an error before anything is sent.
func (c *Client) DeleteMulti(ctx context.Context, keys []string) error {
	m := c.newMulti()
	defer m.free()
	key := func(i int) string { return keys[i] }
	for i := range keys {
		if hasEnded(ctx, i) {
			return unsent(ctx, protocol.Delete, len(keys), key)
		}
		c.prepare(m.next(), protocol.Delete, keys[i], 0)
	}
	err := c.writeAll(ctx, m, key)
	for _, key := range keys {
		c.loads.forget(key)
	}
	return err
}

// writeAll checks the requests of a batch, as send checks one, and sends them; key returns the application's key of each. The
// keys' loads are for the caller to forget.
func (c *Client) writeAll(ctx context.Context, m *multi, key func(int) string) error {
	for _, op := range m.batch() {
		if err := check(&op.Request); err != nil {
			return err
		}
	}
	if m.used == 0 {
		return nil
	}
	m.view.tree.Do(ctx, m.batch())
	return m.err(key)
}
