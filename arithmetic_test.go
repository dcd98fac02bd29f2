package memcache_test

import (
	"testing"

	"github.com/nohop/memcache"
	"github.com/stretchr/testify/require"
)

func TestIncrementReturnsTheSumBesideAPartialWrite(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithReplicated(),
			memcache.WithWritePolicy(memcache.RequireAll))
		require.NoError(t, c.Set(t.Context(), item("n", "40")))
		sum, err := c.Increment(t.Context(), "n", 1)
		require.NoError(t, err)
		require.EqualValues(t, 41, sum)

		home := servers.holders(t, "n") // the others were cleared
		require.Len(t, home, 1)
		for _, s := range servers {
			if s.addr() != home[0] {
				s.kill()
				break
			}
		}
		sum, err = c.Increment(t.Context(), "n", 1)
		require.ErrorIs(t, err, memcache.ErrPartialWrite)
		require.EqualValues(t, 42, sum)
	})
}
