package memcache_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/nohop/memcache"
	"github.com/stretchr/testify/require"
)

// Where keys live is API: a change of these numbers is an empty cache for everybody, and a new major version. They are hashes of
// the homes and the replicas of a thousand keys.
func TestPlacementStaysWhatItIs(t *testing.T) {
	nodes := []string{"10.0.0.1", "10.0.0.2:11212", "[2001:db8::1]:11211", "cache-3.example", "/run/memcached"}
	servers := memcache.WithServers(nodes...)
	for name, row := range map[string]struct {
		want uint64
		opts []memcache.Option
	}{
		"sharded":      {0xee5bb5b6806d8105, []memcache.Option{servers}},
		"two replicas": {0x6b3ac280ea059650, []memcache.Option{servers, memcache.WithSharded(2)}},
		"replicated":   {0xe4b764b6ba5fbac0, []memcache.Option{servers, memcache.WithReplicated(), memcache.WithLocal(nodes[1])}},
		"zoned": {0x82a43fa1f2d2684, []memcache.Option{memcache.WithZone("a", nodes[:2]...), memcache.WithZone("b", nodes[2:]...),
			memcache.WithLocal("b")}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, row.opts...)
			var all strings.Builder
			for _, key := range manyKeys(1000) {
				e, err := c.Explain(key)
				require.NoError(t, err)
				fmt.Fprintln(&all, key, e.Home)
				var replicas []string
				for _, r := range e.Replicas {
					replicas = append(replicas, r.Node)
				}
				slices.Sort(replicas)
				fmt.Fprintln(&all, replicas)
			}
			require.Equal(t, row.want, xxhash.Sum64String(all.String()))
		})
	}
}
