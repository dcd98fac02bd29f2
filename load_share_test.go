package memcache_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// result is what one caller got, and when.
type result struct {
	value string
	err   error
	panic any
	after time.Duration
}

// call has a caller of its own get the key; wait for it with <-.
func (w *world) call(ctx context.Context, c *memcache.Client, s *source, opts ...memcache.LoadOption) <-chan result {
	got, start := make(chan result, 1), time.Now()
	go func() {
		var r result
		defer func() {
			r.panic, r.after = recover(), time.Since(start)
			got <- r
		}()
		it, err := c.GetOrLoad(ctx, "k", s.load, opts...)
		if r.err = err; err == nil {
			r.value = string(it.Value)
			clear(it.Value) // it is the caller's own
		}
	}()
	synctest.Wait()
	return got
}

func TestCallersOfAProcessShareALoad(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c, s := w.client(), &source{takes: time.Second}
		var all []<-chan result
		for range 100 {
			all = append(all, w.call(w.Context(), c, s))
		}
		for _, got := range all {
			require.Equal(w, result{value: "v1", after: time.Second}, <-got)
		}
		w.counts(c, 1, 0, 1, 0, 0, 0, 99)
	})
}

// A caller that leaves does not end the load of those who stay, not even the one that began it. When all have left, the
// load ends, and the next caller loads at once.
func TestCallersThatLeave(t *testing.T) {
	for _, leaving := range []struct{ first, second bool }{{true, false}, {false, true}, {true, true}} {
		inWorld(t, 1, func(w *world) {
			c, s := w.client(), &source{takes: time.Second}
			ctxs := [2]context.Context{w.Context(), w.Context()}
			for i, leaves := range []bool{leaving.first, leaving.second} {
				if leaves {
					ctx, cancel := context.WithTimeout(w.Context(), 100*time.Millisecond)
					defer cancel()
					ctxs[i] = ctx
				}
			}
			got := [2]<-chan result{w.call(ctxs[0], c, s), w.call(ctxs[1], c, s)}
			for i, leaves := range []bool{leaving.first, leaving.second} {
				want := result{value: "v1", after: time.Second}
				if leaves {
					want = result{err: context.DeadlineExceeded, after: 100 * time.Millisecond}
				}
				require.Equal(w, want, <-got[i])
			}
			if !leaving.first || !leaving.second {
				w.holds(0, "VA 2|v1")
				return
			}
			synctest.Wait()
			require.Equal(w, int64(1), s.ended.Load())
			w.holds(0, "EN")
			require.Equal(w, result{value: "v2", after: time.Second}, <-w.call(w.Context(), c, s))
		})
	}
}

// Who calls while an abandoned load is still ending does not get its error.
func TestCallingBehindAnAbandonedLoad(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client()
		ctx, cancel := context.WithCancel(w.Context())
		stubborn := &source{meddle: func() { time.Sleep(200 * time.Millisecond) }, takes: time.Hour}
		left := w.call(ctx, c, stubborn)
		cancel()
		require.ErrorIs(w, (<-left).err, context.Canceled)
		got := <-w.call(w.Context(), c, &source{})
		require.Equal(w, "v1", got.value)
		require.InDelta(w, 0.2, got.after.Seconds(), 0.16)
		w.holds(0, "VA 2|v1")
	})
}

// A load goes on with the values of its caller's context.
func TestALoadSeesTheValuesOfItsCaller(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		type key struct{}
		ctx, cancel := context.WithTimeout(context.WithValue(w.Context(), key{}, "trace"), time.Second)
		defer cancel()
		_, err := w.client().GetOrLoad(ctx, "k", func(ctx context.Context) (*memcache.Item, error) {
			require.Equal(w, "trace", ctx.Value(key{}))
			_, hasDeadline := ctx.Deadline()
			require.False(w, hasDeadline)
			return item("", "v"), nil
		})
		require.NoError(w, err)
	})
}

