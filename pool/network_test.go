package pool_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/netlab"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

const tryTime = 100 * time.Millisecond

// read asks n for a key that is not there.
func read(n *pool.Node) error {
	op := &pool.Op{Request: protocol.Request{Command: protocol.Get, Key: "absent"}}
	n.Do(context.Background(), []*pool.Op{op})
	return op.Err
}

// timed returns how long f took.
func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func TestAVanishedPeerIsSuspectAfterOneTryAndItsConnectionEnds(t *testing.T) {
	host := netlab.Start(t)
	n := pool.NewNode(pool.Config{Addr: host.Addr, Timeout: tryTime})
	defer n.Close()
	require.NoError(t, read(n))

	host.Drop()
	took := timed(func() { require.ErrorIs(t, read(n), pool.ErrTimeout) })
	require.Less(t, took, 2*tryTime)
	require.Eventually(t, func() bool { return n.Stats().State == pool.Suspect }, tryTime, time.Millisecond)
	took = timed(func() { require.ErrorIs(t, read(n), pool.ErrNodeDown) })
	require.Less(t, took, tryTime/2, "a suspect node costs its callers nothing")
	require.Eventually(t, func() bool { return n.Stats().Broken == 1 }, 5*time.Second, 10*time.Millisecond,
		"data that stays unacknowledged for 2 s ends the connection")

	host.Heal()
	require.Eventually(t, func() bool { return read(n) == nil }, 5*time.Second, 10*time.Millisecond)
	require.Equal(t, pool.Up, n.Stats().State)
}

func TestAVanishedIdlePeerIsFoundBeforeTheNextRequest(t *testing.T) {
	host := netlab.Start(t)
	n := pool.NewNode(pool.Config{Addr: host.Addr, Timeout: tryTime})
	defer n.Close()
	require.NoError(t, read(n))

	host.Drop()
	<-time.After(4 * time.Second) // keep-alive: 1 s idle, two probes a second apart; nothing else tells that they are over
	host.Heal()
	require.NoError(t, read(n), "the dead connection is replaced and the read goes on the new one")
	stats := n.Stats()
	require.EqualValues(t, 1, stats.Broken)
	require.EqualValues(t, 0, stats.Retries, "nothing was written to the dead connection")
}

func TestADialToAVanishedPeerEndsInTime(t *testing.T) {
	host := netlab.Start(t)
	host.Drop()
	n := pool.NewNode(pool.Config{Addr: host.Addr, Timeout: tryTime})
	defer n.Close()
	took := timed(func() { require.True(t, errors.Is(read(n), pool.ErrTimeout)) })
	require.Less(t, took, 2*tryTime, "a caller waits for a dial no longer than for a reply")
	require.Eventually(t, func() bool { return n.Stats().State == pool.Down }, 2*time.Second, 10*time.Millisecond)
	host.Heal()
	require.Eventually(t, func() bool { return read(n) == nil }, 5*time.Second, 10*time.Millisecond)
}
