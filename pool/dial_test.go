package pool

import (
	"context"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// countedDial counts the dials and how many are in flight at once.
type countedDial struct {
	dial                 DialFunc
	count, now, together atomic.Int64
}

func (d *countedDial) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d.count.Add(1)
	d.together.Store(max(d.together.Load(), d.now.Add(1)))
	defer d.now.Add(-1)
	return d.dial(ctx, network, addr)
}

// TestADeadNodeIsDialedSeldom: at most five times a second on average, one dial at a time, however many ask, and whatever
// it does wrong.
func TestADeadNodeIsDialedSeldom(t *testing.T) {
	breaks := scripts(func(p *peer) { p.expect(1) })
	refuses := scripts(func(p *peer) {
		for p.expect(1) {
			p.say("SERVER_ERROR out of order\r\n")
		}
	})
	nodes := map[string]DialFunc{
		"refuses": refuseDial(syscall.ECONNREFUSED),
		"refuses slowly": func(ctx context.Context, network, addr string) (net.Conn, error) {
			time.Sleep(50 * time.Millisecond)
			return refuseDial(syscall.EHOSTUNREACH)(ctx, network, addr)
		},
		"does not answer": func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		},
		"breaks what comes after the greeting": breaks,
		"answers errors":                       refuses,
	}
	for name, dial := range nodes {
		for _, conns := range []int{1, 3} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					d := &countedDial{dial: dial}
					n := newTestNode(t, Config{Timeout: testTimeout, Dial: d.Dial, Conns: conns})
					const seconds = 20 // the first dials, before it is known that they are of no use, come sooner
					end := time.Now().Add(seconds * time.Second)
					together(t, 5, func(i int) error {
						for time.Now().Before(end) {
							op := &Op{Hash: uint64(i), Request: protocol.Request{Command: protocol.Get, Key: "k"}}
							n.Do(t.Context(), []*Op{op})
							require.Error(t, op.Err)
							time.Sleep(4 * time.Millisecond)
						}
						return nil
					})
					t.Logf("%d dials in %d s", d.count.Load(), seconds)
					require.LessOrEqual(t, d.count.Load(), int64(5*seconds))
					require.GreaterOrEqual(t, d.count.Load(), int64(seconds/2), "it must be noticed when the node is back")
					require.Equal(t, int64(1), d.together.Load())
				})
			})
		}
	}
}

// TestADownNodeCostsNoTimeAndComesBack within a quarter of a second after it answers again.
func TestADownNodeCostsNoTimeAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.Kill()
		require.Error(t, get(t.Context(), n, "small").Err)
		for range 100 {
			requireAfter(t, 0, func() { requireFailed(t, get(t.Context(), n, "small"), NotSent, ErrNodeDown) })
			time.Sleep(77 * time.Millisecond)
		}
		require.Equal(t, Down, n.Stats().State)
		require.ErrorIs(t, n.Stats().Reason, syscall.ECONNREFUSED)
		s.Start()
		back := time.Now()
		for get(t.Context(), n, "small").Err != nil {
			time.Sleep(time.Millisecond)
			require.Less(t, time.Since(back), 250*time.Millisecond)
		}
		require.Equal(t, Up, n.Stats().State)
	})
}

// TestARestartCostsNoFailedReads: connections that were idle or in use when the node died are found out.
func TestARestartCostsNoFailedReads(t *testing.T) {
	fake := startFake(t)
	real := realnode.Start(t)
	restarts := map[string]struct {
		addr    string
		restart func()
	}{
		"memcached":    {real.Addr, func() { require.NoError(t, real.Restart()) }},
		"memcachetest": {fake.Addr(), fake.Restart},
	}
	for name, server := range restarts {
		for _, idle := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				var nodes []*Node
				for range 32 {
					cfg := patient(server.addr)
					cfg.Conns = 2
					nodes = append(nodes, newTestNode(t, cfg))
				}
				for range 3 {
					eachStream(nodes, func(op *Op) { require.NoError(t, op.Err) }, protocol.Get)
					server.restart()
					if idle {
						for _, n := range nodes {
							makeIdle(n)
						}
						eachStream(nodes, func(op *Op) { require.NoError(t, op.Err) }, protocol.Set)
						server.restart()
					}
					eachStream(nodes, func(op *Op) { require.NoError(t, op.Err) }, protocol.Get)
				}
			})
		}
	}
}

// eachStream sends one request on every connection of the nodes.
func eachStream(nodes []*Node, check func(*Op), c protocol.Command) {
	for _, n := range nodes {
		for hash := range uint64(n.cfg.Conns) {
			op := &Op{Hash: hash, Request: protocol.Request{Command: c, Key: "k"}}
			n.Do(context.Background(), []*Op{op})
			check(op)
		}
	}
}

// TestLocalTroubleIsNotTheNodes: what this machine lacks is named, the node is not called down, and it is soon tried again.
func TestLocalTroubleIsNotTheNodes(t *testing.T) {
	for _, trouble := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.EADDRNOTAVAIL, syscall.ENOMEM} {
		synctest.Test(t, func(t *testing.T) {
			s := startFake(t, memcachetest.WithPipe())
			var healthy atomic.Bool
			lacks := refuseDial(os.NewSyscallError("socket", trouble))
			d := &countedDial{dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if healthy.Load() {
					return s.DialContext(ctx, network, addr)
				}
				return lacks(ctx, network, addr)
			}}
			n := newTestNode(t, Config{Addr: s.Addr(), Timeout: testTimeout, Dial: d.Dial})
			for range 3000 {
				op := get(t.Context(), n, "k")
				requireFailed(t, op, NotSent, trouble)
				require.NotErrorIs(t, op.Err, ErrNodeDown)
				time.Sleep(time.Millisecond)
			}
			require.NotEqual(t, Down, n.Stats().State)
			require.LessOrEqual(t, d.count.Load(), int64(50), "a busy loop")
			healthy.Store(true)
			over := time.Now()
			for get(t.Context(), n, "k").Err != nil {
				time.Sleep(time.Millisecond)
			}
			require.LessOrEqual(t, time.Since(over), maxBackoff+slack)
		})
	}
}

// TestWithoutDescriptors uses up the descriptors of a process of its own.
func TestWithoutDescriptors(t *testing.T) {
	const child = "NOHOP_TEST_WITHOUT_DESCRIPTORS"
	if addr := os.Getenv(child); addr != "" {
		runWithoutDescriptors(t, addr)
		return
	}
	s := startFake(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestWithoutDescriptors$", "-test.v")
	cmd.Env = append(os.Environ(), child+"="+s.Addr())
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "PASS: TestWithoutDescriptors")
}

func runWithoutDescriptors(t *testing.T, addr string) {
	limit := syscall.Rlimit{Cur: 60, Max: 60}
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	var held []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			require.ErrorIs(t, err, syscall.EMFILE)
			break
		}
		held = append(held, f)
	}
	n := newTestNode(t, patient(addr))
	op := get(t.Context(), n, "k")
	requireFailed(t, op, NotSent, syscall.EMFILE)
	require.NotErrorIs(t, op.Err, ErrNodeDown)
	for _, f := range held {
		f.Close()
	}
	require.Eventually(t, func() bool { return get(t.Context(), n, "k").Err == nil }, time.Second, time.Millisecond)
}

func TestBackoffIsBounded(t *testing.T) {
	for range 10_000 {
		require.GreaterOrEqual(t, backoff(), int64(minBackoff))
		require.Less(t, backoff(), int64(maxBackoff))
	}
}
