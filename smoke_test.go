package memcache_test

import (
	"context"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	var addrs []string
	for range 3 {
		addrs = append(addrs, realnode.Start(t).Addr)
	}
	for name, opts := range map[string][]memcache.Option{
		"sharded":    {memcache.WithServers(addrs...)},
		"sharded2":   {memcache.WithServers(addrs...), memcache.WithSharded(2)},
		"replicated": {memcache.WithServers(addrs...), memcache.WithReplicated(), memcache.WithLocal(addrs[1])},
		"zoned":      {memcache.WithZone("a", addrs[0]), memcache.WithZone("b", addrs[1:]...), memcache.WithLocal("b")},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := memcache.New(opts...)
			require.NoError(t, err)
			defer c.Close()
			ctx := context.Background()
			require.NoError(t, c.FlushAll(ctx))
			_, err = c.Get(ctx, "nothing")
			require.ErrorIs(t, err, memcache.ErrCacheMiss)
			require.NoError(t, c.Set(ctx, &memcache.Item{Key: "k", Value: []byte("v1"), Flags: 7, TTL: time.Minute}))
			it, err := c.Get(ctx, "k")
			require.NoError(t, err)
			require.Equal(t, "v1", string(it.Value))
			require.Equal(t, uint32(7), it.Flags)
			it, err = c.GetForUpdate(ctx, "k")
			require.NoError(t, err)
			it.Value = []byte("v2")
			require.NoError(t, c.CompareAndSwap(ctx, it))
			require.ErrorIs(t, c.CompareAndSwap(ctx, it), memcache.ErrCASConflict)
			got, err := c.GetAndTouch(ctx, "k", time.Hour)
			require.NoError(t, err)
			require.Equal(t, "v2", string(got.Value))
			require.ErrorIs(t, c.Add(ctx, it), memcache.ErrNotStored)
			require.NoError(t, c.Set(ctx, &memcache.Item{Key: "n", Value: []byte("9")}))
			n, err := c.Increment(ctx, "n", 2)
			require.NoError(t, err)
			require.Equal(t, uint64(11), n)
			n, err = c.Decrement(ctx, "n", 20)
			require.NoError(t, err)
			require.Zero(t, n)
			m, err := c.GetMulti(ctx, []string{"k", "n", "zzz"})
			require.NoError(t, err)
			require.Len(t, m, 2)
			require.NoError(t, c.Delete(ctx, "k"))
			require.ErrorIs(t, c.Delete(ctx, "k"), memcache.ErrCacheMiss)
			_, err = c.Get(ctx, "bad key")
			require.ErrorIs(t, err, memcache.ErrMalformedKey)
			v, err := c.Version(ctx)
			require.NoError(t, err)
			require.Len(t, v, 3)
			require.NoError(t, c.Ping(ctx))
		})
	}
}
