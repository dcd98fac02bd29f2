package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/internal/recorded"
)

// loadedKeys are keys of their own, which are loaded when they are missed: while a load has the lease, its stub is in the
// way of other operations than these.
const loadedKeys = 8

func loadedName(i int) string { return fmt.Sprint("loaded", i) }

// operateOnLoaded makes one operation on such a key.
func (c *client) operateOnLoaded(ctx context.Context, rnd *rand.Rand) {
	key := loadedName(rnd.IntN(loadedKeys))
	switch dice := rnd.IntN(100); {
	case dice < 55:
		pause := upTo(rnd, longestLoad)
		c.ops.Read(ctx, key, func(ctx context.Context, key string) (*memcache.Item, error) { return c.getOrLoad(ctx, key, pause) })
	case dice < 75:
		c.ops.Get(ctx, key)
	case dice < 85:
		c.ops.Set(ctx, key, size(rnd))
	default:
		c.ops.Delete(ctx, key)
	}
}

const longestLoad = 20 * time.Millisecond

// getOrLoad loads a new value, and takes its time.
func (c *client) getOrLoad(ctx context.Context, key string, pause time.Duration) (*memcache.Item, error) {
	return c.ops.Cache.GetOrLoad(ctx, key, func(ctx context.Context) (*memcache.Item, error) {
		var it *memcache.Item
		c.ops.Write(history.Load, key, 0, func(v history.Value) error {
			wait(ctx, pause)
			it = recorded.Item(key, v, history.MinSize)
			return nil
		})
		return it, nil
	})
}
