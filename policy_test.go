package memcache_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/stretchr/testify/require"
)

func TestWithWritePolicyRefuses(t *testing.T) {
	_, err := memcache.New(memcache.WithServers("10.0.0.1"), memcache.WithWritePolicy(7))
	require.ErrorIs(t, err, memcache.ErrBadOption)
}

// The local node is stopped, and goes on with what it had: what was written meanwhile is never read from it in an older
// version, nor is what timed out on the way to it.
func TestAStoppedNodeIsNotReadForWhatItMissed(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithReplicated(),
			memcache.WithLocal(servers[0].addr()), memcache.WithTimeout(100*time.Millisecond))
		key := func(i int) string { return fmt.Sprint("k", i) }
		const keys = 50
		for i := range keys {
			eventually(t, func() error { return c.Set(t.Context(), item(key(i), "old")) })
		}
		servers[0].pause()
		for i := range keys {
			eventually(t, func() error { return c.Set(t.Context(), item(key(i), "new")) })
		}
		for i := range keys / 2 {
			eventually(t, func() error { return c.Delete(t.Context(), key(i)) })
		}
		require.Positive(t, c.Stats().Nodes[indexOf(c, servers[0].addr())].Missed)
		servers[0].resume()
		require.Eventually(t, func() bool {
			for i := range keys {
				requireCurrent(t, c, key(i), i < keys/2)
			}
			return c.Stats().Nodes[indexOf(c, servers[0].addr())].Missed == 0
		}, longTimeout, time.Millisecond)
		for i := range keys {
			requireCurrent(t, c, key(i), i < keys/2)
		}
	})
}

// requireCurrent reads a key that was deleted, or set to "new". A read may fail on a machine that is busy.
func requireCurrent(t *testing.T, c *memcache.Client, key string, deleted bool) {
	t.Helper()
	it, err := c.Get(t.Context(), key)
	if err != nil {
		return
	}
	require.False(t, deleted, "a deleted value")
	require.Equal(t, "new", string(it.Value))
}

// eventually repeats what may time out on a machine that is busy.
func eventually(t *testing.T, f func() error) {
	t.Helper()
	for range 100 {
		if f() == nil {
			return
		}
	}
	require.NoError(t, f())
}

func indexOf(c *memcache.Client, node string) int {
	for i, n := range c.Stats().Nodes {
		if n.Name == node {
			return i
		}
	}
	return -1
}
