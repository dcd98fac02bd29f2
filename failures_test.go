package memcache_test

import (
	"io"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// The tests of this file show rows of docs/failures.md that no other test shows.

// homeAt returns a key whose home is that server.
func homeAt(t testing.TB, c *memcache.Client, home server) string {
	t.Helper()
	for _, key := range manyKeys(1000) {
		e, err := c.Explain(key)
		require.NoError(t, err)
		if e.Home == home.addr() {
			return key
		}
	}
	t.Fatal("no key has its home at " + home.addr())
	return ""
}

// A node that was flushed is filled by writes alone. What it misses is asked of the key's home, or, if it is that itself, of
// the next replica; so nothing is lost.
func TestAFlushedNodeCostsNoKey(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 0)
		own, other := homeAt(t, c, servers[0]), homeAt(t, c, servers[1])
		for _, k := range []string{own, other} {
			require.NoError(t, c.Set(t.Context(), item(k, "v")))
		}
		raw(t, servers[0].addr(), "flush_all", "OK")
		for _, k := range []string{own, other} {
			it, err := c.Get(t.Context(), k)
			require.NoError(t, err)
			require.Equal(t, "v", string(it.Value))
		}
	})
}

// While a node is away others are read that do not have all: one was flushed, and an Add has stored at the key's home alone.
// What one of them misses is asked of one more replica all the same.
func TestNoKeyIsMissedWhileANodeIsAway(t *testing.T) {
	for name, topology := range map[string][]memcache.Option{
		"replicated": {memcache.WithReplicated()},
		"sharded":    {memcache.WithSharded(3)},
		"coherent":   {memcache.WithReplicated(), memcache.WithCoherentReplicas()},
	} {
		for fault, away := range map[string]func(server){"killed": server.kill, "hung": server.pause} {
			t.Run(name+", "+fault, func(t *testing.T) {
				withEachKind(t, 3, func(t *testing.T, servers cluster) {
					c := newClient(t, append(topology, memcache.WithServers(servers.addrs()...), memcache.WithLocal(servers[0].addr()))...)
					set, added := storeBothWays(t, c, servers[0])
					away(servers[0])
					requireHits(t, c, added)
					if name != "coherent" { // there the flushed node may have had what nobody else has
						raw(t, servers[1].addr(), "flush_all", "OK")
						requireHits(t, c, set)
					}
				})
			})
		}
	}
}

// storeBothWays stores keys with Set, and others with Add whose home is another one than that server.
func storeBothWays(t *testing.T, c *memcache.Client, not server) (set, added []string) {
	for i, key := range manyKeys(60) {
		store, keys := c.Set, &set
		if i%2 == 1 {
			store, keys = c.Add, &added
		}
		require.NoError(t, store(t.Context(), item(key, "v")))
		e, err := c.Explain(key)
		require.NoError(t, err)
		if i%2 == 0 || e.Home != not.addr() {
			*keys = append(*keys, key)
		}
	}
	return set, added
}

func requireHits(t *testing.T, c *memcache.Client, keys []string) {
	t.Helper()
	for _, key := range keys {
		_, err := c.Get(t.Context(), key)
		require.NoError(t, err)
	}
	items, err := c.GetMulti(t.Context(), keys)
	require.NoError(t, err)
	require.Len(t, items, len(keys))
}

// A reset connection, and a reply that means nothing, cost the read nothing: another replica answers.
func TestABrokenReplyMovesTheReadOn(t *testing.T) {
	for name, fault := range map[string]memcachetest.Fault{
		"reset before the reply":  memcachetest.ResetAt(0),
		"reset amid the reply":    memcachetest.ResetAt(5),
		"closed amid the reply":   memcachetest.CloseAt(5),
		"no reply of memcached's": memcachetest.StrayLine(1, "HTTP/1.1 400 Bad Request"),
		"a length of 4 GiB":       memcachetest.CorruptLength(1, math.MaxUint32),
	} {
		t.Run(name, func(t *testing.T) {
			nodes := []*memcachetest.Server{memcachetest.NewServer(), memcachetest.NewServer()}
			servers := cluster{testServer{nodes[0]}, testServer{nodes[1]}}
			for _, n := range nodes {
				t.Cleanup(n.Close)
			}
			c := replicated(t, servers, 0)
			require.NoError(t, c.Set(t.Context(), item("k", "a value")))
			nodes[0].Inject(fault)
			it, err := c.Get(t.Context(), "k")
			require.NoError(t, err)
			require.Equal(t, "a value", string(it.Value))
			require.Equal(t, 1, nodes[1].Stats().GetHits)
		})
	}
}

// A node that is slow, but answers within a try, is waited for. It is not ejected, and nothing moves to another node.
func TestASlowNodeIsWaitedFor(t *testing.T) {
	slow, other := memcachetest.NewServer(), memcachetest.NewServer()
	defer slow.Close()
	defer other.Close()
	c := replicated(t, cluster{testServer{slow}, testServer{other}}, 0)
	require.NoError(t, c.Set(t.Context(), item("k", "v")))
	const delay = 20 * time.Millisecond
	slow.Inject(memcachetest.Delay(delay))
	start := time.Now()
	_, err := c.Get(t.Context(), "k")
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(start), delay)
	require.Zero(t, other.Stats().Gets)
	require.Equal(t, pool.Up, c.Stats().Nodes[indexOf(c, slow.Addr())].State)
}

