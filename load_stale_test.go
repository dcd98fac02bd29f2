package memcache_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// Of all who meet a stale value, in each of the processes, one loads it again; the others use it.
func TestAStaleValueIsLoadedOnce(t *testing.T) {
	for _, n := range []int{1, 3} {
		inWorld(t, n, func(w *world) {
			s := &source{takes: time.Second, ttl: time.Hour}
			clients := []*memcache.Client{w.client(), w.client(memcache.WithLocal(w.addrs[n-1]))}
			require.NoError(w, clients[0].Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("old"), Flags: 7, TTL: time.Hour}))
			require.NoError(w, clients[1].Invalidate(w.Context(), "k", 30*time.Second))
			got := map[string]int{}
			var mu sync.Mutex
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					start := time.Now()
					it, err := clients[i%2].GetOrLoad(w.Context(), "k", s.load)
					require.NoError(w, err)
					mu.Lock()
					defer mu.Unlock()
					got[string(it.Value)]++
					require.Equal(w, string(it.Value) == "v1", time.Since(start) == time.Second)
				})
			}
			synctest.Wait()
			it, err := clients[0].Get(w.Context(), "k")
			require.NoError(w, err)
			require.Equal(w, "old", string(it.Value), "Get uses it too")
			wg.Wait()
			require.Equal(w, int64(1), s.calls.Load())
			require.Equal(w, 1, got["v1"])
			require.Equal(w, 19, got["old"])
			for _, c := range clients {
				w.gets("v1", c, unasked())
			}
			require.Equal(w, "VA 2 t3600|v1", w.ask(0, "mg k v t"))
		})
	}
}

func TestAStaleValueExpires(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c := w.client()
		require.ErrorIs(w, c.Invalidate(w.Context(), "k", time.Minute), memcache.ErrCacheMiss)
		require.NoError(w, c.Set(w.Context(), item("k", "old")))
		require.NoError(w, c.Invalidate(w.Context(), "k", 30*time.Second))
		for i := range w.servers {
			require.Equal(w, "HD t30 X W", w.ask(i, "mg k t"))
		}
		time.Sleep(31 * time.Second)
		_, err := c.Get(w.Context(), "k")
		require.ErrorIs(w, err, memcache.ErrCacheMiss)
	})
}

// A load of a stale value that fails leaves the value, and the next caller tries again.
func TestAStaleValueOutlivesALoadError(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c, failed := w.client(memcache.WithLocal(w.addrs[1])), errors.New("no database")
		require.NoError(w, c.Set(w.Context(), item("k", "old")))
		require.NoError(w, c.Invalidate(w.Context(), "k", 30*time.Second))
		_, err := c.GetOrLoad(w.Context(), "k", (&source{err: failed}).load)
		require.Equal(w, failed, err)
		other := w.client()
		it, err := other.Get(w.Context(), "k")
		require.NoError(w, err)
		require.Equal(w, "old", string(it.Value))
		w.gets("v1", other, &source{})
		w.gets("v1", c, unasked())
	})
}

// What was deleted while a stale value was being loaded again is gone.
func TestAStaleLoadThatIsOvertaken(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c, other := w.client(memcache.WithLocal(w.addrs[1])), w.client()
		require.NoError(w, c.Set(w.Context(), item("k", "old")))
		require.NoError(w, c.Invalidate(w.Context(), "k", 30*time.Second))
		w.gets("v1", c, &source{meddle: func() { require.NoError(w, other.Delete(w.Context(), "k")) }})
		for i := range w.servers {
			w.holds(i, "EN")
		}
		w.counts(c, 1, 0, 0, 1, 0, 0, 0)
	})
}

func TestEarlyRecache(t *testing.T) {
	for _, n := range []int{1, 3} {
		inWorld(t, n, func(w *world) {
			c, other, s := w.client(), w.client(memcache.WithLocal(w.addrs[n-1])), &source{ttl: time.Minute, takes: time.Second}
			early := memcache.WithEarlyRecache(20 * time.Second)
			w.gets("v1", c, s, early)
			time.Sleep(35 * time.Second)
			w.gets("v1", c, s, early)
			time.Sleep(10 * time.Second)
			s.started = make(chan struct{})
			var wg sync.WaitGroup
			wg.Go(func() { w.gets("v2", other, s, early) })
			<-s.started
			start := time.Now()
			w.gets("v1", c, s, early) // while the other loads
			require.Zero(w, time.Since(start))
			wg.Wait()
			w.gets("v2", c, s, early)
			require.Equal(w, int64(2), s.calls.Load())
		})
	}
}

