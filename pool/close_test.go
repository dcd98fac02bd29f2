package pool

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// A goroutine that outlives its test makes synctest.Test panic, so the tests in bubbles need no look at goroutines.

func TestCallsAfterCloseFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, warm := range []bool{true, false} {
			_, n := pipeNode(t, Config{})
			if !warm {
				n = newTestNode(t, n.cfg)
			}
			require.NoError(t, n.Close())
			require.NoError(t, n.Close())
			requireFailed(t, get(t.Context(), n, "small"), NotSent, ErrClosed)
			requireFailed(t, set(t.Context(), n, "small", "y"), NotSent, ErrClosed)
		}
	})
}

func TestCloseEndsADialInFlight(t *testing.T) {
	dials := map[string]DialFunc{
		"connect": func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		"handshake": func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go io.Copy(io.Discard, server)
			return client, nil
		},
	}
	for name, dial := range dials {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTestNode(t, Config{Timeout: time.Hour, DialTimeout: time.Hour, Dial: dial})
				result := make(chan *Op)
				go func() { result <- get(t.Context(), n, "k") }()
				synctest.Wait()
				requireBy(t, 0, func() { require.NoError(t, n.Close()) })
				requireFailed(t, <-result, NotSent, ErrClosed)
			})
		})
	}
}

func TestCloseEndsEveryRole(t *testing.T) {
	situations := map[string]func(t *testing.T) *Node{
		"reader and waiters": func(t *testing.T) *Node {
			s, n := pipeNode(t, Config{Timeout: time.Hour})
			s.Pause()
			return n
		},
		"stuck flusher": func(t *testing.T) *Node {
			n, release := blocked(t, time.Hour)
			t.Cleanup(release)
			return n
		},
		"no room": func(t *testing.T) *Node {
			s, n := pipeNode(t, Config{Timeout: time.Hour, MaxOwed: 1})
			s.Pause()
			return n
		},
		"goroutine that drains": func(t *testing.T) *Node {
			s, n := pipeNode(t, Config{Timeout: testTimeout, MaxStall: time.Hour})
			s.Pause()
			requireFailed(t, get(t.Context(), n, "small"), Ambiguous, ErrTimeout)
			time.Sleep(slack)
			return n
		},
		"stuck goroutine that flushes": func(t *testing.T) *Node {
			n, release := blocked(t, testTimeout)
			t.Cleanup(release)
			require.Error(t, get(t.Context(), n, "k").Err)
			return n
		},
	}
	for name, arrange := range situations {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := arrange(t)
				results := make(chan *Op)
				for range 5 {
					go func() { results <- get(t.Context(), n, "small") }()
				}
				synctest.Wait()
				time.Sleep(3 * slack)
				requireBy(t, 0, func() { require.NoError(t, n.Close()) })
				for range 5 {
					op := <-results
					require.Error(t, op.Err)
					if n.health.suspected.Load() == nil && n.Stats().Suspected == 0 {
						require.ErrorIs(t, op.Err, ErrClosed)
					}
				}
				require.Zero(t, n.Stats().Conns)
			})
		})
	}
}

// TestCloseAmidTraffic closes nodes, twice at once, while callers use them over TCP and TLS, and finds nothing left.
func TestCloseAmidTraffic(t *testing.T) {
	plain, secured := startFake(t), realnode.StartTLS(t)
	base := countResources()
	for round := range 60 {
		cfg := Config{Addr: plain.Addr(), Timeout: 10 * time.Second, Conns: 1 + round%2}
		if round%4 == 0 {
			cfg.Addr, cfg.TLS = secured.Addr, secured.TLS
		}
		n := NewNode(cfg)
		var answered atomic.Int64
		started := make(chan struct{}, 100)
		go func() {
			for range round % 20 {
				<-started
			}
			n.Close()
		}()
		together(t, 8, func(i int) error {
			for {
				op := get(context.Background(), n, "k")
				if op.Err != nil {
					require.ErrorIs(t, op.Err, ErrClosed)
					return n.Close()
				}
				answered.Add(1)
				select {
				case started <- struct{}{}:
				default:
				}
			}
		})
	}
	requireResources(t, base)
}

// resources are what a process can leak.
type resources struct{ goroutines, descriptors int }

func countResources() resources {
	entries, _ := os.ReadDir("/proc/self/fd") // none elsewhere
	return resources{runtime.NumGoroutine(), len(entries)}
}

// requireResources waits a second at most until no more is in use than at base. The kernel and the other end of a
// connection give no signal when they have let go.
func requireResources(t *testing.T, base resources) {
	t.Helper()
	require.Eventually(t, func() bool {
		now := countResources()
		return now.goroutines <= base.goroutines+1 && now.descriptors <= base.descriptors // 1: the one that asks
	}, time.Second, time.Millisecond, "%+v, now %+v", base, countResources())
}

func TestConnectFailuresLeaveNothingBehind(t *testing.T) {
	s := startFake(t)
	addr := s.Addr()
	s.Kill() // the port stays reserved
	base := countResources()
	failures := 10_000
	if testing.Short() {
		failures = 1000
	}
	together(t, 4, func(int) error {
		for range failures / 4 {
			n := NewNode(Config{Addr: addr, Timeout: 10 * time.Second, DialTimeout: 10 * time.Second})
			requireFailed(t, get(context.Background(), n, "k"), NotSent, ErrNodeDown)
			requireFailed(t, get(context.Background(), n, "k"), NotSent, syscall.ECONNREFUSED)
			n.Close()
		}
		return nil
	})
	requireResources(t, base)
}

func TestHandshakeFailuresLeaveNothingBehind(t *testing.T) {
	secured := realnode.StartTLS(t)
	base := countResources()
	for i := range 200 {
		cfg := Config{Addr: secured.Addr, Timeout: 10 * time.Second, DialTimeout: 10 * time.Second, TLS: &tls.Config{ServerName: "x"}}
		if i%10 == 0 {
			cfg.TLS, cfg.DialTimeout = nil, time.Millisecond // no TLS: no answer
		}
		n := NewNode(cfg)
		requireFailed(t, get(t.Context(), n, "k"), NotSent, ErrNodeDown)
		n.Close()
	}
	requireResources(t, base)
}

// TestAClosedConnectionDoesNotWaitForItsPeer: the farewell of TLS would wait for a peer that does not read.
func TestAClosedConnectionDoesNotWaitForItsPeer(t *testing.T) {
	secured := realnode.StartTLS(t)
	n := newTestNode(t, Config{Addr: secured.Addr, TLS: secured.TLS, Timeout: 30 * time.Second, MaxQueued: 64 << 20,
		MaxValue: 64 << 20})
	requireMiss(t, get(t.Context(), n, "k"))
	secured.Pause()
	defer secured.Resume()
	go set(t.Context(), n, "k", strings.Repeat("x", 32<<20))
	c := n.streams[0].Load()
	require.Eventually(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.watch.writing > 1 }, 10*time.Second, time.Millisecond)
	start := time.Now()
	require.NoError(t, n.Close())
	require.Less(t, time.Since(start), 2*time.Second)
}