// I2: who calls after an own write gets nothing that began to load before it.
func TestNobodyJoinsALoadAcrossAnOwnWrite(t *testing.T) {
	for name, write := range map[string]func(context.Context, *memcache.Client) error{
		"delete": func(ctx context.Context, c *memcache.Client) error { return c.Delete(ctx, "k") },
		"delete multi": func(ctx context.Context, c *memcache.Client) error {
			return c.DeleteMulti(ctx, []string{"k"})
		},
		"flush":      func(ctx context.Context, c *memcache.Client) error { return c.FlushAll(ctx) },
		"invalidate": func(ctx context.Context, c *memcache.Client) error { return c.Invalidate(ctx, "k", time.Minute) },
	} {
		for mode, opts := range map[string][]memcache.LoadOption{"": nil, " without leases": {memcache.WithoutLeases()}} {
			t.Run(name+mode, func(t *testing.T) {
				inWorld(t, 1, func(w *world) {
					c, s := w.client(), &source{takes: time.Second}
					before := w.call(w.Context(), c, s, opts...)
					if err := write(w.Context(), c); opts == nil {
						require.NoError(w, err)
					}
					after := w.call(w.Context(), c, s, opts...)
					require.Equal(w, "v1", (<-before).value)
					require.Equal(w, "v2", (<-after).value)
					w.holds(0, "VA 2|v2")
				})
			})
		}
	}
}

// I3: another process deletes the key while it is being loaded. Those who called before may have what was loaded; those
// who called later, perhaps after the Delete was acknowledged, must not. They share one more load.
func TestLateCallersOfAnOvertakenLoad(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c, other, s := w.client(memcache.WithLocal(w.addrs[1])), w.client(), &source{takes: time.Second}
		first := w.call(w.Context(), c, s)
		require.NoError(w, other.Delete(w.Context(), "k"))
		time.Sleep(500 * time.Millisecond)
		var late []<-chan result
		for range 20 {
			late = append(late, w.call(w.Context(), c, s))
		}
		gone, cancel := context.WithTimeout(w.Context(), 600*time.Millisecond)
		defer cancel()
		left := w.call(gone, c, s)
		require.Equal(w, result{value: "v1", after: time.Second}, <-first)
		for _, got := range late {
			require.Equal(w, result{value: "v2", after: 1500 * time.Millisecond}, <-got)
		}
		require.Equal(w, result{err: context.DeadlineExceeded, after: 600 * time.Millisecond}, <-left)
		w.counts(c, 2, 0, 1, 1, 0, 0, 21)
		w.holds(0, "VA 2|v2")
	})
}

// The home has stored, and the flight still clears the others, one of which is slow. Then somebody deletes the key; who
// calls after that must not get what was stored before.
func TestCallingWhileReplicasAreCleared(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c, s := w.client(memcache.WithLocal(w.addrs[1])), &source{}
		w.servers[2].Inject(memcachetest.Delay(50 * time.Millisecond))
		first := w.call(w.Context(), c, s)
		time.Sleep(25 * time.Millisecond)
		w.holds(0, "VA 2|v1")
		w.ask(0, "md k")
		late := w.call(w.Context(), c, s)
		require.Empty(w, first, "the load is under way")
		require.Equal(w, "v1", (<-first).value)
		require.Equal(w, "v2", (<-late).value)
	})
}

// Where nothing has overtaken the load, late callers share it: that it could be stored is the proof.
func TestLateCallersOfAStoredLoad(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{takes: time.Second}
		first := w.call(w.Context(), c, s)
		time.Sleep(900 * time.Millisecond)
		late := w.call(w.Context(), c, s)
		require.Equal(w, "v1", (<-first).value)
		require.Equal(w, result{value: "v1", after: 100 * time.Millisecond}, <-late)
	})
}

