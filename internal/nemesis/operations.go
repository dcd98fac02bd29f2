package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/history"
)

// operate makes one operation of a random kind. Some have little time.
func (c *client) operate(rnd *rand.Rand) {
	ctx := context.Background()
	if rnd.IntN(20) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.Int64N(int64(20*time.Millisecond))))
		defer cancel()
	}
	key := keyName(rnd.IntN(c.Keys))
	switch dice := rnd.IntN(100); {
	case dice < 55:
		c.get(ctx, key)
	case dice < 60:
		c.getMulti(ctx, rnd)
	case dice < 80:
		c.write(history.Set, key, 0, func(v history.Value) error { return c.cache.Set(ctx, item(key, v, rnd)) })
	case dice < 87:
		c.write(history.Delete, key, 0, func(history.Value) error { return c.cache.Delete(ctx, key) })
	case dice < 94:
		c.write(history.Add, key, 0, func(v history.Value) error { return c.cache.Add(ctx, item(key, v, rnd)) })
	default:
		c.compareAndSwap(ctx, key, rnd)
	}
}

// The lengths of large values, in bytes.
const smallestLarge, largest = 10_000, 60_000

// item has a value that says which write it is of. Some are large, so that small nodes evict.
func item(key string, v history.Value, rnd *rand.Rand) *memcache.Item {
	size := history.MinSize + rnd.IntN(300)
	if rnd.IntN(8) == 0 {
		size = smallestLarge + rnd.IntN(largest-smallestLarge)
	}
	return &memcache.Item{Key: key, Value: history.Seal(v, size)}
}

func (c *client) get(ctx context.Context, key string) {
	c.read(key, func() (*memcache.Item, error) { return c.cache.Get(ctx, key) })
}

// read records one read and returns what it brought.
func (c *client) read(key string, do func() (*memcache.Item, error)) *memcache.Item {
	op := c.begin(history.Get, key)
	it, err := do()
	op.Return = history.Now()
	c.endRead(op, it, err)
	return it
}

func (c *client) endRead(op history.Op, it *memcache.Item, err error) {
	op.Outcome, _ = outcomeOf(err)
	if err == nil {
		op.Value = history.Unseal(it.Value)
	}
	c.log.End(&op) // a failed file is reported when it is closed
}

func (c *client) begin(command history.Command, key string) history.Op {
	return history.Op{Client: c.Client, Command: command, Key: key, ViewAge: c.resolver.age(), Call: history.Now()}
}

// getMulti is recorded as one read of each key.
func (c *client) getMulti(ctx context.Context, rnd *rand.Rand) {
	keys := make([]string, 4)
	ops := make([]history.Op, len(keys))
	for i := range keys {
		keys[i] = keyName(rnd.IntN(c.Keys))
		ops[i] = c.begin(history.Get, keys[i])
	}
	items, err := c.cache.GetMulti(ctx, keys)
	returned := history.Now()
	for i, key := range keys {
		ops[i].Return = returned
		it := items[key]
		switch {
		case it != nil:
			c.endRead(ops[i], it, nil)
		case err == nil:
			c.endRead(ops[i], nil, memcache.ErrCacheMiss)
		default:
			c.endRead(ops[i], nil, err)
		}
	}
}

// write records one write, before it is made and after.
func (c *client) write(command history.Command, key string, old history.Value, do func(history.Value) error) {
	op := c.begin(command, key)
	op.Value, op.Old = history.NewValue(c.Client, c.sequence.Add(1)), old
	c.log.Begin(&op) // as above
	op.Call = history.Now()
	err := do(op.Value)
	op.Return = history.Now()
	op.Outcome, op.Nodes = outcomeOf(err)
	c.log.End(&op)
}

func (c *client) compareAndSwap(ctx context.Context, key string, rnd *rand.Rand) {
	it := c.read(key, func() (*memcache.Item, error) { return c.cache.GetForUpdate(ctx, key) })
	if it == nil || it.CAS.IsZero() {
		return
	}
	c.write(history.CompareAndSwap, key, history.Unseal(it.Value), func(v history.Value) error {
		next := item(key, v, rnd)
		next.CAS = it.CAS
		return c.cache.CompareAndSwap(ctx, next)
	})
}
