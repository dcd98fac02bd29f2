package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/stretchr/testify/require"
)

// A service that is told to stop lets what it has begun finish, for 10 seconds at most.
func ExampleClient_Shutdown() {
	node := memcachetest.NewServer() // or the address of any memcached
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(client.Shutdown(ctx))
	_, err = client.Get(context.Background(), "key")
	fmt.Println(errors.Is(err, memcache.ErrClosed))
	// Output:
	// <nil>
	// true
}

// begin runs a call and returns where its result comes.
func begin[T any](call func() (T, error)) <-chan error {
	result := make(chan error, 1)
	go func() {
		_, err := call()
		result <- err
	}()
	return result
}

func shutDown(c *memcache.Client, ctx context.Context) <-chan error {
	return begin(func() (any, error) { return nil, c.Shutdown(ctx) })
}

// What is under way is finished, and what comes later is refused.
func TestShutdownWaitsForOperations(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		c := w.client(memcache.WithTimeout(time.Hour))
		require.NoError(w, c.Set(w.Context(), item("k", "v")))
		for _, s := range w.servers {
			s.Pause()
		}
		keys := []string{"k", "other"}
		under := []<-chan error{
			begin(func() (*memcache.Item, error) { return c.Get(w.Context(), "k") }),
			begin(func() (any, error) { return nil, c.Set(w.Context(), item("k", "w")) }),
			begin(func() (any, error) { return c.GetMulti(w.Context(), keys) }),
			begin(func() (any, error) { return nil, c.DeleteMulti(w.Context(), keys[1:]) }),
			begin(func() (uint64, error) { return 0, c.Ping(w.Context()) }),
		}
		synctest.Wait()
		down := shutDown(c, w.Context())
		again := shutDown(c, w.Context())
		synctest.Wait()
		_, err := c.Get(w.Context(), "k")
		require.ErrorIs(w, err, memcache.ErrClosed)
		_, err = c.GetMulti(w.Context(), keys)
		require.ErrorIs(w, err, memcache.ErrClosed)
		_, err = c.GetOrLoad(w.Context(), "k", func(context.Context) (*memcache.Item, error) { panic("loaded") })
		require.ErrorIs(w, err, memcache.ErrClosed)
		for _, err := range []error{c.Set(w.Context(), item("k", "x")), c.SetMulti(w.Context(), []*memcache.Item{item("k", "x")}),
			c.Ping(w.Context()), c.FlushAll(w.Context()), c.Warmup(w.Context())} {
			require.ErrorIs(w, err, memcache.ErrClosed)
		}
		require.Empty(w, down)
		require.Empty(w, again)

		for _, s := range w.servers {
			s.Resume()
		}
		for i, result := range under {
			require.NoError(w, <-result, "operation %d", i)
		}
		require.NoError(w, <-down)
		require.NoError(w, <-again)
		require.NoError(w, c.Shutdown(w.Context()))
		require.NoError(w, c.Close())
		w.holds(0, "VA 1|w")
		w.holds(1, "VA 1|w")
	})
}

// When the time is up, what is still under way ends with ErrClosed.
func TestShutdownGivesUp(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client(memcache.WithTimeout(time.Hour))
		require.NoError(w, c.Ping(w.Context()))
		w.servers[0].Pause()
		get := begin(func() (*memcache.Item, error) { return c.Get(w.Context(), "k") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(w, c.Shutdown(ctx), context.DeadlineExceeded)
		require.Equal(w, time.Second, time.Since(start))
		require.ErrorIs(w, <-get, memcache.ErrClosed)
		w.servers[0].Resume()
	})
}

func TestShutdownOfAClosedClient(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client()
		require.NoError(w, c.Close())
		require.NoError(w, c.Shutdown(w.Context()))
	})
}

// A load that is under way is finished and its value stored, though that takes several operations, and so is one in the
// background.
func TestShutdownWaitsForLoads(t *testing.T) {
	for name, background := range map[string]bool{"waited for": false, "in the background": true} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, 2, func(w *world) {
				c := w.client(memcache.WithTimeout(time.Hour))
				if background {
					require.NoError(w, c.Set(w.Context(), item("k", "old")))
					require.NoError(w, c.Invalidate(w.Context(), "k", time.Hour))
				}
				goOn := make(chan struct{})
				load := begin(func() (*memcache.Item, error) {
					return c.GetOrLoad(w.Context(), "k", func(context.Context) (*memcache.Item, error) {
						<-goOn
						return item("k", "new"), nil
					}, memcache.WithBackgroundReload(), memcache.WithLease(time.Hour))
				})
				synctest.Wait()
				down := shutDown(c, w.Context())
				synctest.Wait()
				require.Empty(w, down)
				close(goOn)
				require.NoError(w, <-load)
				require.NoError(w, <-down)
				require.Equal(w, uint64(1), c.Stats().Loads.Stored)
				held := []string{w.ask(0, "mg k v"), w.ask(1, "mg k v")}
				require.Contains(w, held, "VA 3|new") // at the home
			})
		})
	}
}

// Under load, no operation that had begun is cut short: the only error is that of an operation that found the client
// closed from the start, and it has reached no node.
func TestShutdownUnderLoad(t *testing.T) {
	withEachKind(t, 2, func(t *testing.T, servers cluster) {
		for range 5 {
			c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithReplicated(), memcache.WithTimeout(longTimeout))
			require.NoError(t, c.Warmup(t.Context()))
			ctx := context.Background()
			var wg sync.WaitGroup
			var busy sync.WaitGroup
			for i := range 8 {
				busy.Add(1)
				wg.Go(func() {
					started := sync.OnceFunc(busy.Done)
					for n := 0; ; n++ {
						if n == 20 {
							started()
						}
						if err := anyOperation(ctx, c, fmt.Sprint("k", i), n); err != nil {
							started()
							checkRefused(t, err)
							return
						}
					}
				})
			}
			busy.Wait()
			require.NoError(t, c.Shutdown(t.Context()))
			wg.Wait()
		}
	})
}

func anyOperation(ctx context.Context, c *memcache.Client, key string, n int) (err error) {
	switch n % 5 {
	case 0:
		err = c.Set(ctx, item(key, "v"))
	case 1:
		_, err = c.Get(ctx, key)
	case 2:
		_, err = c.Increment(ctx, "none of "+key[1:], 1)
	case 3:
		_, err = c.GetMulti(ctx, []string{key, "a", "b"})
	default:
		_, err = c.GetOrLoad(ctx, key+"loaded", func(context.Context) (*memcache.Item, error) {
			return &memcache.Item{Value: []byte("v"), TTL: 2 * time.Second}, nil
		})
	}
	if errors.Is(err, memcache.ErrCacheMiss) || errors.Is(err, memcache.ErrMalformedKey) {
		return nil
	}
	return err
}

func checkRefused(t *testing.T, err error) {
	var op *memcache.OpError
	if !errors.Is(err, memcache.ErrClosed) || !errors.As(err, &op) || op.Node != "" || op.Outcome != pool.NotSent {
		t.Error(err)
	}
}
