package memcache_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// world is some servers in a bubble, in which time costs nothing. The first one is the home of the key "k".
type world struct {
	*testing.T
	servers []*memcachetest.Server
	addrs   []string
}

// inWorld tells a story with n servers.
func inWorld(t *testing.T, n int, story func(*world), opts ...memcachetest.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t}
		for i := range n {
			addr := fmt.Sprintf("node-%d:11211", i)
			s := memcachetest.NewServer(append(opts, memcachetest.WithPipeAddr(addr))...)
			defer s.Close()
			w.servers, w.addrs = append(w.servers, s), append(w.addrs, addr)
		}
		story(w)
	})
}

// client returns a client, which is another process to the servers.
func (w *world) client(opts ...memcache.Option) *memcache.Client {
	w.Helper()
	all := []memcache.Option{memcache.WithServers(w.addrs...), memcache.WithDialer(memcachetest.Dialer(w.servers...))}
	if len(w.servers) > 1 {
		all = append(all, memcache.WithReplicated(), memcache.WithRule("k", w.addrs...))
	}
	return newClient(w, append(all, opts...)...)
}

// ask sends lines to server i, past the clients, and returns the lines of the answer.
func (w *world) ask(i int, request string) string {
	w.Helper()
	conn, err := w.servers[i].DialContext(w.Context(), "", "")
	require.NoError(w, err)
	defer conn.Close()
	_, err = conn.Write([]byte(request + "\r\nmn\r\n"))
	require.NoError(w, err)
	var lines []string
	for s := bufio.NewScanner(conn); s.Scan() && s.Text() != "MN"; {
		lines = append(lines, s.Text())
	}
	return strings.Join(lines, "|")
}

// hold is a server's answer to what server i holds under "k".
func (w *world) holds(i int, want string) {
	w.Helper()
	require.Equal(w, want, w.ask(i, "mg k v"), "server %d", i)
}

// source is where values are loaded from: "v1", "v2" and so on, each after some time.
type source struct {
	calls   atomic.Int64
	takes   time.Duration
	err     error
	ttl     time.Duration
	ended   atomic.Int64 // loads whose context ended first
	meddle  func()       // in the middle of a load
	started chan struct{}
}

func (s *source) load(ctx context.Context) (*memcache.Item, error) {
	n := s.calls.Add(1)
	if s.started != nil {
		s.started <- struct{}{}
	}
	if s.meddle != nil {
		s.meddle()
	}
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		s.ended.Add(1)
		return nil, ctx.Err()
	}
	if s.err != nil {
		return nil, s.err
	}
	return &memcache.Item{Value: fmt.Append(nil, "v", n), Flags: 7, TTL: s.ttl}, nil
}

// gets asserts what GetOrLoad returns.
func (w *world) gets(want string, c *memcache.Client, s *source, opts ...memcache.LoadOption) {
	w.Helper()
	it, err := c.GetOrLoad(w.Context(), "k", s.load, opts...)
	require.NoError(w, err)
	require.Equal(w, want, string(it.Value))
	require.Equal(w, "k", it.Key)
	require.Equal(w, uint32(7), it.Flags)
}

// counts asserts the statistics of a client, in the order of the fields.
func (w *world) counts(c *memcache.Client, loads, failed, stored, void, unstored, waited, shared uint64) {
	w.Helper()
	require.Equal(w, memcache.LoadStats{Loads: loads, Errors: failed, Stored: stored, Void: void, Unstored: unstored,
		Waited: waited, Shared: shared}, c.Stats().Loads)
}

func TestGetOrLoadLoadsOnceAndStores(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, other, s := w.client(), w.client(), &source{ttl: time.Minute}
		w.gets("v1", c, s)
		w.gets("v1", c, s)
		w.gets("v1", other, s)
		w.counts(c, 1, 0, 1, 0, 0, 0, 0)
		require.Equal(w, "VA 2 t60 f7|v1", w.ask(0, "mg k v t f"))
		time.Sleep(2 * time.Minute)
		w.gets("v2", other, s)
	})
}

