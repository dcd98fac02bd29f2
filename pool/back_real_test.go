package pool_test

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/netlab"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/stretchr/testify/require"
)

// backWithin is how soon a node is in use again after it can be.
const backWithin = 250 * time.Millisecond

// requireBack has a node fail and recover a few times, with a read every millisecond, and requires that it is soon back. A busy
// machine may spoil some rounds.
func requireBack(t *testing.T, addr string, lasts time.Duration, fail, recover func()) *pool.Node {
	n := pool.NewNode(pool.Config{Addr: addr, Timeout: tryTime})
	t.Cleanup(func() { n.Close() })
	isBack := func() bool { return read(n) == nil }
	require.Eventually(t, isBack, 5*time.Second, time.Millisecond)
	var took []time.Duration
	for range 3 {
		fail()
		require.Never(t, isBack, lasts, time.Millisecond)
		recover()
		took = append(took, timed(func() { require.Eventually(t, isBack, 10*time.Second, time.Millisecond) }))
	}
	t.Logf("back after %v", took)
	slices.Sort(took)
	require.LessOrEqual(t, took[1], backWithin)
	return n
}

func TestBackAfterSIGCONT(t *testing.T) {
	t.Parallel()
	s := realnode.Start(t)
	n := requireBack(t, s.Addr, 700*time.Millisecond, s.Pause, s.Resume)
	require.Zero(t, n.Stats().Broken, "a stopped node's connection is drained, not replaced")
}

func TestBackAfterARestart(t *testing.T) {
	t.Parallel()
	s := realnode.Start(t)
	requireBack(t, s.Addr, 500*time.Millisecond, s.Kill, func() { require.NoError(t, s.Restart()) })
}

// A node that nobody asks for any more is found to be back all the same, and its next caller is not refused.
func TestBackUnaskedAfterARestart(t *testing.T) {
	t.Parallel()
	s := realnode.Start(t)
	n := pool.NewNode(pool.Config{Addr: s.Addr, Timeout: 20 * tryTime})
	defer n.Close()
	require.NoError(t, read(n))
	for range 3 {
		s.Kill()
		require.Error(t, read(n))
		require.NoError(t, s.Restart())
		isUp := func() bool { return n.Stats().State == pool.Up }
		require.Eventually(t, isUp, 5*time.Second, time.Millisecond)
		require.NoError(t, read(n))
	}
}

// The connection lives through a short cut, but TCP sends again after ever longer waits; a long cut ends it.
func TestBackAfterTheNetworkIs(t *testing.T) {
	for _, cut := range []time.Duration{400 * time.Millisecond, 900 * time.Millisecond, 2500 * time.Millisecond} {
		t.Run(cut.String(), func(t *testing.T) {
			t.Parallel()
			host := netlab.Start(t)
			requireBack(t, host.Addr, cut, host.Drop, host.Heal)
		})
	}
}

// A second of a dead node's dials, counted by the kernel's refusals.
func TestADeadNodeIsDialedFiveTimesASecond(t *testing.T) {
	t.Parallel()
	s := realnode.Start(t)
	n := pool.NewNode(pool.Config{Addr: s.Addr, Timeout: tryTime})
	defer n.Close()
	require.NoError(t, read(n))
	s.Kill()
	require.Eventually(t, func() bool { return n.Stats().State == pool.Down || read(n) == nil }, 5*time.Second, time.Millisecond)
	const seconds = 3
	before := n.Stats().Dials
	for end := time.Now().Add(seconds * time.Second); time.Now().Before(end); {
		require.ErrorIs(t, read(n), syscall.ECONNREFUSED)
	}
	require.LessOrEqual(t, n.Stats().Dials-before, uint64(5*seconds))
	require.GreaterOrEqual(t, n.Stats().Dials-before, uint64(3*seconds))
}
