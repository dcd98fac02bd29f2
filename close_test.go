package memcache_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/stretchr/testify/require"
)

// clientGoroutines returns the stacks of the goroutines that run this module's code, tests and servers left out.
func clientGoroutines() (stacks []string) {
	buf := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "nohop/memcache/pool.") || strings.Contains(stack, "nohop/memcache.(*Client).") {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// requireNoGoroutines requires that nothing of a client goes on. A timer that fired as it was stopped may be about to find that out.
func requireNoGoroutines(t *testing.T) {
	t.Helper()
	ticks := func(stack string) bool { return strings.Contains(stack, "pool.(*conn).tick") }
	require.Empty(t, slices.DeleteFunc(clientGoroutines(), ticks))
	require.Eventually(t, func() bool { return len(clientGoroutines()) == 0 }, longTimeout, time.Millisecond)
}

func TestCloseEndsEverything(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		dns := &fakeDNS{}
		dns.set(nil, "127.0.0.1")
		before := make([]int, len(servers))
		for i, s := range servers {
			before[i] = counter(t, s, "curr_connections")
		}
		c := newClient(t, memcache.WithServers(append(servers.addrs(), "dns+memcached.svc:1")...), memcache.WithReplicated(),
			memcache.WithResolver(dns, time.Millisecond), memcache.WithTimeout(longTimeout))
		require.NoError(t, c.Set(t.Context(), item("k", "v"))) // nothing listens at port 1
		dns.set(nil, "127.0.0.2")                              // that node leaves
		require.NotEmpty(t, clientGoroutines())
		require.NoError(t, c.Close())
		requireNoGoroutines(t)
		for i, s := range servers {
			// The server learns of it a moment later.
			require.Eventually(t, func() bool { return counter(t, s, "curr_connections") == before[i] }, longTimeout, time.Millisecond)
		}
		require.NoError(t, c.Close())
		require.Empty(t, c.Stats().Nodes)
		for name, call := range keyed {
			err := call(t.Context(), c, "secret")
			require.ErrorIs(t, err, memcache.ErrClosed, name)
			require.NotContains(t, err.Error(), "secret")
		}
		require.ErrorIs(t, c.Ping(t.Context()), memcache.ErrClosed)
		require.ErrorIs(t, c.FlushAll(t.Context()), memcache.ErrClosed)
		_, err := c.Version(t.Context())
		require.ErrorIs(t, err, memcache.ErrClosed)
		_, err = c.ServerStats(t.Context(), "")
		require.ErrorIs(t, err, memcache.ErrClosed)
	})
}

// lingering is a resolver whose last look-up takes its time to end.
type lingering struct{ ended atomic.Bool }

func (l *lingering) LookupNetIP(ctx context.Context, _, _ string) ([]netip.Addr, error) {
	<-ctx.Done()
	time.Sleep(time.Second)
	l.ended.Store(true)
	return nil, ctx.Err()
}

func (l *lingering) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no SRV records here")
}

// Close returns when the goroutine that resolves names has ended, and not before.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		resolver := &lingering{}
		c, err := memcache.New(memcache.WithServers("dns+memcached.svc"), memcache.WithResolver(resolver, time.Second))
		require.NoError(t, err)
		time.Sleep(1500 * time.Millisecond) // the next look-up is under way
		resolver.ended.Store(false)
		require.NoError(t, c.Close())
		require.True(t, resolver.ended.Load())
	})
}

// Under load, and while others close too: every call returns, with an answer or with ErrClosed.
func TestCloseUnderLoad(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		for range 5 {
			c := replicated(t, servers, 0)
			eventually(t, func() error { return c.Ping(t.Context()) }) // a busy machine may be too slow for the first dial
			started, errs := make(chan struct{}, 1000), make(chan error, 16)
			var wg sync.WaitGroup
			for i := range 16 {
				wg.Go(func() {
					for {
						var err error
						switch i % 3 {
						case 0:
							err = c.Set(context.Background(), item("k", "v"))
						case 1:
							_, err = c.Get(context.Background(), "k")
						case 2:
							_, err = c.GetMulti(context.Background(), []string{"k", "l", "m"})
						}
						select {
						case started <- struct{}{}:
						default:
						}
						if err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
							errs <- err
							return
						}
					}
				})
			}
			for range 200 {
				select {
				case <-started:
				case err := <-errs:
					t.Fatal("before Close: ", err)
				}
			}
			for range 3 {
				wg.Go(func() { c.Close() })
			}
			wg.Wait()
			close(errs)
			for err := range errs {
				require.ErrorIs(t, err, memcache.ErrClosed)
			}
			requireNoGoroutines(t)
		}
	})
}

// Close does not wait for a node that hangs: what waits there ends at once.
func TestCloseWhileANodeHangs(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(time.Minute))
		require.NoError(t, c.Ping(t.Context()))
		servers[0].pause()
		defer servers[0].resume()
		result := make(chan error)
		go func() {
			_, err := c.Get(context.Background(), "secret")
			result <- err
		}()
		require.Eventually(t, func() bool { return c.Stats().Nodes[0].Owed == 1 }, longTimeout, time.Millisecond)
		start := time.Now()
		require.NoError(t, c.Close())
		err := <-result
		require.ErrorIs(t, err, memcache.ErrClosed)
		require.NotContains(t, err.Error(), "secret")
		require.Less(t, time.Since(start), longTimeout)
	})
}

// A client that New did not return has left nothing behind.
func TestARefusedClientLeavesNothing(t *testing.T) {
	_, err := memcache.New(memcache.WithServers("a:1"), memcache.WithTimeout(-1))
	require.Error(t, err)
	requireNoGoroutines(t)
}