// The value is at the key's home; the others are clear of what they may have had.
func TestALoadIsStoredAtTheHome(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		w.ask(2, "ms k 3\r\nold") // the home has lost it, this one has not
		local := w.client(memcache.WithLocal(w.addrs[1]))
		w.gets("v1", local, &source{})
		w.holds(0, "VA 2|v1")
		w.holds(1, "EN")
		w.holds(2, "EN")
		w.gets("v1", w.client(memcache.WithLocal(w.addrs[2])), &source{})
	})
}

func TestALocalHitAsksNobodyElse(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c := w.client(memcache.WithLocal(w.addrs[1]))
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("v"), Flags: 7}))
		w.gets("v", c, unasked())
		for i, want := range []int{0, 1, 0} {
			require.Equal(w, want, w.servers[i].Stats().Gets)
		}
	})
}

// unasked is a source that must not be asked.
func unasked() *source { return &source{err: errors.New("loaded")} }

// Another process has the lease: this one waits until it has stored, and reads that.
func TestWaitingForAnotherProcess(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, other := w.client(), w.client()
		first := &source{takes: 500 * time.Millisecond, started: make(chan struct{})}
		var wg sync.WaitGroup
		wg.Go(func() { w.gets("v1", other, first) })
		<-first.started
		start := time.Now()
		w.gets("v1", c, unasked())
		require.InDelta(w, 0.5, time.Since(start).Seconds(), 0.16)
		w.counts(c, 0, 0, 0, 0, 0, 1, 0)
		wg.Wait()
	})
}

// The process that has the lease is dead. Others wait as long as they may, load for themselves, and when the lease has
// expired one of them gets it.
func TestADeadLeaseHolder(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{}
		w.ask(0, "mg k v N5")
		start := time.Now()
		w.gets("v1", c, s)
		require.Equal(w, time.Second, time.Since(start))
		w.holds(0, "VA 0 Z|")
		w.gets("v2", c, s, memcache.WithWait(0))
		require.Equal(w, time.Second, time.Since(start))
		_, err := c.GetOrLoad(w.Context(), "k", s.load, memcache.WithErrBusy(), memcache.WithWait(100*time.Millisecond))
		require.ErrorIs(w, err, memcache.ErrBusy)
		w.counts(c, 2, 0, 0, 0, 2, 2+1, 0)
		w.gets("v3", c, s, memcache.WithWait(10*time.Second))
		w.holds(0, "VA 2|v3")
		require.InDelta(w, 5, time.Since(start).Seconds(), 1.2)
	})
}

// I6: whatever ends the lease while a value is being loaded keeps that value out of the cache.
func TestALoadThatIsOvertaken(t *testing.T) {
	for name, test := range map[string]struct {
		meddle func(*world, *memcache.Client) error
		after  string
	}{
		"delete": {func(w *world, c *memcache.Client) error {
			if err := c.Delete(w.Context(), "k"); !errors.Is(err, memcache.ErrCacheMiss) {
				return err // of three replicas, one had the stub
			}
			return nil
		}, "EN"},
		"set":        {func(w *world, c *memcache.Client) error { return c.Set(w.Context(), item("k", "new")) }, "VA 3|new"},
		"flush":      {func(w *world, c *memcache.Client) error { return c.FlushAll(w.Context()) }, "EN"},
		"expiry":     {func(*world, *memcache.Client) error { time.Sleep(10 * time.Second); return nil }, "EN"},
		"invalidate": {func(w *world, c *memcache.Client) error { return c.Invalidate(w.Context(), "k", time.Minute) }, "VA 0 X W|"},
		"restart":    {func(w *world, _ *memcache.Client) error { w.servers[0].Restart(); return nil }, "EN"},
		"later lease": {func(w *world, _ *memcache.Client) error {
			w.ask(0, "md k")
			w.ask(0, "mg k v N30")
			return nil
		}, "VA 0 Z|"},
	} {
		for _, n := range []int{1, 3} {
			t.Run(fmt.Sprint(name, n), func(t *testing.T) {
				inWorld(t, n, func(w *world) {
					for _, c := range []*memcache.Client{w.client(), w.client(memcache.WithLocal(w.addrs[n-1]))} {
						for i := range n {
							w.ask(i, "md k")
						}
						s := &source{meddle: func() { require.NoError(w, test.meddle(w, w.client())) }}
						w.gets("v1", c, s)
						w.holds(0, test.after)
						stats := c.Stats().Loads
						require.Equal(w, uint64(1), stats.Void+stats.Unstored)
						require.Zero(w, stats.Stored)
					}
				})
			})
		}
	}
}

