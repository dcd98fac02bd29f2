package pool

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// restTime is more than it takes a node to rest that nobody asks for.
const restTime = (maxUnwanted + 2) * maxBackoff

// downServer is what a node dials that is down.
type downServer struct {
	*memcachetest.Server
	countedDial
	hangs atomic.Bool // the next dials
}

// newDownNode returns a node over a pipe, to a server that was killed after it had served.
func newDownNode(t *testing.T, cfg Config) (*Node, *downServer) {
	s := &downServer{Server: startFake(t, memcachetest.WithPipe())}
	s.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if s.hangs.Load() {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return s.DialContext(ctx, network, addr)
	}
	cfg.Addr, cfg.Dial = s.Addr(), s.Dial
	n := newTestNode(t, cfg)
	mustSet(t, n, "k", "v")
	s.Kill()
	require.Error(t, get(t.Context(), n, "k").Err)
	require.Equal(t, Down, n.Stats().State)
	return n, s
}

// TestADownNodeIsBackUnasked: nobody has to ask for a node that is down, and be refused, before it is found to be back.
func TestADownNodeIsBackUnasked(t *testing.T) {
	for _, conns := range []int{0, 1, 3} {
		synctest.Test(t, func(t *testing.T) {
			n, s := newDownNode(t, Config{Timeout: testTimeout, Conns: conns})
			time.Sleep(3 * time.Second)
			s.Start()
			time.Sleep(maxBackoff + slack)
			require.Equal(t, Up, n.Stats().State)
			for hash := range uint64(max(conns, 1)) {
				op := &Op{Hash: hash, Request: protocol.Request{Command: protocol.Get, Key: "k"}}
				n.Do(t.Context(), []*Op{op})
				require.NoError(t, op.Err)
			}
			require.LessOrEqual(t, n.Stats().Dials, uint64(1+15+2+2*max(conns, 1)))
		})
	}
}

// TestADownNodeRestsUnasked: a process that has no use for a dead node stops dialing it. The next caller waits for a dial, and
// is not told what was true long ago; from then on it is as before.
func TestADownNodeRestsUnasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := newDownNode(t, Config{Timeout: testTimeout})
		for range 3 {
			before := s.count.Load()
			time.Sleep(30 * 24 * time.Hour)
			require.InDelta(t, maxUnwanted, s.count.Load()-before, 3)
			require.Equal(t, Down, n.Stats().State)
			requireFailed(t, get(t.Context(), n, "k"), NotSent, syscall.ECONNREFUSED)
			requireAfter(t, 0, func() { requireFailed(t, get(t.Context(), n, "k"), NotSent, ErrNodeDown) })
		}
		time.Sleep(restTime)
		s.Start()
		time.Sleep(time.Hour)
		require.Equal(t, Down, n.Stats().State)
		requireMiss(t, get(t.Context(), n, "k"))
	})
}

// TestADownNodeThatIsWantedNeverRests: one request in half a minute is enough.
func TestADownNodeThatIsWantedNeverRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := newDownNode(t, Config{Timeout: testTimeout})
		s.hangs.Store(true)
		time.Sleep(time.Second)
		before := s.count.Load()
		for range 20 {
			time.Sleep(30 * time.Second)
			requireAfter(t, 0, func() { requireFailed(t, get(t.Context(), n, "k"), NotSent, ErrNodeDown) })
		}
		require.LessOrEqual(t, s.count.Load()-before, int64(600*5))
		require.GreaterOrEqual(t, s.count.Load()-before, int64(600*4))
		require.Equal(t, int64(1), s.together.Load())
	})
}

// TestANodeThatRestsRefuses those who ask whether it would, without waiting, and is dialed for them; who asks it all the same
// waits for that dial, no longer than a try.
func TestANodeThatRestsRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := newDownNode(t, Config{Timeout: testTimeout})
		time.Sleep(restTime)
		s.hangs.Store(true)
		op := &Op{Request: protocol.Request{Command: protocol.Get, Key: "k"}}
		before := s.count.Load()
		for range 3 {
			requireAfter(t, 0, func() { require.True(t, n.Refuses(op)) })
		}
		requireAfter(t, testTimeout, func() { requireFailed(t, get(t.Context(), n, "k"), NotSent, ErrTimeout) })
		require.Equal(t, before+1, s.count.Load())
		time.Sleep(maxDialTimeout)
		requireAfter(t, 0, func() { requireFailed(t, get(t.Context(), n, "k"), NotSent, ErrNodeDown) })
		require.True(t, n.Refuses(op))

		time.Sleep(restTime)
		s.hangs.Store(false)
		s.Start()
		require.True(t, n.Refuses(op))
		synctest.Wait()
		require.False(t, n.Refuses(op))
		require.Equal(t, Up, n.Stats().State)
	})
}

// TestNextDial ends when the node has been dialed once more, whether the node rests, waits for its next dial, or is closed.
func TestNextDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, s := newDownNode(t, Config{Timeout: testTimeout})
		for _, idle := range []time.Duration{0, restTime} {
			time.Sleep(idle)
			before := s.count.Load()
			requireBy(t, maxBackoff, func() { <-n.NextDial() })
			require.Equal(t, before+1, s.count.Load())
			require.Equal(t, Down, n.Stats().State)
		}
		s.Start()
		requireBy(t, maxBackoff, func() { <-n.NextDial() })
		require.Equal(t, Up, n.Stats().State)
		require.Nil(t, n.NextDial())

		n, s = newDownNode(t, Config{Timeout: testTimeout})
		next, before := n.NextDial(), s.count.Load()
		require.NoError(t, n.Close())
		requireAfter(t, 0, func() { <-next })
		require.Nil(t, n.NextDial())
		time.Sleep(restTime)
		require.Equal(t, before, s.count.Load(), "a closed node is not dialed")
	})
}

// TestManyConnectionsThatBreakAreRedialed: each break puts the next dial off, and it comes all the same.
func TestManyConnectionsThatBreakAreRedialed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &countedDial{dial: scripts(func(p *peer) { p.expect(1) })}
		n := newTestNode(t, Config{Timeout: testTimeout, Dial: d.Dial, Conns: 3})
		ask := func(hash uint64) {
			op := &Op{Hash: hash, Request: protocol.Request{Command: protocol.Get, Key: "k"}}
			n.Do(t.Context(), []*Op{op})
			require.Error(t, op.Err)
		}
		for range maxBarren {
			ask(0)
		}
		for range 10 {
			time.Sleep(2 * time.Second)
			require.Equal(t, 3, n.Stats().Conns)
			for hash := range uint64(3) {
				ask(hash)
				time.Sleep(maxBackoff / 3)
			}
		}
	})
}

// TestCloseEndsRedials: not the timer, nor a dial of its that is under way, outlives the node.
func TestCloseEndsRedials(t *testing.T) {
	for _, after := range []time.Duration{0, minBackoff - 1, minBackoff, maxBackoff, maxBackoff + 50*time.Millisecond, restTime} {
		synctest.Test(t, func(t *testing.T) {
			n, s := newDownNode(t, Config{Timeout: testTimeout})
			s.hangs.Store(true)
			time.Sleep(after)
			requireAfter(t, 0, func() { require.NoError(t, n.Close()) })
			count := s.count.Load()
			time.Sleep(time.Hour)
			require.Equal(t, count, s.count.Load())
			requireFailed(t, get(t.Context(), n, "k"), NotSent, ErrClosed)
		})
	}
}
