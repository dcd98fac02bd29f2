package memcache_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

func TestCoherentReplicasNeedAPreset(t *testing.T) {
	tree := func(memcache.Nodes) (route.Route, error) { return route.Null(), nil }
	for name, opts := range map[string][]memcache.Option{
		"a tree":              {memcache.WithServers("10.0.0.1"), memcache.WithRoute(tree)},
		"mcrouter's, perhaps": {memcache.WithMcrouterConfig("file")},
	} {
		_, err := memcache.New(append(opts, memcache.WithCoherentReplicas())...)
		require.ErrorIs(t, err, memcache.ErrBadOption, name)
	}
}

// Three processes, each of which reads another node, see each other's writes of all kinds.
func TestCoherentReplicas(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		for name, preset := range map[string]memcache.Option{"replicated": memcache.WithReplicated(), "sharded": memcache.WithSharded(2)} {
			var clients []*memcache.Client
			for i := range servers {
				clients = append(clients, newClient(t, memcache.WithServers(servers.addrs()...), preset, memcache.WithCoherentReplicas(),
					memcache.WithLocal(servers[i].addr()), memcache.WithTimeout(longTimeout)))
			}
			for i := range 30 {
				ctx, key := t.Context(), fmt.Sprint(name, i)
				writer := clients[i%3]
				sees := func(want string) {
					for range 2 { // from the home, and then from the own node
						for _, c := range clients {
							it, err := c.Get(ctx, key)
							require.NoError(t, err)
							require.Equal(t, want, string(it.Value))
						}
					}
				}
				require.NoError(t, writer.Set(ctx, item(key, "1")))
				sees("1")
				require.NoError(t, writer.Append(ctx, item(key, "0")))
				sees("10")
				_, err := writer.Increment(ctx, key, 5)
				require.NoError(t, err)
				sees("15")
				it, err := writer.GetForUpdate(ctx, key)
				require.NoError(t, err)
				it.Value = []byte("swapped")
				require.NoError(t, writer.CompareAndSwap(ctx, it))
				sees("swapped")
				require.NoError(t, writer.Touch(ctx, key, time.Hour))
				it, err = writer.GetAndTouch(ctx, key, time.Minute)
				require.NoError(t, err)
				require.Equal(t, "swapped", string(it.Value))
				sees("swapped")
				require.NoError(t, writer.Delete(ctx, key))
				for _, c := range clients {
					_, err := c.Get(ctx, key)
					require.ErrorIs(t, err, memcache.ErrCacheMiss)
				}
				for j, c := range clients {
					it, err := c.GetOrLoad(ctx, key, func(context.Context) (*memcache.Item, error) {
						require.Zero(t, j, "once in the fleet")
						return item("", "loaded"), nil
					})
					require.NoError(t, err)
					require.Equal(t, "loaded", string(it.Value))
				}
				sees("loaded")
			}
		}
	})
}

// Two processes write one key, and each reads at another node.
func ExampleWithCoherentReplicas() {
	one, two := memcachetest.NewServer(), memcachetest.NewServer()
	defer one.Close()
	defer two.Close()
	ctx := context.Background()
	process := func(local string) *memcache.Client {
		c, err := memcache.New(memcache.WithServers(one.Addr(), two.Addr()), memcache.WithReplicated(),
			memcache.WithLocal(local), memcache.WithCoherentReplicas())
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	a, b := process(one.Addr()), process(two.Addr())
	defer a.Close()
	defer b.Close()

	for i, c := range []*memcache.Client{a, b, a} {
		if err := c.Set(ctx, &memcache.Item{Key: "price", Value: fmt.Append(nil, 100+i)}); err != nil {
			log.Fatal(err)
		}
		atA, _ := a.Get(ctx, "price")
		atB, _ := b.Get(ctx, "price")
		fmt.Println(string(atA.Value), string(atB.Value))
	}
	// Output:
	// 100 100
	// 101 101
	// 102 102
}