// A load error is the caller's, nothing is stored, and the next caller loads at once.
func TestALoadErrorEndsTheLease(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c, failed := w.client(memcache.WithLocal(w.addrs[2])), errors.New("no database")
		_, err := c.GetOrLoad(w.Context(), "k", (&source{err: failed}).load)
		require.Equal(w, failed, err)
		w.counts(c, 1, 1, 0, 0, 0, 0, 0)
		w.holds(0, "EN")
		start := time.Now()
		w.gets("v1", w.client(), &source{})
		require.Zero(w, time.Since(start))
	})
}

func TestBadLoads(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client()
		_, err := c.GetOrLoad(w.Context(), "k", nil)
		require.Error(w, err)
		_, err = c.GetOrLoad(w.Context(), "k", func(context.Context) (*memcache.Item, error) { return nil, nil })
		require.Error(w, err)
		_, err = c.GetOrLoad(w.Context(), "secret key", (&source{}).load)
		require.ErrorIs(w, err, memcache.ErrMalformedKey)
		require.NotContains(w, err.Error(), "secret")
		_, err = c.GetOrLoad(w.Context(), "k", (&source{ttl: 50 * 365 * 24 * time.Hour}).load)
		require.ErrorIs(w, err, memcache.ErrInvalidTTL)
		for _, opt := range []memcache.LoadOption{memcache.WithLease(0), memcache.WithLease(-1), memcache.WithWait(-1),
			memcache.WithEarlyRecache(0), memcache.WithEarlyRecache(-time.Second)} {
			_, err = c.GetOrLoad(w.Context(), "k", (&source{}).load, opt)
			require.ErrorIs(w, err, memcache.ErrBadOption)
		}
		_, err = c.GetOrLoad(w.Context(), "k", (&source{}).load, memcache.WithEarlyRecache(31*24*time.Hour))
		require.Error(w, err)
		for _, d := range []time.Duration{0, -1} {
			require.ErrorIs(w, c.Invalidate(w.Context(), "k", d), memcache.ErrInvalidTTL)
		}
		w.holds(0, "EN") // no lease is left
		w.gets("v1", c, &source{}, memcache.LoadOption{})
	})
}

// A value that the cache does not take is the caller's all the same, and nobody waits for it.
func TestAValueThatIsTooLarge(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		for size, c := range map[int]*memcache.Client{2000: w.client(memcache.WithMaxValue(1000)), 2 << 20: w.client()} {
			it, err := c.GetOrLoad(w.Context(), "k", func(context.Context) (*memcache.Item, error) {
				return &memcache.Item{Value: make([]byte, size)}, nil
			})
			require.NoError(w, err)
			require.Len(w, it.Value, size)
			w.counts(c, 1, 0, 0, 0, 1, 0, 0)
			w.holds(0, "EN")
		}
	})
}

// A value that has expired since it was made, as one that lives until some moment may, is the caller's all the same.
func TestAValueThatHasExpired(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client()
		w.gets("v1", c, &source{ttl: -time.Nanosecond})
		w.counts(c, 1, 0, 0, 0, 1, 0, 0)
		w.holds(0, "EN") // no lease is left
		w.gets("v1", c, &source{ttl: -time.Hour}, memcache.WithoutLeases())
		w.counts(c, 2, 0, 0, 0, 2, 0, 0)
		w.holds(0, "EN")
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("old")}))
		require.NoError(w, c.Invalidate(w.Context(), "k", time.Minute))
		w.gets("v1", c, &source{ttl: -1})
		w.gets("v1", c, &source{})
	})
}

// While the home is down a replica's value is good, and what nobody has is loaded and not stored.
func TestTheHomeIsDown(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c, s := w.client(memcache.WithLocal(w.addrs[1])), &source{}
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("v"), Flags: 7}))
		w.servers[0].Kill()
		w.gets("v", c, s)
		require.NoError(w, c.Delete(w.Context(), "k")) // as far as the others are concerned
		w.gets("v1", c, s)
		w.gets("v2", c, s)
		w.counts(c, 2, 0, 0, 0, 2, 0, 0)
		w.holds(1, "EN")
		w.holds(2, "EN")
	})
}

