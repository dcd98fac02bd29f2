package route

import (
	"fmt"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// memcacheds returns nodes at n processes of memcached.
func memcacheds(t *testing.T, n int) (servers []*realnode.Node, nodes []*pool.Node, routes []Route) {
	t.Helper()
	for range n {
		s := realnode.Start(t)
		node := pool.NewNode(pool.Config{Addr: s.Addr, Timeout: testTimeout})
		t.Cleanup(func() { node.Close() })
		servers, nodes, routes = append(servers, s), append(nodes, node), append(routes, node)
	}
	return servers, nodes, routes
}

// holdersOf returns which nodes have a key.
func holdersOf(t *testing.T, nodes []*pool.Node, key string) (numbers []int) {
	t.Helper()
	for i, n := range nodes {
		op := get(key)
		do(n, op)
		require.NoError(t, op.Err)
		if op.Reply.Status == protocol.OK {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// A tree of all handles that select or rewrite, on real memcached.
func TestSelectionOnMemcached(t *testing.T) {
	_, nodes, routes := memcacheds(t, 4)
	b := NewBackground(10)
	defer b.Close()
	ch3, err := placement.Ch3(3)
	require.NoError(t, err)
	pool3, err := Positions(routes[:3], 1, func(key string) int { return ch3(placement.BeforeHashStop(key)) })
	require.NoError(t, err)
	split, err := KeySplit(KeySplitOptions{Copies: 3, HostID: 1, AllSync: true}, Hash(pool3))
	require.NoError(t, err)
	short, err := ModifyExptime(MinExptime, time.Minute, routes[3])
	require.NoError(t, err)
	team, err := ModifyKey(KeyChange{Prefix: "team7:"}, short)
	require.NoError(t, err)
	byKey := ByPrefix(Hash(pool3), map[string]Route{"hot:": split, "session:": team})
	tree, err := ByRoutingPrefix(RoutingPrefixes{
		Routes: map[string]Route{"/east/a/": byKey, "/west/b/": routes[3]}, Default: "/east/a/",
	}, b)
	require.NoError(t, err)
	groups := ByGroup(tree, Groups{Arithmetic: routes[3]})
	set := func(key string) {
		t.Helper()
		op := store(protocol.Set, key, "1")
		do(groups, op)
		require.NoError(t, op.Err)
		require.Equal(t, key, op.Request.Key)
	}
	set("user:42")
	require.Equal(t, []int{ch3("user:42")}, holdersOf(t, nodes, "user:42"))
	set("user|#|42")
	require.Equal(t, []int{ch3("user")}, holdersOf(t, nodes, "user|#|42"))
	set("/west/b/user:7")
	require.Equal(t, []int{3}, holdersOf(t, nodes, "user:7"))
	set("hot:1")
	for i := range 3 {
		require.Equal(t, []int{ch3(copyOf("hot:1", i))}, holdersOf(t, nodes, copyOf("hot:1", i)))
	}
	set("session:9")
	require.Equal(t, []int{3}, holdersOf(t, nodes, "team7:session:9"))
	op := get("team7:session:9")
	op.Request.Meta |= protocol.ReturnTTL
	do(nodes[3], op)
	require.InDelta(t, 60, op.Reply.TTL, 2)
	set("/west/b/n")
	count := asks(protocol.Increment, "n")
	do(groups, count)
	require.NoError(t, count.Err)
	require.Equal(t, protocol.OK, count.Reply.Status, "counters live on node 3")

	removed := asks(protocol.Delete, "hot:1")
	do(groups, removed)
	require.NoError(t, removed.Err)
	for i := range 3 {
		require.Empty(t, holdersOf(t, nodes, copyOf("hot:1", i)))
	}
	everywhere := store(protocol.Set, "/*/*/all", "v")
	do(groups, everywhere)
	require.NoError(t, everywhere.Err)
	b.Close()
	require.ElementsMatch(t, []int{ch3("all"), 3}, holdersOf(t, nodes, "all"))
}

// A thousand keys over ten nodes are one write for each node.
func TestAThousandKeysAreAWriteForEachNode(t *testing.T) {
	_, nodes, routes := memcacheds(t, 10)
	var members []Member
	for i, r := range routes {
		members = append(members, Member{Route: r, Name: fmt.Sprint("node", i)})
	}
	tree := Hash(slots(t, members, 1, ""))
	do(tree, gets(keys(100)...)...) // connects
	before := make([]uint64, len(nodes))
	for i, n := range nodes {
		before[i] = n.Stats().Writes
	}
	ops := gets(keys(1000)...)
	do(tree, ops...)
	for _, op := range ops {
		require.NoError(t, op.Err)
	}
	for i, n := range nodes {
		require.Equal(t, uint64(1), n.Stats().Writes-before[i], "node %d", i)
	}
}
