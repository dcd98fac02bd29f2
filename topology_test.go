package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/pool"
	"github.com/stretchr/testify/require"
)

// replicated returns a client for which the server with that index is local.
func replicated(t testing.TB, c cluster, local int, opts ...memcache.Option) *memcache.Client {
	t.Helper()
	return newClient(t, append([]memcache.Option{memcache.WithServers(c.addrs()...), memcache.WithReplicated(),
		memcache.WithLocal(c[local].addr()), memcache.WithTimeout(longTimeout)}, opts...)...)
}

func TestReplicatedReadsAskTheLocalNodeOnly(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 1)
		const reads = 200
		for i := range reads {
			require.NoError(t, c.Set(t.Context(), item(fmt.Sprint("k", i), "v")))
		}
		for i := range reads {
			_, err := c.Get(t.Context(), fmt.Sprint("k", i))
			require.NoError(t, err)
		}
		for i, want := range []int{0, reads, 0} {
			require.Equal(t, want, counter(t, servers[i], "get_hits"))
			require.Equal(t, want, counter(t, servers[i], "cmd_get"))
		}
	})
}

func TestReplicatedWritesReachAll(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 0)
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		for _, s := range servers {
			v, _ := stored(t, s.addr(), "k")
			require.Equal(t, "v", v)
		}
		require.NoError(t, c.Delete(t.Context(), "k"))
		require.Empty(t, servers.holders(t, "k"))
	})
}

// The local node dies under load: not one read fails, nor misses what the others have.
func TestAKilledLocalNodeCostsNoRead(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 2)
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		require.NoError(t, underLoad(c, reads, func(wait func(n int)) {
			wait(2000)
			servers[2].kill()
			wait(2000)
		}))
	})
}

// It comes back empty, and goes again, and so on: no read fails or misses, since the others have what it has lost.
func TestARestartedLocalNodeCostsNoRead(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 2)
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		require.NoError(t, underLoad(c, reads, func(wait func(n int)) {
			for range 5 {
				servers[2].restart(t)
				wait(500)
			}
		}))
	})
}

func reads(c *memcache.Client, _ int) error {
	it, err := c.Get(context.Background(), "k")
	if err == nil && string(it.Value) != "v" {
		err = fmt.Errorf("read %q", it.Value)
	}
	return err
}

func readsOrMisses(c *memcache.Client, i int) error {
	if err := reads(c, i); !errors.Is(err, memcache.ErrCacheMiss) {
		return err
	}
	return nil
}

// underLoad has 8 goroutines, numbered, make requests while story runs; wait returns when they have made n more. It
// returns the first error.
func underLoad(c *memcache.Client, request func(c *memcache.Client, i int) error, story func(wait func(n int))) error {
	progress, stop := make(chan struct{}), make(chan struct{})
	failed := make(chan error, 1)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for {
				if err := request(c, i); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
				select {
				case progress <- struct{}{}:
				case <-stop:
					return
				}
			}
		})
	}
	story(func(n int) {
		for range n {
			<-progress
		}
	})
	close(stop)
	wg.Wait()
	close(failed)
	return <-failed
}

// A write while a node is down reaches the others and says which one it missed.
func TestAWriteWhileANodeIsDown(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := replicated(t, servers, 0, memcache.WithWritePolicy(memcache.RequireAll))
		require.NoError(t, c.Set(t.Context(), item("secret", "v1")))
		servers[1].kill()
		for _, write := range []func() error{
			func() error { return c.Set(t.Context(), item("secret", "v2")) },
			func() error { return c.Touch(t.Context(), "secret", 0) },
		} {
			err := write()
			var failed *memcache.WriteError
			require.ErrorAs(t, err, &failed)
			require.ErrorIs(t, err, memcache.ErrPartialWrite)
			require.NotContains(t, err.Error(), "secret")
			require.Equal(t, 2, failed.Acked)
			require.Len(t, failed.Failed, 1)
			require.Contains(t, []pool.Outcome{pool.NotSent, pool.Ambiguous}, failed.Outcome(servers[1].addr()))
			require.Zero(t, failed.Outcome(servers[0].addr()))
		}
		for _, i := range []int{0, 2} {
			v, _ := stored(t, servers[i].addr(), "secret")
			require.Equal(t, "v2", v)
		}
		// What is down is known now, and nothing is sent to it.
		err := c.Set(t.Context(), item("secret", "v3"))
		var failed *memcache.WriteError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, pool.NotSent, failed.Outcome(servers[1].addr()))
		require.ErrorIs(t, err, memcache.ErrNodeDown)
		// A value that is read and touched is there all the same.
		it, err := c.GetAndTouch(t.Context(), "secret", 0)
		require.NoError(t, err)
		require.Equal(t, "v3", string(it.Value))
	})
}

