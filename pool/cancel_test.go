package pool

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

const (
	testTimeout = 100 * time.Millisecond
	slack       = 10 * time.Millisecond // how late a call may return
)

// requireAfter fails if f takes less time than limit, or much more.
func requireAfter(t testing.TB, limit time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	requireBy(t, limit, f)
	require.GreaterOrEqual(t, time.Since(start), limit)
}

// requireBy fails if f takes more time than limit.
func requireBy(t testing.TB, limit time.Duration, f func()) {
	t.Helper()
	start := time.Now()
	f()
	require.LessOrEqual(t, time.Since(start), limit+slack)
}

// badServers do not answer a get of "large" in time, each in its way.
func badServers() map[string][]memcachetest.Fault {
	return map[string][]memcachetest.Fault{
		"stalls":             {memcachetest.StallAfter(0)},
		"hangs":              {memcachetest.Hang()},
		"drips":              {memcachetest.Drip(1, 20*time.Millisecond)},
		"huge length":        {memcachetest.CorruptLength(1, 8<<20).Repeat()},
		"huge length, drips": {memcachetest.CorruptLength(1, 8<<20).Repeat(), memcachetest.Drip(1000, 20*time.Millisecond)},
	}
}

// pipeNode returns a node at a fake server over a pipe, both warm, with a value of 20,000 bytes for "large".
func pipeNode(t *testing.T, cfg Config) (*memcachetest.Server, *Node) {
	s := startFake(t, memcachetest.WithPipe())
	cfg.Addr, cfg.Dial = s.Addr(), s.DialContext
	n := newTestNode(t, cfg)
	mustSet(t, n, "large", strings.Repeat("x", 20_000))
	mustSet(t, n, "small", "x")
	return s, n
}

// TestCallsReturnInTime: by the context's deadline, its cancellation or the try's end, whatever the server does.
func TestCallsReturnInTime(t *testing.T) {
	ends := map[string]struct {
		after time.Duration
		ctx   func() (context.Context, context.CancelFunc)
		err   error
	}{
		"timeout": {testTimeout, func() (context.Context, context.CancelFunc) {
			return context.Background(), func() {}
		}, ErrTimeout},
		"deadline": {33 * time.Millisecond, func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), 33*time.Millisecond)
		}, context.DeadlineExceeded},
		"cancel": {33 * time.Millisecond, func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			time.AfterFunc(33*time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled},
	}
	for server, faults := range badServers() {
		for name, end := range ends {
			for _, callers := range []int{1, 5} {
				t.Run(fmt.Sprintf("%s/%s/%d", server, name, callers), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s, n := pipeNode(t, Config{Timeout: testTimeout})
						s.Inject(faults...)
						together(t, callers, func(i int) error {
							ctx, cancel := end.ctx()
							defer cancel()
							ops := getOps("large", "small", "none")
							requireAfter(t, end.after, func() { n.Do(ctx, ops) })
							requireFailed(t, ops[0], Ambiguous, end.err)
							return nil
						})
						require.Equal(t, uint64(1), n.Stats().Dials)
					})
				})
			}
		}
	}
}

// TestEndlessItemsAreNotWaitedFor: the first is an answer, the next ones answer nothing.
func TestEndlessItemsAreNotWaitedFor(t *testing.T) {
	for name, batch := range map[string]func() []*Op{
		"hit": func() []*Op { return getOps("large") }, "batch": func() []*Op { return getOps("small", "none", "large") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, n := pipeNode(t, Config{Timeout: testTimeout})
				s.Inject(memcachetest.EndlessItems(), memcachetest.Delay(20*time.Millisecond))
				for range 5 {
					ops := batch()
					requireBy(t, testTimeout, func() { n.Do(t.Context(), ops) })
					for _, op := range ops {
						if op.Err == nil && op.Reply.Status == protocol.OK {
							requireHit(t, op, map[string]string{"small": "x", "large": strings.Repeat("x", 20_000)}[op.Request.Key])
						}
					}
				}
			})
		})
	}
}

// TestABatchReturnsInTime: a thousand replies that do not come cost no more time than one.
func TestABatchReturnsInTime(t *testing.T) {
	for _, size := range []int{1, 1000, 10_000} {
		for _, end := range []time.Duration{20 * time.Millisecond, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				s, n := pipeNode(t, Config{Timeout: testTimeout})
				s.Pause()
				ctx, cancel := context.WithTimeout(t.Context(), end)
				defer cancel()
				ops := getOps(keys(size)...)
				requireAfter(t, min(end, testTimeout), func() { n.Do(ctx, ops) })
				for _, op := range ops {
					require.Error(t, op.Err)
				}
				s.Resume()
				synctest.Wait()
				require.Equal(t, uint64(1), n.Stats().Dials)
			})
		}
	}
}