func TestBackgroundReload(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c, s := w.client(memcache.WithLocal(w.addrs[1])), &source{takes: time.Second}
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("old"), Flags: 7}))
		require.NoError(w, c.Invalidate(w.Context(), "k", 30*time.Second))
		for range 3 {
			w.gets("old", c, s, memcache.WithBackgroundReload())
		}
		synctest.Wait()
		w.counts(c, 1, 0, 0, 0, 0, 0, 0)
		time.Sleep(time.Second)
		synctest.Wait()
		w.counts(c, 1, 0, 1, 0, 0, 0, 0)
		w.gets("v1", c, s, memcache.WithBackgroundReload())
		require.NoError(w, c.Delete(w.Context(), "k"))
		w.gets("v2", c, s, memcache.WithBackgroundReload()) // nothing old to return
	})
}

// An error in the background is logged, and so is a panic, which must not end the process.
func TestBackgroundErrorsAreLogged(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		var log strings.Builder
		c := w.client(memcache.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		for _, s := range []*source{{err: errors.New("no database")}, {meddle: func() { panic("oh no") }}} {
			require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("old"), Flags: 7}))
			require.NoError(w, c.Invalidate(w.Context(), "k", 30*time.Second))
			w.gets("old", c, s, memcache.WithBackgroundReload())
			synctest.Wait()
		}
		require.Contains(w, log.String(), "no database")
		require.Contains(w, log.String(), "oh no")
		w.counts(c, 2, 2, 0, 0, 0, 0, 0)
	})
}

// Close ends what is loaded in the background.
func TestCloseDuringABackgroundReload(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{takes: time.Hour}
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("old"), Flags: 7}))
		require.NoError(w, c.Invalidate(w.Context(), "k", 30*time.Second))
		w.gets("old", c, s, memcache.WithBackgroundReload())
		synctest.Wait()
		start := time.Now()
		require.NoError(w, c.Close())
		require.Zero(w, time.Since(start))
		require.Equal(w, int64(1), s.ended.Load())
	})
}

// There is only so much room in the background: who finds none waits.
func TestBackgroundReloadsAreBounded(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{takes: time.Second}
		waited := 0
		for i := range route.DefaultBackground + 1 {
			key := fmt.Sprint("k", i)
			require.NoError(w, c.Set(w.Context(), item(key, "old")))
			require.NoError(w, c.Invalidate(w.Context(), key, time.Minute))
			start := time.Now()
			it, err := c.GetOrLoad(w.Context(), key, s.load, memcache.WithBackgroundReload())
			require.NoError(w, err)
			if time.Since(start) == time.Second {
				require.NotEqual(w, "old", string(it.Value))
				waited++
			}
		}
		require.Equal(w, 1, waited)
	})
}

// A process waits for another one, whose lease then ends, and one of its own callers gets the new one by its first read:
// that is the lease of all of them.
func TestACallerBringsTheLease(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{}
		w.ask(0, "mg k v N30")
		first := w.call(w.Context(), c, s)
		require.Empty(w, first)
		w.ask(0, "md k I T30")
		start := time.Now()
		second := w.call(w.Context(), c, s)
		require.Equal(w, "v1", (<-first).value)
		require.Equal(w, "v1", (<-second).value)
		require.Less(w, time.Since(start), 100*time.Millisecond)
		w.holds(0, "VA 2|v1")
	})
}

// A stub that was invalidated is no value, for whoever reads it.
func TestAStaleStubIsNoValue(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client()
		w.ask(0, "mg k v N30")
		require.NoError(w, c.Invalidate(w.Context(), "k", 30*time.Second))
		w.gets("v1", c, &source{})
		w.counts(c, 1, 0, 1, 0, 0, 0, 0)
	})
}