// A rule puts its key elsewhere, and no other key.
func TestARuleMovesItsKeyOnly(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		opts := []memcache.Option{memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout)}
		plain := newClient(t, opts...)
		var keys []string
		home := map[string][]string{}
		for i := range 50 {
			k := fmt.Sprint("k", i)
			require.NoError(t, plain.Set(t.Context(), item(k, "v")))
			keys, home[k] = append(keys, k), servers.holders(t, k)
			require.Len(t, home[k], 1)
		}
		require.NoError(t, plain.FlushAll(t.Context()))

		var others []string // the rule: all nodes but its key's home
		for _, addr := range servers.addrs() {
			if addr != home["k7"][0] {
				others = append(others, addr)
			}
		}
		ruled := newClient(t, append(opts, memcache.WithRule("k7", others...))...)
		for _, k := range keys {
			require.NoError(t, ruled.Set(t.Context(), item(k, "v")))
			if k == "k7" {
				require.ElementsMatch(t, others, servers.holders(t, k))
			} else {
				require.Equal(t, home[k], servers.holders(t, k))
			}
			it, err := ruled.Get(t.Context(), k)
			require.NoError(t, err)
			require.Equal(t, "v", string(it.Value))
		}
		got, err := ruled.GetMulti(t.Context(), keys)
		require.NoError(t, err)
		require.Len(t, got, len(keys))
		require.NoError(t, ruled.Delete(t.Context(), "k7"))
		require.Empty(t, servers.holders(t, "k7"))
	})
}

// The local node, or the local zone's, is read first where a rule gives a key several.
func TestARuleReadsTheNearestNodeFirst(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		a := servers.addrs()
		for name, c := range map[string]struct {
			opts  []memcache.Option
			local string
			first int
		}{
			"no local: the home": {[]memcache.Option{memcache.WithServers(a...)}, "", 0},
			"the local node":     {[]memcache.Option{memcache.WithServers(a...)}, a[2], 2},
			"the local zone":     {[]memcache.Option{memcache.WithZone("x", a[0]), memcache.WithZone("y", a[1:]...)}, "y", 1},
			"a node and its zone": {[]memcache.Option{
				memcache.WithZone("x", a[0]), memcache.WithZone("y", a[1:]...)}, a[2], 2},
		} {
			t.Run(name, func(t *testing.T) {
				client := newClient(t, append(c.opts, memcache.WithRule("k", a...), memcache.WithLocal(c.local),
					memcache.WithTimeout(longTimeout))...)
				for i := range servers {
					raw(t, a[i], fmt.Sprintf("set k 0 0 1\r\n%d", i), "STORED")
				}
				it, err := client.Get(t.Context(), "k")
				require.NoError(t, err)
				require.Equal(t, strconv.Itoa(c.first), string(it.Value))
			})
		}
	})
}

// With two replicas a key is on two nodes, and one of them may go.
func TestShardedFailsOver(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithSharded(2), memcache.WithTimeout(longTimeout))
		for i := range 50 {
			k := fmt.Sprint("k", i)
			require.NoError(t, c.Set(t.Context(), item(k, "v")))
			require.Len(t, servers.holders(t, k), 2)
		}
		servers[0].kill()
		for i := range 50 {
			it, err := c.Get(t.Context(), fmt.Sprint("k", i))
			require.NoError(t, err)
			require.Equal(t, "v", string(it.Value))
		}
	})
}

// Without a second replica a dead node's keys are errors, not misses, and the others' are there.
func TestShardedWithoutReplicas(t *testing.T) {
	withEachKind(t, 2, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		homes := map[string]string{}
		for i := range 50 {
			k := fmt.Sprint("secret", i)
			require.NoError(t, c.Set(t.Context(), item(k, "v")))
			homes[k] = servers.holders(t, k)[0]
		}
		servers[0].kill()
		for k, home := range homes {
			_, err := c.Get(t.Context(), k)
			if home != servers[0].addr() {
				require.NoError(t, err)
				continue
			}
			require.NotErrorIs(t, err, memcache.ErrCacheMiss)
			var failed *memcache.OpError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, home, failed.Node)
			require.NotContains(t, err.Error(), "secret")
		}
	})
}