// TestAHungNodeCostsItsCallersOnce: of several nodes that work at once one hangs; the others' replies are not lost.
func TestAHungNodeCostsItsCallersOnce(t *testing.T) {
	for _, size := range []int{1, 200, 3000} {
		synctest.Test(t, func(t *testing.T) {
			hung, first := pipeNode(t, Config{Timeout: testTimeout})
			_, second := pipeNode(t, Config{Timeout: testTimeout})
			_, third := pipeNode(t, Config{Timeout: testTimeout})
			fourth := newTestNode(t, second.cfg) // not dialed yet
			hung.Pause()
			nodes := []*Node{first, second, third, fourth}
			batches := [][]*Op{}
			for range nodes {
				batches = append(batches, append(getOps("small"), getOps(keys(size)...)...))
			}
			start := time.Now()
			for i, n := range nodes {
				n.Begin(t.Context(), batches[i])
			}
			for i, n := range nodes {
				n.Flush(batches[i])
			}
			for i, n := range nodes {
				n.Wait(t.Context(), batches[i])
			}
			require.LessOrEqual(t, time.Since(start), testTimeout+slack)
			for i, ops := range batches {
				for _, op := range ops {
					require.Equal(t, i > 0, op.Err == nil, "node %d: %v", i, op.Err)
				}
			}
			time.Sleep(slack)
			synctest.Wait()
			require.Equal(t, Suspect, first.Stats().State)
			for _, n := range nodes[1:] {
				require.Zero(t, n.Stats().Suspected, "a node whose replies nobody had read")
			}
			hung.Resume()
			synctest.Wait()
		})
	}
}

// TestALateReplyIsDroppedAndTheConnectionKept also shows that nobody else gets it.
func TestALateReplyIsDroppedAndTheConnectionKept(t *testing.T) {
	for _, key := range []string{"small", "large", "none"} {
		synctest.Test(t, func(t *testing.T) {
			s, n := pipeNode(t, Config{Timeout: testTimeout})
			s.Pause()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			requireFailed(t, get(ctx, n, key), Ambiguous, context.DeadlineExceeded)
			require.Equal(t, 1, n.Stats().Owed)
			s.Resume()
			requireHit(t, get(t.Context(), n, "small"), "x")
			require.Equal(t, 0, n.Stats().Owed)
			require.Equal(t, uint64(1), n.Stats().Dials)
		})
	}
}

// TestACancelledCallCostsNobodyElse has callers that give up among callers that do not.
func TestACancelledCallCostsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: time.Second})
		s.Inject(memcachetest.Delay(7 * time.Millisecond))
		together(t, 40, func(i int) error {
			for round := range 50 {
				if i%2 == 0 {
					op := get(context.Background(), n, []string{"large", "small"}[round%2])
					if op.Err != nil {
						return op.Err
					}
					continue
				}
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(round%12)*time.Millisecond)
				get(ctx, n, "large")
				cancel()
			}
			return nil
		})
		requireKept(t, n)
		require.Zero(t, n.Stats().Suspected)
	})
}

// TestCancelledInEveryRole cancels the reader, a waiter that is parked, and one that reads a large value.
func TestCancelledInEveryRole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: time.Second})
		s.Inject(memcachetest.Drip(100, time.Millisecond)) // the large value takes 200 ms
		reader, stopReader := context.WithCancel(t.Context())
		waiter, stopWaiter := context.WithCancel(t.Context())
		results := make(chan *Op, 3)
		for _, ctx := range []context.Context{reader, waiter, t.Context()} {
			go func() { results <- get(ctx, n, "large") }()
			synctest.Wait()
		}
		time.Sleep(20 * time.Millisecond)
		requireAfter(t, 0, func() {
			stopWaiter()
			requireFailed(t, <-results, Ambiguous, context.Canceled)
		})
		time.Sleep(20 * time.Millisecond)
		requireAfter(t, 0, func() {
			stopReader()
			requireFailed(t, <-results, Ambiguous, context.Canceled)
		})
		requireHit(t, <-results, strings.Repeat("x", 20_000))
		require.Equal(t, uint64(1), n.Stats().Dials)
	})
}

// TestCallersMemoryIsLeftAloneAfterReturn gives up reads of large values half way and looks for later changes.
func TestCallersMemoryIsLeftAloneAfterReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: time.Second})
		s.Inject(memcachetest.Drip(2000, time.Millisecond))
		together(t, 8, func(i int) error {
			for round := range 30 {
				dst := make([]byte, 5, 30_000)
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+(i*7+round)%30)*time.Millisecond)
				op := &Op{Dst: dst, Request: protocol.Request{Command: protocol.Get, Key: "large"}}
				n.Do(ctx, []*Op{op})
				cancel()
				canary := dst[:cap(dst)]
				for i := range canary { // the race detector sees a write that comes later
					canary[i] = 0xAA
				}
				time.Sleep(15 * time.Millisecond)
				if bytes.Count(canary, []byte{0xAA}) != len(canary) {
					return fmt.Errorf("memory was written after the call had returned")
				}
			}
			return nil
		})
		requireKept(t, n)
	})
}