// With the cache gone, one load at a time still serves all who called before it began.
func TestSharingWithoutACache(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{takes: time.Second}
		w.servers[0].Kill()
		var all []<-chan result
		for range 50 {
			all = append(all, w.call(w.Context(), c, s))
		}
		for _, got := range all {
			require.LessOrEqual(w, (<-got).after, 3*time.Second)
		}
		require.LessOrEqual(w, s.calls.Load(), int64(3))
	})
}

// A load error goes to all who wait.
func TestALoadErrorGoesToAll(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{takes: time.Second, err: errors.New("no database")}
		for _, got := range []<-chan result{w.call(w.Context(), c, s), w.call(w.Context(), c, s)} {
			require.Equal(w, result{err: s.err, after: time.Second}, <-got)
		}
		w.counts(c, 1, 1, 0, 0, 0, 0, 1)
	})
}

// A panic reaches all who wait, and the client works on.
func TestALoadThatPanics(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, wrong := w.client(), errors.New("oh no")
		s := &source{meddle: func() { time.Sleep(time.Second); panic(wrong) }}
		for _, got := range []<-chan result{w.call(w.Context(), c, s), w.call(w.Context(), c, s)} {
			r := <-got
			require.ErrorIs(w, r.panic.(error), wrong)
			require.ErrorContains(w, r.panic.(error), "load_share_test.go", "the stack")
		}
		start := time.Now()
		w.gets("v1", c, &source{})
		require.Zero(w, time.Since(start), "the lease was given back")
	})
}

// So does a load that ends its goroutine, as a test that fails does.
func TestALoadThatEndsItsGoroutine(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client()
		require.Error(w, (<-w.call(w.Context(), c, &source{meddle: runtime.Goexit})).err)
		w.gets("v1", c, &source{})
	})
}

// Close ends a load, its callers and what is left of it.
func TestCloseDuringALoad(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{takes: time.Hour}
		cause := make(chan error, 1)
		got := w.call(w.Context(), c, s)
		joined := w.call(w.Context(), c, s)
		other := make(chan error, 1)
		go func() {
			_, err := c.GetOrLoad(context.Background(), "l", func(ctx context.Context) (*memcache.Item, error) {
				<-ctx.Done()
				cause <- context.Cause(ctx)
				time.Sleep(time.Second) // a load that ends slowly
				return nil, ctx.Err()
			})
			other <- err
		}()
		synctest.Wait()
		start := time.Now()
		require.NoError(w, c.Close())
		require.Equal(w, time.Second, time.Since(start), "no goroutine is left behind")
		require.Equal(w, result{err: memcache.ErrClosed}, <-got)
		require.Equal(w, result{err: memcache.ErrClosed}, <-joined)
		require.ErrorIs(w, <-other, memcache.ErrClosed)
		require.ErrorIs(w, <-cause, memcache.ErrClosed)
		_, err := c.GetOrLoad(w.Context(), "k", s.load)
		require.ErrorIs(w, err, memcache.ErrClosed)
	})
}

// Many goroutines load, leave and write, and the client is closed in the middle of it: every call returns.
func TestCloseUnderLoads(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c, s := w.client(), &source{takes: 3 * time.Millisecond}
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				for n := 0; ; n++ {
					ctx, cancel := context.WithTimeout(w.Context(), time.Duration(1+i%7)*time.Millisecond)
					_, err := c.GetOrLoad(ctx, "k", s.load)
					cancel()
					if errors.Is(err, memcache.ErrClosed) {
						return
					}
					if i%5 == 0 && n%20 == 0 {
						c.Delete(w.Context(), "k")
					}
					time.Sleep(time.Duration(i) * 100 * time.Microsecond)
				}
			})
		}
		time.Sleep(500 * time.Millisecond)
		require.NoError(w, c.Close())
		wg.Wait()
		st := c.Stats().Loads
		require.Equal(w, st.Loads, st.Errors+st.Stored+st.Void+st.Unstored)
		require.NotZero(w, st.Stored)
	})
}
