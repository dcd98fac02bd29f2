package memcache_test

import (
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// ttlAt asks a server how many seconds are left of key; -1 for ever.
func ttlAt(t *testing.T, addr, key string) int64 {
	t.Helper()
	n := pool.NewNode(pool.Config{Addr: addr, Timeout: longTimeout})
	defer n.Close()
	op := &pool.Op{Request: protocol.Request{Command: protocol.Get, Key: key, Meta: protocol.ReturnTTL}}
	n.Do(t.Context(), []*pool.Op{op})
	require.NoError(t, op.Err)
	require.Equal(t, protocol.OK, op.Reply.Status)
	return op.Reply.TTL
}

func TestWithMaxTTL(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithMaxTTL(time.Minute), memcache.WithTimeout(longTimeout))
		addr := servers[0].addr()
		atMost := func(seconds int64, key string) {
			t.Helper()
			left := ttlAt(t, addr, key)
			require.LessOrEqual(t, left, seconds)
			require.Greater(t, left, seconds-10)
		}
		for key, ttl := range map[string]time.Duration{"forever": 0, "long": time.Hour, "years": 5 * 365 * 24 * time.Hour} {
			it := item(key, "v")
			it.TTL = ttl
			require.NoError(t, c.Set(t.Context(), it))
			atMost(60, key)
		}
		short := item("short", "v")
		short.TTL = 30 * time.Second
		require.NoError(t, c.Add(t.Context(), short))
		atMost(30, "short")
		require.NoError(t, c.Touch(t.Context(), "short", 0))
		atMost(60, "short")
		_, err := c.GetAndTouch(t.Context(), "long", 20*time.Second)
		require.NoError(t, err)
		atMost(20, "long")
		require.ErrorIs(t, c.Touch(t.Context(), "short", -1), memcache.ErrInvalidTTL)
	})
	for _, ttl := range []time.Duration{0, -1, 100 * 365 * 24 * time.Hour} {
		_, err := memcache.New(memcache.WithServers("10.0.0.1"), memcache.WithMaxTTL(ttl))
		require.ErrorIs(t, err, memcache.ErrBadOption)
	}
}
