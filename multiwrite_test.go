package memcache_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

func items(keys []string) (list []*memcache.Item) {
	for _, k := range keys {
		list = append(list, &memcache.Item{Key: k, Value: []byte(k), Flags: 7, TTL: time.Hour})
	}
	return list
}

func TestSetMultiAndDeleteMulti(t *testing.T) {
	for name, opts := range map[string][]memcache.Option{
		"sharded": nil, "replicated": {memcache.WithReplicated()},
	} {
		t.Run(name, func(t *testing.T) {
			withEachKind(t, 3, func(t *testing.T, servers cluster) {
				c := newClient(t, append(opts, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))...)
				keys := manyKeys(3000)
				require.NoError(t, c.SetMulti(t.Context(), items(keys)))
				got, err := c.GetMulti(t.Context(), keys)
				require.NoError(t, err)
				require.Len(t, got, len(keys))
				for k, it := range got {
					require.Equal(t, k, string(it.Value))
					require.EqualValues(t, 7, it.Flags)
				}
				require.NoError(t, c.DeleteMulti(t.Context(), append(keys[:2000:2000], "absent")))
				got, err = c.GetMulti(t.Context(), keys)
				require.NoError(t, err)
				require.Len(t, got, 1000)
			})
		})
	}
}

func TestMultiWritesOfNothingAndNonsense(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	c := newClient(t, memcache.WithServers(s.Addr()), memcache.WithTimeout(longTimeout))
	require.NoError(t, c.SetMulti(t.Context(), nil))
	require.NoError(t, c.DeleteMulti(t.Context(), nil))
	require.ErrorIs(t, c.SetMulti(t.Context(), items([]string{"fine", "not fine"})), memcache.ErrMalformedKey)
	require.ErrorIs(t, c.DeleteMulti(t.Context(), []string{"fine", ""}), memcache.ErrMalformedKey)
	require.ErrorIs(t, c.SetMulti(t.Context(), []*memcache.Item{{Key: "k", TTL: -1}}), memcache.ErrInvalidTTL)
	require.Zero(t, s.Stats().CurrItems)
}

// What one node cannot do, the others do.
func TestMultiWritesWithADeadNode(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		keys := manyKeys(300)
		servers[1].kill()
		var failed *memcache.MultiError
		require.ErrorAs(t, c.SetMulti(t.Context(), items(keys)), &failed)
		require.Len(t, failed.Nodes, 1)
		require.Contains(t, failed.Nodes, servers[1].addr())
		got, _ := c.GetMulti(t.Context(), keys)
		require.Len(t, got, len(keys)-failed.Keys)

		require.ErrorAs(t, c.DeleteMulti(t.Context(), keys), &failed)
		require.Contains(t, failed.Nodes, servers[1].addr())
		got, _ = c.GetMulti(t.Context(), keys)
		require.Empty(t, got)
	})
}

// Many items at once.
func ExampleClient_SetMulti() {
	node := memcachetest.NewServer()
	defer node.Close()
	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	ctx := context.Background()
	err = client.SetMulti(ctx, []*memcache.Item{
		{Key: "a", Value: []byte("1"), TTL: time.Hour},
		{Key: "b", Value: []byte("2"), TTL: time.Hour},
	})
	if err != nil {
		log.Fatal(err)
	}
	found, err := client.GetMulti(ctx, []string{"a", "b", "c"})
	fmt.Println(len(found), string(found["b"].Value), err)
	fmt.Println(client.DeleteMulti(ctx, []string{"a", "b", "c"}))
	// Output:
	// 2 2 <nil>
	// <nil>
}

// TestMultiErrorsTellWhichKeysFailed, as the application has given them: those whose node is gone, and no others.
func TestMultiErrorsTellWhichKeysFailed(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout), memcache.WithNamespace("ns:"))
		keys, dead := manyKeys(250), servers[1].addr() // one batch of GetSeq
		require.NoError(t, c.SetMulti(t.Context(), items(keys)))
		var want []string
		for _, key := range keys {
			if e, err := c.Explain(key); err == nil && e.Home == dead {
				want = append(want, key)
			}
		}
		servers[1].kill()
		for name, call := range map[string]func() error{
			"get":    func() error { _, err := c.GetMulti(t.Context(), keys); return err },
			"set":    func() error { return c.SetMulti(t.Context(), items(keys)) },
			"delete": func() error { return c.DeleteMulti(t.Context(), keys) },
			"sequence": func() (err error) {
				c.GetSeq(t.Context(), slices.Values(keys))(func(_ *memcache.Item, e error) bool { err = e; return true })
				return err
			},
		} {
			var failed *memcache.MultiError
			require.ErrorAs(t, call(), &failed, name)
			var got []string
			for key, err := range failed.Failed() {
				got = append(got, key)
				require.ErrorContains(t, err, dead)
				require.NotContains(t, err.Error(), "secret")
			}
			require.Len(t, got, failed.Keys, name)
			require.Equal(t, want, got, name)
			for range failed.Failed() {
				break
			}
		}
	})
}
