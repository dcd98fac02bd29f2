package memcache

import (
	"context"
	"errors"
	"iter"

	"github.com/nohop/memcache/protocol"
)

// seqChunk is how many keys GetSeq asks for at once.
const seqChunk = 256

// GetSeq returns the items of keys that are there, in the order of keys, for as many keys as there are: it asks for them in
// batches of 256, each as GetMulti does, when the items of the one before have been used. It holds no more than one batch,
// and nothing at all when the loop is left.
//
// What fails is one *MultiError behind the items of its batch, with a nil item; then it goes on with the next batch, unless
// ctx has ended or the client is closed. A malformed key is among the keys that have failed. The items of one batch share
// memory. The keys of a slice are slices.Values(keys).
func (c *Client) GetSeq(ctx context.Context, keys iter.Seq[string]) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		batch := make([]string, 0, seqChunk)
		for key := range keys {
			if batch = append(batch, key); len(batch) < seqChunk {
				continue
			}
			if !c.yieldBatch(ctx, batch, yield) {
				return
			}
			batch = batch[:0]
		}
		c.yieldBatch(ctx, batch, yield)
	}
}

// yieldBatch yields what there is of keys, and reports whether to go on.
func (c *Client) yieldBatch(ctx context.Context, keys []string, yield func(*Item, error) bool) bool {
	items, err := c.getBatch(ctx, keys)
	for i := range items {
		if !yield(&items[i], nil) {
			return false
		}
	}
	return err == nil || yield(nil, err) && ctx.Err() == nil && !errors.Is(err, ErrClosed)
}

// getBatch returns what there is of keys, in their order. It moves the well-formed ones to the front of keys.
func (c *Client) getBatch(ctx context.Context, keys []string) ([]Item, error) {
	m := c.newMulti()
	defer m.free()
	var failed MultiError
	good := keys[:0]
	for _, key := range keys {
		op := m.next()
		c.prepare(op, protocol.Get, key, readFlags)
		if err := check(&op.Request); err != nil {
			failed.add(key, err)
			m.dropLast()
			continue
		}
		good = append(good, key)
	}
	if len(good) > 0 {
		m.read(ctx)
	}
	items := m.items(good)
	m.collect(&failed, func(i int) string { return good[i] })
	return items, failed.orNil()
}
