package memcache_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	memcache "github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// Where does a key live, and who would be asked?
func ExampleClient_Explain() {
	client, err := memcache.New(
		memcache.WithServers("10.0.0.1", "10.0.0.2", "10.0.0.3"),
		memcache.WithSharded(2),
		memcache.WithLocal("10.0.0.2"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	e, err := client.Explain("user:42")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(e)
	// Output:
	// key "user:42", hash dc1fea7da8d2d1c2
	// local 10.0.0.2:11211, by WithLocal
	// placed by slot 14087 of 16384, home 10.0.0.1:11211
	// read from 10.0.0.2:11211 (idle), then 10.0.0.1:11211 (idle)
	// get
	//   by operation: get
	//     failover: slot 14087 of 16384
	//       node 10.0.0.2:11211 (idle)
	//       node 10.0.0.1:11211 (idle)
	// set
	//   by operation: set
	//     available: one acknowledgement is enough
	//       all-sync: slot 14087 of 16384
	//         node 10.0.0.1:11211 (idle)
	//         node 10.0.0.2:11211 (idle)
	// increment
	//   by operation: increment
	//     available: one acknowledgement is enough
	//       at home: slot 14087 of 16384
	//         node 10.0.0.1:11211 (idle)
	//         clear: if the home has changed the item
	//           node 10.0.0.2:11211 (idle)
}

// The explanation is what happens: the get is answered by the first replica that is explained, the counter counted at the
// home.
func TestExplainTellsWhatHappens(t *testing.T) {
	var addrs []string
	byAddr := map[string]*memcachetest.Server{}
	for range 4 {
		s := memcachetest.NewServer()
		defer s.Close()
		addrs = append(addrs, s.Addr())
		byAddr[s.Addr()] = s
	}
	c, err := memcache.New(memcache.WithServers(addrs...), memcache.WithSharded(3), memcache.WithLocal(addrs[2]))
	require.NoError(t, err)
	defer c.Close()
	for i := range 50 {
		key := fmt.Sprint("key:", i)
		e, err := c.Explain(key)
		require.NoError(t, err)
		require.Len(t, e.Replicas, 3)

		gets := byAddr[e.Replicas[0].Node].Stats().Gets
		_, err = c.Get(t.Context(), key)
		require.ErrorIs(t, err, memcache.ErrCacheMiss)
		require.Equal(t, gets+1, byAddr[e.Replicas[0].Node].Stats().Gets)

		require.NoError(t, c.Add(t.Context(), &memcache.Item{Key: key, Value: []byte("1")}))
		for addr, s := range byAddr {
			require.Equal(t, addr == e.Home, s.Stats().CurrItems == 1, "%s of %s", addr, key)
		}
		require.NoError(t, c.Delete(t.Context(), key))
	}
}

func TestExplainShowsRulesZonesAndDeadNodes(t *testing.T) {
	dead, live := memcachetest.NewServer(), memcachetest.NewServer()
	defer live.Close()
	dead.Close()
	c, err := memcache.New(
		memcache.WithZone("a", dead.Addr()), memcache.WithZone("b", live.Addr()),
		memcache.WithLocal("a"), memcache.WithRule("hot", live.Addr()),
	)
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Get(t.Context(), "cold")
	require.ErrorIs(t, err, memcache.ErrCacheMiss)

	e, err := c.Explain("cold")
	require.NoError(t, err)
	require.Equal(t, "a", e.Local)
	require.Equal(t, dead.Addr(), e.Replicas[0].Node)
	require.Equal(t, "down, ejected", e.Replicas[0].State)
	require.Contains(t, e.Replicas[0].Reason, "refused")

	e, err = c.Explain("hot")
	require.NoError(t, err)
	require.Equal(t, "a rule for this key", e.Why)
	require.Equal(t, live.Addr(), e.Home)

	text, err := json.Marshal(e)
	require.NoError(t, err)
	var back memcache.Explanation
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, e, back)
}

func TestExplainRefuses(t *testing.T) {
	c, err := memcache.New(memcache.WithServers("10.0.0.1"))
	require.NoError(t, err)
	_, err = c.Explain("a key")
	require.ErrorIs(t, err, memcache.ErrMalformedKey)
	c.Close()
	_, err = c.Explain("key")
	require.ErrorIs(t, err, memcache.ErrClosed)
}

// A tree of one's own: every key on the first two nodes, reads from the second, counters apart on the third.
func ExampleWithRoute() {
	var servers []string
	for range 3 {
		s := memcachetest.NewServer()
		defer s.Close()
		servers = append(servers, s.Addr())
	}
	tree := func(n memcache.Nodes) (route.Route, error) {
		pair := route.Fixed(n.Members[0].Route, n.Members[1].Route)
		reads := route.Failover(route.Fixed(n.Members[1].Route, n.Members[0].Route))
		counters := n.Members[2].Route
		return route.ByOperation(route.AllSync(pair), map[protocol.Command]route.Route{
			protocol.Get: reads, protocol.Increment: counters, protocol.Add: counters,
		}), nil
	}
	client, err := memcache.New(memcache.WithServers(servers...), memcache.WithRoute(tree))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	fmt.Println(client.Set(ctx, &memcache.Item{Key: "greeting", Value: []byte("hello")}))
	item, err := client.Get(ctx, "greeting")
	fmt.Println(string(item.Value), err)
	fmt.Println(client.Add(ctx, &memcache.Item{Key: "visits", Value: []byte("41")}))
	fmt.Println(client.Increment(ctx, "visits", 1))
	// Output:
	// <nil>
	// hello <nil>
	// <nil>
	// 42 <nil>
}

// The presets are one short tree, as the package's documentation shows it; only their placement differs.
func TestPresetsAreOneTree(t *testing.T) {
	for name, opts := range map[string][]memcache.Option{
		"sharded":    {memcache.WithServers("10.0.0.1", "10.0.0.2")},
		"replicated": {memcache.WithServers("10.0.0.1", "10.0.0.2"), memcache.WithReplicated()},
		"zoned":      {memcache.WithZone("a", "10.0.0.1"), memcache.WithZone("b", "10.0.0.2")},
	} {
		c, err := memcache.New(opts...)
		require.NoError(t, err)
		defer c.Close()
		e, err := c.Explain("k")
		require.NoError(t, err)
		for _, row := range []struct {
			step route.Step
			want []string
		}{
			{e.Read, []string{"by operation", "failover"}},
			{e.Write, []string{"by operation", "available", "all-sync"}},
			{e.Modify, []string{"by operation", "available", "at home"}},
		} {
			step := row.step
			for i, want := range row.want {
				if i > 0 {
					require.Len(t, step.Next, 1)
					step = step.Next[0]
				}
				require.Equal(t, want, step.Route, name)
			}
		}
	}
}

// Keys live where a PHP application with libmemcached's weighted ketama puts them.
func ExampleWithRoute_ketama() {
	a, b := memcachetest.NewServer(), memcachetest.NewServer()
	defer a.Close()
	defer b.Close()
	names := []string{a.Addr(), b.Addr()} // as the others list them
	var servers []placement.Server
	for i, name := range names {
		server, err := placement.ParseServer(name)
		if err != nil {
			fmt.Println(err)
			return
		}
		server.Weight = i + 1
		servers = append(servers, server)
	}
	ketama, err := placement.Ketama(servers, placement.MD5)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := memcache.New(memcache.WithServers(names...), memcache.WithRoute(func(n memcache.Nodes) (route.Route, error) {
		routes, err := n.Routes(names...)
		if err != nil {
			return nil, err
		}
		homes, err := route.Positions(routes, 1, ketama)
		if err != nil {
			return nil, err
		}
		return route.Hash(homes), nil
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Set(context.Background(), &memcache.Item{Key: "greeting", Value: []byte("hello")}))
	home := []*memcachetest.Server{a, b}[ketama("greeting")]
	fmt.Println(home.Stats().CurrItems)
	// Output:
	// <nil>
	// 1
}
