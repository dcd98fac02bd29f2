package memcache_test

import (
	"strconv"
	"testing"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestAdministration(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		for _, opt := range []memcache.Option{memcache.WithSharded(1), memcache.WithTextProtocol()} {
			c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout), opt)
			servers.put(t, "k", "v", 0)
			require.NoError(t, c.Ping(t.Context()))
			versions, err := c.Version(t.Context())
			require.NoError(t, err)
			stats, err := c.ServerStats(t.Context(), "")
			require.NoError(t, err)
			for _, addr := range servers.addrs() {
				require.NotEmpty(t, versions[addr])
				require.Equal(t, versions[addr], stats[addr]["version"])
				require.Equal(t, "1", stats[addr]["curr_items"])
			}
			require.NoError(t, c.FlushAll(t.Context()))
			require.Empty(t, servers.holders(t, "k"))
		}
	})
}

func TestServerStatsOfAGroup(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		stats, err := c.ServerStats(t.Context(), "settings")
		require.NoError(t, err)
		require.Equal(t, "67108864", stats[servers[0].addr()]["maxbytes"])
		_, err = c.ServerStats(t.Context(), "bogus")
		var refused *protocol.ServerError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, protocol.CauseUnknownGroup, refused.Cause())
		require.ErrorContains(t, err, "does not know this group")
		require.Zero(t, c.Stats().Nodes[0].Broken)
		for _, bad := range []string{"a\r\nflush_all", "two  spaces", "cachedump 1 1"} {
			_, err := c.ServerStats(t.Context(), bad)
			require.ErrorIs(t, err, protocol.ErrInvalidRequest)
		}
	})
}

// What the nodes that are left say is returned beside the error of the one that is down.
func TestAdministrationWithANodeDown(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		require.NoError(t, c.Ping(t.Context()))
		servers.put(t, "k", "v", 0)
		down := servers[1].addr()
		servers[1].kill()

		names := func(err error) {
			t.Helper()
			var failed *memcache.OpError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, down, failed.Node)
		}
		names(c.Ping(t.Context()))
		versions, err := c.Version(t.Context())
		names(err)
		require.Len(t, versions, 2)
		require.NotContains(t, versions, down)
		stats, err := c.ServerStats(t.Context(), "")
		names(err)
		require.Len(t, stats, 2)
		names(c.FlushAll(t.Context()))
		for _, i := range []int{0, 2} {
			_, found := stored(t, servers[i].addr(), "k")
			require.False(t, found)
		}
		for _, n := range c.Stats().Nodes {
			if n.Name == down {
				require.Equal(t, pool.Down, n.State)
				require.Error(t, n.Reason)
			} else {
				require.Equal(t, pool.Up, n.State)
			}
		}
	})
}

// The client's own statistics: one entry for each node, in the order of names.
func TestStats(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithReplicated(), memcache.WithTimeout(longTimeout))
		before := c.Stats()
		require.Len(t, before.Nodes, 3)
		for _, n := range before.Nodes {
			require.Equal(t, pool.Idle, n.State)
			require.Zero(t, n.Dials)
		}
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		last := ""
		for _, n := range c.Stats().Nodes {
			require.Greater(t, n.Name, last)
			last = n.Name
			require.Equal(t, pool.Up, n.State)
			require.Equal(t, uint64(1), n.Requests)
			require.Equal(t, uint64(1), n.Dials)
			require.Equal(t, 1, n.Conns)
		}
	})
}

// A reader may fill a node that was flushed from one that was not yet, so where reads fill, all are flushed twice.
func TestFlushAllWhereReadsFill(t *testing.T) {
	withEachKind(t, 2, func(t *testing.T, servers cluster) {
		for flushes, opts := range map[string][]memcache.Option{
			"1": {memcache.WithReplicated()},
			"2": {memcache.WithReplicated(), memcache.WithCoherentReplicas()},
		} {
			c := newClient(t, append(opts, memcache.WithServers(servers.addrs()...))...)
			before := flushesOf(t, c)
			require.NoError(t, c.FlushAll(t.Context()))
			for name, n := range flushesOf(t, c) {
				require.Equal(t, flushes, strconv.Itoa(n-before[name]), name)
			}
		}
	})
}

func flushesOf(t *testing.T, c *memcache.Client) map[string]int {
	t.Helper()
	stats, err := c.ServerStats(t.Context(), "")
	require.NoError(t, err)
	counts := map[string]int{}
	for name, s := range stats {
		counts[name], err = strconv.Atoi(s["cmd_flush"])
		require.NoError(t, err)
	}
	return counts
}
