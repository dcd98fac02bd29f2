package route

import (
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// realFleet is three memcached and nodes for them.
func realFleet(t *testing.T) (real []*realnode.Node, nodes []*pool.Node, routes []Route) {
	for range 3 {
		r := realnode.Start(t)
		n := pool.NewNode(pool.Config{Addr: r.Addr, Timeout: testTimeout})
		t.Cleanup(func() { n.Close() })
		real, nodes, routes = append(real, r), append(nodes, n), append(routes, n)
	}
	return real, nodes, routes
}

// mcrouter's end-to-end rows: with the first of three dead, sets are stored and gets have their value; here with a
// majority too. With two dead there is no majority, and the error tells of each.
func TestFanOutsOnMemcached(t *testing.T) {
	real, nodes, routes := realFleet(t)
	b, wait := background(t)
	p := Fixed(routes...)
	majority, fastest := built(t)(AllMajority(p, b)), built(t)(AllFastest(p, FastestOptions{}, b))
	initial := built(t)(AllInitial(p, b))
	var sets []*Op
	for _, k := range keys(100) {
		sets = append(sets, store(protocol.Set, k, k))
	}
	do(initial, sets...)
	wait()
	for _, n := range nodes {
		for _, op := range gets(keys(100)...) {
			require.Equal(t, op.Request.Key, outcome(asked(n, op)))
		}
	}
	real[0].Kill()
	for _, tree := range []Route{majority, fastest} {
		require.Equal(t, "ok", outcome(asked(tree, store(protocol.Set, "k", "new"))))
		wait()
		for _, n := range nodes[1:] {
			require.Equal(t, "new", outcome(asked(n, get("k"))))
		}
		require.Equal(t, "new", outcome(asked(tree, get("k"))))
		require.Equal(t, "ok", outcome(asked(tree, asks(protocol.Delete, "k"))))
		wait()
	}
	ops := gets(keys(100)...)
	do(majority, ops...)
	for _, op := range ops {
		require.Equal(t, op.Request.Key, outcome(op))
	}
	real[1].Kill()
	op := asked(majority, store(protocol.Set, "k", "v"))
	var w *WriteError
	require.ErrorAs(t, op.Err, &w)
	require.Equal(t, 1, w.Acked)
	require.Zero(t, w.Outcome(nodes[2].Name()))
	require.NotZero(t, w.Outcome(nodes[0].Name()))
	require.Equal(t, "v", outcome(asked(fastest, get("k"))))
}

// A zone that dies is read elsewhere, in order or at once.
func TestZoneFailoverOnMemcached(t *testing.T) {
	real, _, routes := realFleet(t)
	b, _ := background(t)
	var zones []Member
	for i, r := range routes {
		zones = append(zones, Member{Route: r, Name: string(rune('a' + i))})
	}
	p, err := Zones(zones, "b")
	require.NoError(t, err)
	inOrder := built(t)(ZoneFailover(p, ZoneOptions{}))
	atOnce := built(t)(ZoneFailover(p, ZoneOptions{MissIsNotGood: true, AtOnce: b}))
	for _, k := range keys(50) {
		require.Equal(t, "ok", outcome(asked(inOrder, store(protocol.Set, k, k))))
		require.Equal(t, "ok", outcome(asked(inOrder, store(protocol.Append, k, "+"))), "clears the zones that are not the home")
		require.Equal(t, k+"+", outcome(asked(inOrder, get(k))))
	}
	do(atOnce, store(protocol.Set, "everywhere", "v"))
	real[1].Kill()
	for _, tree := range []Route{inOrder, atOnce} {
		require.Equal(t, "v", outcome(asked(tree, get("everywhere"))))
		require.Equal(t, "miss", outcome(asked(tree, get("absent"))))
	}
}

// A node that is paused costs a hedged read little more than the delay, and once it runs again it answers.
func TestHedgedOnMemcached(t *testing.T) {
	real, nodes, routes := realFleet(t)
	b, _ := background(t)
	do(AllSync(Fixed(routes...)), store(protocol.Set, "k", "v"))
	tree := built(t)(Hedged(Fixed(routes...), lots(2*time.Millisecond), b))
	require.Equal(t, "v", outcome(asked(tree, get("k"))))
	real[0].Pause()
	start := time.Now()
	op := asked(tree, get("k"))
	require.Equal(t, "v", outcome(op))
	require.NotEqual(t, nodes[0].Name(), op.Node.Name())
	require.Less(t, time.Since(start), testTimeout/2)
	real[0].Resume()
	require.Equal(t, "v", outcome(asked(nodes[0], get("k"))))
}

// A limit of one op at a time serves a large batch on the way to memcached all the same.
func TestLimitsOnMemcached(t *testing.T) {
	_, _, routes := realFleet(t)
	limit := built(t)(OutstandingLimit(Hash(slots(t, []Member{{Route: routes[0], Name: "a"}, {Route: routes[1], Name: "b"}}, 1, "")), OutstandingOptions{Max: 1}))
	var sets []*Op
	for _, k := range keys(50) {
		sets = append(sets, store(protocol.Set, k, k))
	}
	do(limit, sets...)
	ops := gets(keys(50)...)
	do(limit, ops...)
	for _, op := range ops {
		require.Equal(t, op.Request.Key, outcome(op))
	}
	rate, err := RateLimit(limit, RateLimitOptions{Gets: Rate{PerSecond: 1e-9}, Over: Error(nil)})
	require.NoError(t, err)
	require.ErrorIs(t, asked(rate, get("key:1")).Err, ErrConfigured)
	require.Equal(t, "ok", outcome(asked(rate, asks(protocol.Delete, "key:1"))))
}
