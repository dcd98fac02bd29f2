package main

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/internal/recorded"
)

// operate makes one operation of a random kind. Some have little time.
func (c *client) operate(rnd *rand.Rand) {
	ctx := context.Background()
	if rnd.IntN(c.Hurry) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.Int64N(int64(20*time.Millisecond))))
		defer cancel()
	}
	if rnd.IntN(8) == 0 {
		c.operateOnLoaded(ctx, rnd)
		return
	}
	key := keyName(rnd.IntN(c.Keys))
	switch dice := rnd.IntN(100); {
	case dice < 55:
		c.ops.Get(ctx, key)
	case dice < 60:
		c.ops.GetMulti(ctx, []string{keyName(rnd.IntN(c.Keys)), keyName(rnd.IntN(c.Keys)), keyName(rnd.IntN(c.Keys))})
	case dice < 80:
		c.ops.Set(ctx, key, size(rnd))
	case dice < 87:
		c.ops.Delete(ctx, key)
	case dice < 94:
		c.add(ctx, key, rnd)
	default:
		c.compareAndSwap(ctx, key, rnd)
	}
}

// The lengths of large values, in bytes.
const smallestLarge, largest = 10_000, 60_000

// size returns the length of a value. Some are large, so that small nodes evict.
func size(rnd *rand.Rand) int {
	if rnd.IntN(8) == 0 {
		return smallestLarge + rnd.IntN(largest-smallestLarge)
	}
	return history.MinSize + rnd.IntN(300)
}

func (c *client) add(ctx context.Context, key string, rnd *rand.Rand) {
	c.ops.Write(history.Add, key, 0, func(v history.Value) error {
		return c.ops.Cache.Add(ctx, recorded.Item(key, v, size(rnd)))
	})
}

func (c *client) compareAndSwap(ctx context.Context, key string, rnd *rand.Rand) {
	it := c.ops.Read(ctx, key, c.ops.Cache.GetForUpdate)
	if it == nil || it.CAS.IsZero() {
		return
	}
	c.ops.Write(history.CompareAndSwap, key, history.Unseal(it.Value), func(v history.Value) error {
		next := recorded.Item(key, v, size(rnd))
		next.CAS = it.CAS
		return c.ops.Cache.CompareAndSwap(ctx, next)
	})
}
