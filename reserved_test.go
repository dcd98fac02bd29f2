package memcache_test

import (
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/stretchr/testify/require"
)

// Keys of the library are nobody else's, whatever is done with them, and whether there are rules or not.
func TestReservedKeys(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		for _, opts := range [][]memcache.Option{nil, {memcache.WithReplicated()}, {memcache.WithoutHotKeys()}, {memcache.WithLongKeys()}} {
			c := w.shardedClient(opts...)
			ctx := w.Context()
			it := item("~m", "1")
			for name, err := range map[string]error{
				"get":       second(c.Get(ctx, "~m")),
				"update":    second(c.GetForUpdate(ctx, "~m")),
				"touch get": second(c.GetAndTouch(ctx, "~m", time.Minute)),
				"multi":     second(c.GetMulti(ctx, []string{"k", "~m"})),
				"increment": second(c.Increment(ctx, "~", 1)),
				"load":      second(c.GetOrLoad(ctx, "~m", nil)),
				"explain":   second(c.Explain("~m")),
				"set":       c.Set(ctx, it),
				"add":       c.Add(ctx, it),
				"delete":    c.Delete(ctx, "~m"),
				"touch":     c.Touch(ctx, "~m", time.Minute),
				"set multi": c.SetMulti(ctx, []*memcache.Item{item("k", "1"), it}),
				"del multi": c.DeleteMulti(ctx, []string{"~m"}),
			} {
				require.ErrorIs(w, err, memcache.ErrReservedKey, name)
				require.ErrorIs(w, err, memcache.ErrMalformedKey, name)
			}
			for _, err := range c.GetSeq(ctx, one("~m")) {
				require.ErrorIs(w, err, memcache.ErrReservedKey)
			}
			require.NoError(w, c.Set(ctx, item("k~", "1")))
		}
		c := w.shardedClient(memcache.WithNamespace("app:"))
		require.NoError(w, c.Set(w.Context(), item("~m", "1")), "it travels as app:~m")
	})
	_, err := memcache.New(memcache.WithServers("a"), memcache.WithNamespace("~app:"))
	require.ErrorIs(t, err, memcache.ErrBadOption)
}

func second[T any](_ T, err error) error { return err }

func one(key string) func(func(string) bool) { return func(yield func(string) bool) { yield(key) } }
