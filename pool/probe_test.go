package pool

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// swallow greets and answers nothing after that.
func swallow(p *peer) { p.discard() }

// A reply that never comes costs a few tries, where the node answers on another connection; what was in doubt is repaired.
func TestAStuckConnectionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := pipeNode(t, Config{Timeout: testTimeout})
		first := true
		n := newTestNode(t, Config{Timeout: testTimeout, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if first {
				first = false
				return scripts(swallow)(ctx, network, addr)
			}
			return s.DialContext(ctx, network, s.Addr())
		}})
		requireFailed(t, set(t.Context(), n, "small", "y"), Ambiguous, ErrTimeout)
		silent := time.Now().Add(-testTimeout)
		for get(t.Context(), n, "large").Err != nil {
			time.Sleep(time.Millisecond)
		}
		require.Less(t, time.Since(silent), 2*testTimeout+testTimeout/4+3*tick)
		requireFailed(t, get(t.Context(), n, "small"), NotSent, ErrMissedWrite)
		time.Sleep(time.Second)
		requireMiss(t, get(t.Context(), n, "small"))
		stats := n.Stats()
		require.Equal(t, []uint64{2, 1, 1}, []uint64{stats.Dials, stats.Probes, stats.Broken})
	})
}

// Where the node does not answer on another connection either, the silent one is drained, and the node left in peace.
func TestASilentNodeIsProbedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.Pause()
		require.Error(t, set(t.Context(), n, "small", "y").Err)
		time.Sleep(2 * time.Second)
		probes := n.Stats().Probes
		require.InDelta(t, 10, probes, 1, "five a second")
		time.Sleep(18 * time.Second)
		require.InDelta(t, probes+5+17, n.Stats().Probes, 2, "one a second")
		require.Zero(t, n.Stats().Broken)
		s.Resume()
		time.Sleep(time.Second)
		requireHit(t, get(t.Context(), n, "small"), "y")
		require.Zero(t, n.Stats().Broken)
		require.Equal(t, uint64(1), n.Stats().Dials)
	})
}

// A suspicion that ends before a probe is due costs none.
func TestAShortSilenceIsNotProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.Pause()
		require.Error(t, get(t.Context(), n, "small").Err)
		time.Sleep(testTimeout / 2)
		require.Equal(t, Suspect, n.Stats().State)
		s.Resume()
		time.Sleep(time.Second)
		require.Equal(t, Up, n.Stats().State)
		require.Zero(t, n.Stats().Probes)
	})
}

// A reply that came late and was followed by silence is a silence of its own, and no answer on another connection.
func TestASecondSilenceIsNoStuckConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNode(t, Config{Timeout: testTimeout, Dialect: protocol.Text, Dial: scripts(func(p *peer) {
			p.expect(2)
			time.Sleep(testTimeout + testTimeout/2 + tick/2)
			p.say("DELETED\r\n")
			p.discard()
		})})
		ops := []*Op{{Request: protocol.Request{Command: protocol.Delete, Key: "a"}}, {Request: protocol.Request{Command: protocol.Delete, Key: "b"}}}
		n.Do(t.Context(), ops)
		requireFailed(t, ops[1], Ambiguous, ErrTimeout)
		time.Sleep(testTimeout/2 + testTimeout + 2*tick)
		require.Equal(t, uint64(2), n.Stats().Suspected)
		time.Sleep(testTimeout / 3)
		require.Zero(t, n.Stats().Broken)
	})
}

// Of two connections one is stuck: what the other one answers tells so, and the node is not suspect again and again.
func TestOneOfTwoConnectionsIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hit := serveHits(valueOf)
		n := newTestNode(t, Config{Timeout: testTimeout, Conns: 2, Dial: scripts(swallow, hit)})
		read := func(stream uint64) *Op {
			op := &Op{Hash: stream, Request: protocol.Request{Command: protocol.Get, Key: "k"}}
			n.Do(t.Context(), []*Op{op})
			return op
		}
		requireFailed(t, read(0), Ambiguous, ErrTimeout)
		for n.Stats().Broken == 0 {
			read(1)
			time.Sleep(time.Millisecond)
		}
		requireHit(t, read(0), valueOf("k"))
		requireHit(t, read(1), valueOf("k"))
		require.LessOrEqual(t, n.Stats().Suspected, uint64(2))
		require.Equal(t, uint64(3), n.Stats().Dials)
	})
}
