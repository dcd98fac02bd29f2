package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// A CAS that was read at another replica than the home means nothing there, and is refused before anything is sent.
func TestForeignCAS(t *testing.T) {
	withEachKind(t, 2, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithReplicated(), memcache.WithTimeout(longTimeout),
			memcache.WithLocal(servers[1].addr()), memcache.WithRule("secret", servers[0].addr(), servers[1].addr()))
		require.NoError(t, c.Set(t.Context(), item("secret", "v1")))
		foreign, err := c.Get(t.Context(), "secret")
		require.NoError(t, err)
		err = c.CompareAndSwap(t.Context(), foreign)
		require.ErrorIs(t, err, memcache.ErrForeignCAS)
		require.NotContains(t, err.Error(), "secret")

		own, err := c.GetForUpdate(t.Context(), "secret")
		require.NoError(t, err)
		require.NotEqual(t, foreign.CAS, own.CAS)
		own.Value = []byte("v2")
		require.NoError(t, c.CompareAndSwap(t.Context(), own))

		// A CAS of another client is as good as one of another node.
		other := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithReplicated(),
			memcache.WithRule("secret", servers.addrs()...), memcache.WithTimeout(longTimeout))
		fresh, err := c.GetForUpdate(t.Context(), "secret")
		require.NoError(t, err)
		err = other.CompareAndSwap(t.Context(), fresh)
		require.ErrorIs(t, err, memcache.ErrForeignCAS)
		require.ErrorContains(t, err, "by another client, or from another node")
	})
}

// A server without CAS gives items none, so that nothing can be compared.
func TestCompareAndSwapWithoutCAS(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client()
		require.NoError(w, c.Set(w.Context(), item("k", "v")))
		read, err := c.GetForUpdate(w.Context(), "k")
		require.NoError(w, err)
		require.True(w, read.CAS.IsZero())
		require.ErrorIs(w, c.CompareAndSwap(w.Context(), read), memcache.ErrNoCAS)
	}, memcachetest.WithoutCAS())
}

// Eight processes increment one number by compare-and-swap, each with another node as its local one: no update is lost.
func TestConcurrentCompareAndSwapLosesNothing(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		const writers, rounds = 8, 25
		first := replicated(t, servers, 0)
		require.NoError(t, first.Set(t.Context(), item("n", "0")))
		var wg sync.WaitGroup
		errs := make(chan error, writers)
		for w := range writers {
			c := replicated(t, servers, w%3)
			wg.Go(func() {
				for range rounds {
					if err := increment(t.Context(), c, "n"); err != nil {
						errs <- err
						return
					}
				}
			})
		}
		wg.Wait()
		close(errs)
		require.NoError(t, <-errs)
		for i := range servers {
			it, err := replicated(t, servers, i).Get(t.Context(), "n")
			require.NoError(t, err)
			require.Equal(t, strconv.Itoa(writers*rounds), string(it.Value))
		}
	})
}

// increment is the loop that every user of compare-and-swap writes.
func increment(ctx context.Context, c *memcache.Client, key string) error {
	for {
		it, err := c.GetForUpdate(ctx, key)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(it.Value))
		if err != nil {
			return err
		}
		it.Value = strconv.AppendInt(nil, int64(n)+1, 10)
		if err := c.CompareAndSwap(ctx, it); !errors.Is(err, memcache.ErrCASConflict) {
			return err
		}
	}
}

// A server counts CAS anew after a restart, so the number that was read before may stand for another value: it must not
// match.
func TestCASFromBeforeARestartDoesNotMatch(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		require.NoError(t, c.Set(t.Context(), item("k", "before")))
		old, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		servers[0].restart(t)
		_, err = c.Get(t.Context(), "k") // connected again: a write is not repeated where a connection breaks
		require.ErrorIs(t, err, memcache.ErrCacheMiss)
		require.NoError(t, c.Set(t.Context(), item("k", "after")))

		// The number is the same: the server itself would swap.
		line := raw(t, servers[0].addr(), "gets k", "END")[0]
		now, err := c.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Contains(t, fmt.Sprint(old.CAS), line[len("VALUE k 0 5 "):])
		require.NotEqual(t, old.CAS, now.CAS)

		old.Value = []byte("swapped")
		require.ErrorIs(t, c.CompareAndSwap(t.Context(), old), memcache.ErrCASConflict)
		v, _ := stored(t, servers[0].addr(), "k")
		require.Equal(t, "after", v)
		now.Value = []byte("swapped")
		require.NoError(t, c.CompareAndSwap(t.Context(), now))
	})
}

// A restart costs no read: what was a hit is a miss, and nothing is an error. (A node that restarts for ever is down.)
func TestARestartCostsNoRead(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		for range 3 {
			require.NoError(t, c.Set(t.Context(), item("k", "v")))
			servers[0].restart(t)
			_, err := c.Get(t.Context(), "k")
			require.ErrorIs(t, err, memcache.ErrCacheMiss)
		}
	})
}