func TestZoned(t *testing.T) {
	withEachKind(t, 5, func(t *testing.T, servers cluster) {
		a := servers.addrs()
		zones := map[string]cluster{"a": servers[:2], "b": servers[2:4], "c": servers[4:]}
		opts := []memcache.Option{memcache.WithZone("a", a[:2]...), memcache.WithZone("b", a[2:4]...), memcache.WithZone("c", a[4]),
			memcache.WithTimeout(longTimeout)}
		c := newClient(t, append(opts, memcache.WithLocal("b"))...)
		byNode := newClient(t, append(opts, memcache.WithLocal(a[3]))...)
		for i := range 50 {
			k := fmt.Sprint("k", i)
			require.NoError(t, c.Set(t.Context(), item(k, "v")))
			for _, zone := range zones {
				require.Len(t, zone.holders(t, k), 1)
			}
		}
		before := gets(t, servers)
		for i := range 50 {
			for _, c := range []*memcache.Client{c, byNode} {
				_, err := c.Get(t.Context(), fmt.Sprint("k", i))
				require.NoError(t, err)
			}
		}
		after := gets(t, servers)
		require.Equal(t, 100, after[2]+after[3]-before[2]-before[3], "all in the own zone")
		for _, i := range []int{0, 1, 4} {
			require.Equal(t, before[i], after[i])
		}
		servers[2].kill()
		servers[3].kill()
		for i := range 50 {
			it, err := c.Get(t.Context(), fmt.Sprint("k", i))
			require.NoError(t, err)
			require.Equal(t, "v", string(it.Value))
		}
	})
}

func gets(t *testing.T, servers cluster) (counts []int) {
	for _, s := range servers {
		counts = append(counts, counter(t, s, "cmd_get"))
	}
	return counts
}

// A read-modify-write takes effect at the home, and no replica shows the old value afterwards: each process reads its
// own node first, and a miss there asks the home.
func TestReadModifyWriteIsSeenEverywhere(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		var clients []*memcache.Client
		for i := range servers {
			clients = append(clients, replicated(t, servers, i))
		}
		for round := range 10 {
			k := fmt.Sprint("k", round)
			require.NoError(t, clients[0].Set(t.Context(), item(k, "1")))
			for i, change := range []func(c *memcache.Client) error{
				func(c *memcache.Client) error { _, err := c.Increment(t.Context(), k, 1); return err },
				func(c *memcache.Client) error { return c.Append(t.Context(), item(k, "0")) },
				func(c *memcache.Client) error { return c.Prepend(t.Context(), item(k, "1")) },
				func(c *memcache.Client) error { return c.Replace(t.Context(), item(k, "5")) },
			} {
				require.NoError(t, change(clients[round%3]))
				require.Len(t, servers.holders(t, k), 1)
				for _, c := range clients {
					it, err := c.Get(t.Context(), k)
					require.NoError(t, err)
					require.Equal(t, []string{"2", "20", "120", "5"}[i], string(it.Value))
				}
			}
			// What was not done clears nothing.
			require.NoError(t, clients[0].Set(t.Context(), item(k, "v")))
			require.ErrorIs(t, clients[1].Add(t.Context(), item(k, "w")), memcache.ErrNotStored)
			require.Len(t, servers.holders(t, k), 3)
		}
	})
}

// A read-modify-write that has taken effect, but could not clear a replica, says so.
func TestReadModifyWriteThatCannotClear(t *testing.T) {
	withEachKind(t, 2, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout),
			memcache.WithRule("n", servers[0].addr(), servers[1].addr()), memcache.WithWritePolicy(memcache.RequireAll))
		require.NoError(t, c.Set(t.Context(), item("n", "1")))
		servers[1].kill()
		_, err := c.Increment(t.Context(), "n", 1)
		var failed *memcache.WriteError
		require.ErrorAs(t, err, &failed)
		require.True(t, errors.Is(err, memcache.ErrPartialWrite))
		require.NotZero(t, failed.Outcome(servers[1].addr()))
		v, _ := stored(t, servers[0].addr(), "n")
		require.Equal(t, "2", v)
	})
}
