package memcache_test

import (
	"testing"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// TestTopology says what there is, where, and how much of the keys each node is the home of.
func TestTopology(t *testing.T) {
	all := memcache.WithServers("a", "b", "c")
	kinds := map[string][]memcache.Option{
		"sharded 1": {all}, "sharded 2": {all, memcache.WithSharded(2), memcache.WithRule("k", "b")},
		"replicated": {all, memcache.WithReplicated(), memcache.WithLocal("b")},
		"zoned":      {memcache.WithZone("x", "a", "b"), memcache.WithZone("y", "c"), memcache.WithLocal("x")},
		"custom":     {all, memcache.WithRoute(func(n memcache.Nodes) (route.Route, error) { return n.Members[0].Route, nil })},
	}
	for kind, opts := range kinds {
		t.Run(kind, func(t *testing.T) {
			got := newClient(t, opts...).Topology()
			require.Equal(t, kind, got.Kind)
			require.Len(t, got.Nodes, 3)
			sum := 0.0
			for i, n := range got.Nodes {
				require.Equal(t, []string{"a:11211", "b:11211", "c:11211"}[i], n.Name)
				require.Equal(t, "idle", n.State)
				sum += n.Homes
			}
			switch kind {
			case "custom":
				require.Zero(t, sum)
			case "zoned":
				require.Equal(t, []string{"x", "x", "y"}, []string{got.Nodes[0].Zone, got.Nodes[1].Zone, got.Nodes[2].Zone})
				require.Equal(t, "x", got.Local)
			default:
				require.InDelta(t, 1, sum, 1e-9)
				require.InDelta(t, 1.0/3, got.Nodes[1].Homes, 0.02)
			}
		})
	}
}

// TestTopologyOfADeadNode says why it is down.
func TestTopologyOfADeadNode(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	c := newClient(t, memcache.WithServers(s.Addr()), memcache.WithTimeout(longTimeout))
	require.NoError(t, c.Ping(t.Context()))
	require.Equal(t, "up", c.Topology().Nodes[0].State)
	s.Kill()
	require.Eventually(t, func() bool { c.Ping(t.Context()); return c.Topology().Nodes[0].State == "down" }, longTimeout, 1e6)
	require.NotEmpty(t, c.Topology().Nodes[0].Reason)
	require.NoError(t, c.Close())
	require.Empty(t, c.Topology().Nodes)
}
