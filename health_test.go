package memcache_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/faultproxy"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/stretchr/testify/require"
)

// tryTime is the timeout where a test waits for it to pass.
const tryTime = 100 * time.Millisecond

// nodesIn counts the nodes that a condition holds for.
func nodesIn(c *memcache.Client, holds func(pool.Stats) bool) (count int) {
	for _, n := range c.Stats().Nodes {
		if holds(n) {
			count++
		}
	}
	return count
}

func isUp(n pool.Stats) bool      { return n.State == pool.Up }
func isSuspect(n pool.Stats) bool { return n.State == pool.Suspect }
func isEjected(n pool.Stats) bool { return n.Ejected }

// When all nodes stop at once, some stay in use, so that the cache is not given up, and all are back when they run again.
func TestNotAllNodesAreEjected(t *testing.T) {
	for most, opts := range map[int][]memcache.Option{
		2: nil,
		1: {memcache.WithMaxEjected(0.5)},
		3: {memcache.WithMaxEjected(1)},
	} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			nodes := []*realnode.Node{realnode.Start(t), realnode.Start(t), realnode.Start(t)}
			c := newClient(t, append(opts, memcache.WithServers(nodes[0].Addr, nodes[1].Addr, nodes[2].Addr),
				memcache.WithReplicated(), memcache.WithTimeout(tryTime))...)
			require.Eventually(t, func() bool {
				c.Set(t.Context(), item("k", "v"))
				return nodesIn(c, isUp) == 3
			}, 5*time.Second, time.Millisecond)
			for _, n := range nodes {
				n.Pause()
			}
			require.Error(t, c.Set(t.Context(), item("k", "new")))
			require.Eventually(t, func() bool { return nodesIn(c, isSuspect) == 3 }, 5*time.Second, time.Millisecond)
			start := time.Now()
			_, err := c.Get(t.Context(), "other")
			require.Error(t, err)
			if most == 3 {
				require.Less(t, time.Since(start), tryTime/2)
			} else {
				require.GreaterOrEqual(t, time.Since(start), tryTime, "a node that is not ejected is tried")
			}
			require.Equal(t, most, nodesIn(c, isEjected))
			e, err := c.Explain("k")
			require.NoError(t, err)
			require.Contains(t, e.String(), "(suspect, ejected)")

			for _, n := range nodes {
				n.Resume()
			}
			require.Eventually(t, func() bool { return nodesIn(c, isSuspect) == 0 }, 5*time.Second, time.Millisecond)
			require.Zero(t, nodesIn(c, isEjected))
			_, err = c.Get(t.Context(), "other")
			require.ErrorIs(t, err, memcache.ErrCacheMiss)
		})
	}
}

// behindProxy returns the address of a proxy before a node.
func behindProxy(t *testing.T, n *realnode.Node) *faultproxy.Proxy {
	p, err := faultproxy.Start(n.Addr, 1)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

// The local node answers, but late: reads go to another one, writes reach it, and when it is fast again it is read again.
func TestASlowLocalNodeIsReadLast(t *testing.T) {
	nodes := []*realnode.Node{realnode.Start(t), realnode.Start(t), realnode.Start(t)}
	local := behindProxy(t, nodes[0])
	c := newClient(t, memcache.WithServers(local.Addr(), nodes[1].Addr, nodes[2].Addr), memcache.WithReplicated(),
		memcache.WithLocal(local.Addr()), memcache.WithTimeout(time.Second))
	isLocal := func(n pool.Stats) bool { return n.Addr == local.Addr() }
	slow := func(n pool.Stats) bool { return n.Slow }
	asks := func() (local bool) { // one write, one read
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		before := counterOf(t, nodes[0], "cmd_get")
		_, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		return counterOf(t, nodes[0], "cmd_get") > before
	}
	require.Eventually(t, func() bool { return c.Set(t.Context(), item("k", "v")) == nil }, 5*time.Second, time.Millisecond)
	require.True(t, asks())
	require.NoError(t, local.Set(faultproxy.Faults{ToClient: faultproxy.Link{Delay: 200 * time.Millisecond}}))
	require.Eventually(t, func() bool { asks(); return nodesIn(c, slow) == 1 }, 20*time.Second, time.Millisecond)
	require.Equal(t, 1, nodesIn(c, func(n pool.Stats) bool { return slow(n) && isLocal(n) }))
	require.False(t, asks())
	sets := counterOf(t, nodes[0], "cmd_set")
	require.False(t, asks())
	require.Equal(t, sets+1, counterOf(t, nodes[0], "cmd_set"))
	e, err := c.Explain("k")
	require.NoError(t, err)
	require.Equal(t, local.Addr(), e.Replicas[2].Node)
	require.Equal(t, "up, slow", e.Replicas[2].State)
	require.Equal(t, local.Addr(), e.Read.Next[0].Next[2].Name)

	require.NoError(t, local.Heal())
	require.Eventually(t, asks, 20*time.Second, time.Millisecond)
	require.Zero(t, nodesIn(c, slow))
}

func counterOf(t *testing.T, n *realnode.Node, name string) (count int) {
	_, err := fmt.Sscan(n.Stats(t)[name], &count)
	require.NoError(t, err)
	return count
}

func TestHealthOptionsRefuseNonsense(t *testing.T) {
	for name, opt := range map[string]memcache.Option{
		"share 0":        memcache.WithMaxEjected(0),
		"share negative": memcache.WithMaxEjected(-1),
		"share above 1":  memcache.WithMaxEjected(1.01),
		"no share":       memcache.WithMaxEjected(math.NaN()),
		"factor below 1": memcache.WithSlowFactor(0.9),
		"factor 0":       memcache.WithSlowFactor(0),
		"no factor":      memcache.WithSlowFactor(math.NaN()),
	} {
		_, err := memcache.New(memcache.WithServers("a"), opt)
		require.ErrorIs(t, err, memcache.ErrBadOption, name)
	}
	newClient(t, memcache.WithServers("a"), memcache.WithMaxEjected(0.1), memcache.WithSlowFactor(math.Inf(1)))
}