// blocked returns a node at a server that reads nothing after the handshake until release is called, and whose
// connection has no buffer: whoever writes to it waits.
func blocked(t *testing.T, timeout time.Duration) (n *Node, release func()) {
	reading := make(chan struct{})
	n = newTestNode(t, Config{Timeout: timeout, Dial: scripts(func(p *peer) {
		<-reading
		serveHits(valueOf)(p)
	})})
	return n, sync.OnceFunc(func() { close(reading) })
}

func TestTheFlusherReturnsInTimeThoughItsWriteIsStuck(t *testing.T) {
	for _, deadline := range []time.Duration{0, 3 * time.Millisecond, 30 * time.Millisecond, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			n, release := blocked(t, testTimeout)
			defer release()
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			requireAfter(t, min(deadline, testTimeout), func() {
				require.Error(t, get(ctx, n, "first").Err)
			})
			requireBy(t, testTimeout, func() { require.Error(t, get(t.Context(), n, "second").Err) })
			release()
			synctest.Wait()
			requireHit(t, get(t.Context(), n, "third"), valueOf("third"))
			require.Equal(t, uint64(1), n.Stats().Dials, "what was half written must be finished, not given up")
		})
	}
}

// A write over TLS cannot be interrupted and go on, so there a stuck flusher returns when its try is over, and the
// connection ends.
func TestTheFlusherReturnsInTimeOverTLS(t *testing.T) {
	secured := realnode.StartTLS(t)
	n := newTestNode(t, Config{Addr: secured.Addr, TLS: secured.TLS, Timeout: time.Second, DialTimeout: 10 * time.Second})
	mustSet(t, n, "k", "v")
	secured.Pause()
	defer secured.Resume()
	start := time.Now()
	op := set(t.Context(), n, "large", strings.Repeat("x", 8<<20))
	require.Error(t, op.Err)
	require.Less(t, time.Since(start), 3*time.Second)
}

// TestReadsOverTLSAreInterruptedAndGoOn: a read deadline in the middle of a TLS record must lose nothing.
func TestReadsOverTLSAreInterruptedAndGoOn(t *testing.T) {
	secured := realnode.StartTLS(t)
	n := newTestNode(t, Config{Addr: secured.Addr, TLS: secured.TLS, Timeout: 20 * time.Second})
	for i := range 20 {
		key := fmt.Sprint("k", i)
		mustSet(t, n, key, string(sealed(key, 40+i*5000)))
	}
	together(t, 8, func(i int) error { return readAndCancel(n, i, 300) })
	requireKept(t, n)
}

// readAndCancel reads sealed values and gives most of them up at a random moment.
func readAndCancel(n *Node, seed, rounds int) error {
	rnd := rand.New(rand.NewPCG(uint64(seed), 3))
	for range rounds {
		key := fmt.Sprint("k", rnd.IntN(20))
		ctx, cancel := context.WithCancel(context.Background())
		if rnd.IntN(3) > 0 {
			time.AfterFunc(time.Duration(rnd.IntN(300))*time.Microsecond, cancel)
		}
		op := get(ctx, n, key)
		cancel()
		if op.Err == nil {
			if err := checkSealed(key, op.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestTenThousandCancelsLeaveTheConnectionInSync(t *testing.T) {
	n := newTestNode(t, patient(realnode.Start(t).Addr))
	for i := range 20 {
		key := fmt.Sprint("k", i)
		mustSet(t, n, key, string(sealed(key, 40+i*i*60)))
	}
	together(t, 16, func(i int) error { return readAndCancel(n, i, 950) }) // two of three are cancelled
	require.NoError(t, readAndCancel(n, 99, 10))
	requireKept(t, n)
}

// TestWaitersForRoomReturnInTime fills a connection that owes one reply at most.
func TestWaitersForRoomReturnInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout, MaxOwed: 1})
		s.Pause()
		together(t, 10, func(i int) error {
			requireAfter(t, testTimeout, func() {
				op := get(t.Context(), n, "small")
				require.ErrorIs(t, op.Err, ErrTimeout)
			})
			return nil
		})
		s.Resume()
		time.Sleep(tick) // those that read have given up: the watch has the answer heard
		synctest.Wait()
		requireHit(t, get(t.Context(), n, "small"), "x")
	})
}

// TestWaitingForADialEndsInTime: the dial goes on for those who come later.
func TestWaitingForADialEndsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		n := newTestNode(t, Config{Timeout: testTimeout, DialTimeout: time.Second, Addr: s.Addr(),
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				time.Sleep(300 * time.Millisecond)
				return s.DialContext(ctx, network, addr)
			}})
		requireAfter(t, testTimeout, func() { requireFailed(t, get(t.Context(), n, "k"), NotSent, ErrTimeout) })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		requireAfter(t, 20*time.Millisecond, func() {
			requireFailed(t, get(ctx, n, "k"), NotSent, context.DeadlineExceeded)
		})
		time.Sleep(200 * time.Millisecond)
		requireMiss(t, get(t.Context(), n, "k"))
		require.Equal(t, uint64(1), n.Stats().Dials)
	})
}
