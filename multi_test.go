package memcache_test

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// A large batch whose context has ended is not made, let alone sent.
func TestALargeBatchOfAnEndedContext(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	c := newClient(t, memcache.WithServers(s.Addr()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	keys := manyKeys(10_000)
	items := make([]*memcache.Item, len(keys))
	for i, key := range keys {
		items[i] = item(key, "v")
	}
	found, err := c.GetMulti(ctx, keys)
	require.Empty(t, found)
	for _, err := range []error{err, c.SetMulti(ctx, items), c.DeleteMulti(ctx, keys)} {
		require.ErrorIs(t, err, context.Canceled)
		var failed *memcache.MultiError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, len(keys), failed.Keys)
		i := 0
		for key, err := range failed.Failed() {
			require.Equal(t, keys[i], key)
			require.ErrorIs(t, err, context.Canceled)
			i++
		}
		require.Equal(t, len(keys), i)
	}
	require.Zero(t, c.Stats().Nodes[0].Dials)
}

// A timeout that is meant to be none at all is a long one.
func TestTheLongestTimeout(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	for _, d := range []time.Duration{100 * 365 * 24 * time.Hour, math.MaxInt64 / 2, math.MaxInt64} {
		c := newClient(t, memcache.WithServers(s.Addr()), memcache.WithTimeout(d))
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
	}
}

func manyKeys(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprint("secret", i)
	}
	return keys
}

// fill stores every key as its own value.
func fill(t *testing.T, c *memcache.Client, keys []string) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make(chan error, len(keys))
	for part := range slices.Chunk(keys, len(keys)/32+1) {
		wg.Go(func() {
			for _, k := range part {
				errs <- c.Set(t.Context(), item(k, k))
			}
		})
	}
	wg.Wait()
	for range keys {
		require.NoError(t, <-errs)
	}
}

func TestGetMultiOfNothing(t *testing.T) {
	withEachKind(t, 2, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		for _, keys := range [][]string{nil, {}, {"not", "there"}} {
			got, err := c.GetMulti(t.Context(), keys)
			require.NoError(t, err)
			require.NotNil(t, got)
			require.Empty(t, got)
		}
		got, err := c.GetMulti(t.Context(), []string{"fine", "secret key"})
		require.ErrorIs(t, err, memcache.ErrMalformedKey)
		require.NotContains(t, err.Error(), "secret")
		require.Nil(t, got)
	})
}

func TestGetMultiOfManyKeys(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		keys := manyKeys(3000)
		fill(t, c, keys[:2000])
		got, err := c.GetMulti(t.Context(), append(keys, keys[:100]...)) // some of them twice
		require.NoError(t, err)
		require.Len(t, got, 2000)
		for k, it := range got {
			require.Equal(t, k, it.Key)
			require.Equal(t, k, string(it.Value))
		}
	})
}

// Nodes that are gone cost their own keys and no others, and the error tells how many at which node.
func TestGetMultiReturnsWhatItGot(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		keys := manyKeys(300)
		fill(t, c, keys)
		lost := counter(t, servers[0], "curr_items")
		require.NotZero(t, lost)
		servers[0].kill()
		got, err := c.GetMulti(t.Context(), keys)
		require.Len(t, got, len(keys)-lost)
		var failed *memcache.MultiError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, lost, failed.Keys)
		require.Len(t, failed.Nodes, 1)
		require.Error(t, failed.Nodes[servers[0].addr()])
		require.NotContains(t, err.Error(), "secret")
		require.ErrorIs(t, err, failed.Nodes[servers[0].addr()])
	})
}

// A hung node costs the timeout once, whatever the number of keys, and none of the others' items; there are no more
// goroutines than nodes.
func TestGetMultiWithAHungNode(t *testing.T) {
	const timeout = 500 * time.Millisecond
	n := 10_000
	if raceDetector {
		n = 3000 // as many as that take longer than the timeout
	}
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		servers.slow(t)
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(timeout))
		keys := manyKeys(n)
		fill(t, c, keys)
		for i, hung := range []server{servers[0], servers[2]} {
			lost := counter(t, hung, "curr_items")
			start := time.Now()
			got, err := c.GetMulti(t.Context(), keys)
			require.NoError(t, err)
			require.Len(t, got, len(keys))
			healthy := time.Since(start)
			before := runtime.NumGoroutine()
			hung.pause()

			start = time.Now()
			done := make(chan struct{})
			go func() {
				got, err = c.GetMulti(t.Context(), keys)
				close(done)
			}()
			most := mostGoroutines(done)
			took := time.Since(start)
			hung.resume()

			var failed *memcache.MultiError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, lost, failed.Keys, "node %d", i)
			require.Len(t, failed.Nodes, 1)
			require.ErrorIs(t, failed.Nodes[hung.addr()], memcache.ErrTimeout)
			require.Len(t, got, len(keys)-lost)
			require.GreaterOrEqual(t, took, timeout)
			require.Less(t, took, healthy+2*timeout)
			require.LessOrEqual(t, most, before+2+2*len(servers))
			awaitHealthy(t, c)
		}
	})
}

// mostGoroutines returns the most that there were at a time until done.
func mostGoroutines(done <-chan struct{}) (most int) {
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return most
		case <-ticker.C:
			most = max(most, runtime.NumGoroutine())
		}
	}
}

// awaitHealthy waits until every node answers again.
func awaitHealthy(t *testing.T, c *memcache.Client) {
	t.Helper()
	require.Eventually(t, func() bool { return c.Ping(t.Context()) == nil }, longTimeout, 5*time.Millisecond)
}