// With all nodes gone every call fails, reads and writes alike, and no read looks like a miss. When they are back all goes on.
func TestAllNodesGone(t *testing.T) {
	withEachKind(t, 2, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 0)
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		for _, s := range servers {
			s.kill()
		}
		for range 3 {
			_, err := c.Get(t.Context(), "k")
			require.Error(t, err)
			require.NotErrorIs(t, err, memcache.ErrCacheMiss)
			var failed *memcache.WriteError
			require.ErrorAs(t, c.Set(t.Context(), item("k", "w")), &failed)
			require.Zero(t, failed.Acked)
			require.Len(t, failed.Failed, 2)
			require.NotErrorIs(t, failed, memcache.ErrPartialWrite)
		}
		for _, s := range servers {
			s.restart(t)
		}
		require.Eventually(t, func() bool { return c.Set(t.Context(), item("k", "x")) == nil }, longTimeout, 10*time.Millisecond)
	})
}

// What depends on what is there has one place, the key's home, and fails while that is dead: nothing is counted elsewhere.
func TestACounterWhoseHomeIsDeadFails(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 0)
		k := homeAt(t, c, servers[1])
		require.NoError(t, c.Set(t.Context(), item(k, "1")))
		servers[1].kill()
		for range 3 {
			_, err := c.Increment(t.Context(), k, 1)
			require.Error(t, err)
			require.Error(t, c.Add(t.Context(), item(k, "0")))
		}
		for _, i := range []int{0, 2} {
			v, _ := stored(t, servers[i].addr(), k)
			require.Contains(t, []string{"1", ""}, v, "as it was, or cleared because the home may have counted")
		}
	})
}

// A process that dies halfway through sending a value has stored nothing: what was there stays.
func TestAnUnfinishedSetStoresNothing(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 0)
		require.NoError(t, c.Set(t.Context(), item("k", "old")))
		conn, err := net.Dial("tcp", servers[0].addr())
		require.NoError(t, err)
		_, err = io.WriteString(conn, "set k 0 0 1000\r\nnew")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		raw(t, servers[0].addr(), "version", "VERSION")
		it, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, "old", string(it.Value))
	})
}

// A value over the server's -I is refused there, and memcached drops what it had under that key, so that no old value is
// taken for the new one. The connection goes on.
func TestAValueThatTheServerRefuses(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 0)
		require.NoError(t, c.Set(t.Context(), item("k", "old")))
		err := c.Set(t.Context(), item("k", strings.Repeat("x", 2<<20)))
		var refused *protocol.ServerError
		require.ErrorAs(t, err, &refused)
		require.Equal(t, "server-error", memcache.ErrorClass(err))
		_, err = c.Get(t.Context(), "k")
		require.ErrorIs(t, err, memcache.ErrCacheMiss)
		require.EqualValues(t, 1, c.Stats().Nodes[0].Dials)
	})
}

// A server that has no memory and may not evict ("-M") refuses what is new. That is an error of the write; reads go on.
func TestAServerWithoutMemory(t *testing.T) {
	servers := map[string]server{"memcached": realServer{realnode.Start(t, "-m", "2", "-M")}}
	full := memcachetest.NewServer(memcachetest.WithMemoryLimit(2<<20), memcachetest.WithoutEviction())
	defer full.Close()
	servers["memcachetest"] = testServer{full}
	for name, s := range servers {
		t.Run(name, func(t *testing.T) {
			c := replicated(t, cluster{s}, 0)
			keys, value := manyKeys(200), strings.Repeat("x", 100_000)
			var err error
			for _, k := range keys {
				if err = c.Set(t.Context(), item(k, value)); err != nil {
					break
				}
			}
			var refused *protocol.ServerError
			require.ErrorAs(t, err, &refused)
			require.Contains(t, refused.Error(), "out of memory")
			_, err = c.Get(t.Context(), keys[0])
			require.NoError(t, err)
			require.EqualValues(t, 1, c.Stats().Nodes[0].Dials)
		})
	}
}

// A server at its limit of connections ("-c") is a node that is down, for those whom it turns away, until it lets them in.
func TestAServerThatTurnsClientsAway(t *testing.T) {
	full := memcachetest.NewServer(memcachetest.WithMaxConns(1))
	defer full.Close()
	first, second := replicated(t, cluster{testServer{full}}, 0), replicated(t, cluster{testServer{full}}, 0)
	require.NoError(t, first.Ping(t.Context()))
	_, err := second.Get(t.Context(), "k")
	require.ErrorIs(t, err, memcache.ErrNodeDown)
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool { return second.Ping(t.Context()) == nil }, longTimeout, 10*time.Millisecond)
}

// A malformed key is the caller's mistake. It reaches no node and no error text, and nobody else's request suffers.
func TestAMalformedKeyIsNotSent(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 0)
		require.NoError(t, c.Ping(t.Context()))
		before := c.Stats().Nodes[0].BytesOut
		for _, key := range []string{"", "a secret", "secret\r\nset evil 0 0 1\r\nx", "secret\x00", strings.Repeat("secret", 50)} {
			_, err := c.Get(t.Context(), key)
			require.ErrorIs(t, err, memcache.ErrMalformedKey)
			require.NotContains(t, err.Error(), "secret")
			require.ErrorIs(t, c.Set(t.Context(), item(key, "v")), memcache.ErrMalformedKey)
			require.ErrorIs(t, c.Delete(t.Context(), key), memcache.ErrMalformedKey)
		}
		require.Equal(t, before, c.Stats().Nodes[0].BytesOut)
		require.Empty(t, servers.holders(t, "evil"))
		require.NoError(t, c.Ping(t.Context()))
	})
}
