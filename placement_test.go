package memcache_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/nohop/memcache"
	"github.com/stretchr/testify/require"
)

// Where keys live is API: a change of these numbers is an empty cache for everybody, and a new major version. They are hashes of
// the replicas of a thousand keys, in the order in which they are read.
func TestPlacementStaysWhatItIs(t *testing.T) {
	nodes := []string{"10.0.0.1", "10.0.0.2:11212", "[2001:db8::1]:11211", "cache-3.example", "/run/memcached"}
	servers := memcache.WithServers(nodes...)
	for name, row := range map[string]struct {
		want uint64
		opts []memcache.Option
	}{
		"sharded":      {0xcd333f88e99d79bd, []memcache.Option{servers}},
		"two replicas": {0x2d09f3aa9d215d95, []memcache.Option{servers, memcache.WithSharded(2)}},
		"replicated":   {0x86c6d10c4d1de529, []memcache.Option{servers, memcache.WithReplicated(), memcache.WithLocal(nodes[1])}},
		"zoned": {0xf8469c0a43574eea, []memcache.Option{memcache.WithZone("a", nodes[:2]...), memcache.WithZone("b", nodes[2:]...),
			memcache.WithLocal("b")}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, row.opts...)
			var all strings.Builder
			for _, key := range manyKeys(1000) {
				e, err := c.Explain(key)
				require.NoError(t, err)
				fmt.Fprintln(&all, key, e.Home)
				for _, r := range e.Replicas {
					fmt.Fprintln(&all, r.Node)
				}
			}
			require.Equal(t, row.want, xxhash.Sum64String(all.String()))
		})
	}
}