// With all nodes gone the application works on, without a cache.
func TestAllNodesAreDown(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c := w.client()
		for _, s := range w.servers {
			s.Kill()
		}
		w.gets("v1", c, &source{})
		_, err := c.GetOrLoad(w.Context(), "", (&source{}).load)
		require.ErrorIs(w, err, memcache.ErrMalformedKey)
	})
}

// The home hangs after it has given the lease: the value is loaded, and the fill is ambiguous.
func TestTheHomeHangsDuringALoad(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{meddle: w.servers[0].Pause}
		w.gets("v1", c, s)
		w.counts(c, 1, 0, 0, 0, 1, 0, 0)
		w.servers[0].Resume()
	})
}

func TestServersWithoutLeases(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{takes: time.Millisecond}
		_, err := c.GetOrLoad(w.Context(), "k", s.load)
		require.ErrorIs(w, err, memcache.ErrUnsupported)
		require.ErrorIs(w, c.Invalidate(w.Context(), "k", time.Minute), memcache.ErrUnsupported)
		require.Zero(w, s.calls.Load())
		w.gets("v1", c, s, memcache.WithoutLeases())
		w.gets("v1", c, s, memcache.WithoutLeases())
		w.counts(c, 1, 0, 1, 0, 0, 0, 0)
	}, memcachetest.WithoutMeta(), memcachetest.WithVersion("1.4.39"))
}

// Without leases, too, an own write while a value is loaded keeps it out; and another process's value stays.
func TestWithoutLeasesOvertaken(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(memcache.WithTextProtocol()), &source{}
		s.meddle = func() { require.ErrorIs(w, c.Delete(w.Context(), "k"), memcache.ErrCacheMiss) }
		w.gets("v1", c, s, memcache.WithoutLeases())
		w.holds(0, "EN")
		s.meddle = func() { w.ask(0, "ms k 5\r\nother") }
		w.gets("v2", c, s, memcache.WithoutLeases())
		w.holds(0, "VA 5|other")
		w.counts(c, 2, 0, 0, 1, 1, 0, 0)
	})
}

// A server that keeps no CAS (-C) cannot fill a lease: the value is loaded and not stored.
func TestServersWithoutCAS(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(), &source{}
		w.gets("v1", c, s)
		w.counts(c, 1, 0, 0, 1, 0, 0, 0)
	}, memcachetest.WithoutCAS())
}

func TestBinaryKeysAreLoaded(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c, s := w.client(memcache.WithBinaryKeys()), &source{}
		for range 2 {
			it, err := c.GetOrLoad(w.Context(), "a b\r\n", s.load)
			require.NoError(w, err)
			require.Equal(w, "v1", string(it.Value))
		}
		require.NoError(w, c.Delete(w.Context(), "a b\r\n"))
		_, err := c.GetOrLoad(w.Context(), "a b\r\n", (&source{err: context.Canceled}).load)
		require.ErrorIs(w, err, context.Canceled)
		_, err = c.Get(w.Context(), "a b\r\n")
		require.ErrorIs(w, err, memcache.ErrCacheMiss)
		require.Equal(w, "EN", w.ask(0, "mg YSBiDQo= b v"))
	})
}

// TestADeniedKeyIsNotLoaded: what a rule denies is not to cost the cache's source anything either.
func TestADeniedKeyIsNotLoaded(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		c := w.client(memcache.WithKeyRules(hotkey.Rule{Prefix: "bad:", Action: hotkey.Action{Kind: hotkey.Deny}}))
		load := func(context.Context) (*memcache.Item, error) { return item("", "loaded"), nil }
		_, err := c.GetOrLoad(w.Context(), "bad:1", load)
		require.ErrorIs(w, err, memcache.ErrDenied)
		_, err = c.GetOrLoad(w.Context(), "bad:1", load, memcache.WithoutLeases())
		require.ErrorIs(w, err, memcache.ErrDenied)
		one := func(context.Context) (int, error) { return 1, nil }
		_, err = memcache.Load(w.Context(), c, "bad:1", memcache.JSON[int]{}, time.Hour, one)
		require.ErrorIs(w, err, memcache.ErrDenied)
		require.Zero(w, c.Stats().Loads)
	})
}
