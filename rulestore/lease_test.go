package rulestore

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/memcachetest"
)

func hold(t *testing.T, l Lease, id string) bool {
	t.Helper()
	held, err := l.Hold(t.Context(), id)
	require.NoError(t, err)
	return held
}

func testLease(t *testing.T, l Lease) {
	require.True(t, hold(t, l, "a"))
	require.True(t, hold(t, l, "a"), "renewed")
	require.False(t, hold(t, l, "b"))
	require.NoError(t, l.Release(t.Context(), "b"))
	require.False(t, hold(t, l, "b"), "it was not b's to release")
	require.NoError(t, l.Release(t.Context(), "a"))
	require.True(t, hold(t, l, "b"))
	require.False(t, hold(t, l, "a"))
}

func TestMemcachedLeaseOnRealNode(t *testing.T) {
	s := realServers(t, 1)
	testLease(t, NewMemcachedLease(s.order))
	s.reals[0].Kill()
	_, err := NewMemcachedLease(s.order).Hold(t.Context(), "a")
	var at *NodeError
	require.ErrorAs(t, err, &at)
}

func TestMemcachedLeaseOnClassicNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewMemcachedLease(fakeServers(t, 1, memcachetest.WithVersion("1.4.39")).order)
		require.True(t, hold(t, l, "a"))
		require.True(t, hold(t, l, "a"))
		require.False(t, hold(t, l, "b"))
	})
}

func TestMemcachedLeaseEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewMemcachedLease(fakeServers(t, 1).order)
		require.True(t, hold(t, l, "a"))
		for range 20 {
			wait(LeaseInterval)
			require.True(t, hold(t, l, "a"))
			require.False(t, hold(t, l, "b"))
		}
		wait(LeaseTime + time.Second)
		require.True(t, hold(t, l, "b"))
		require.False(t, hold(t, l, "a"))
	})
}

func TestLeaseThatCannotBe(t *testing.T) {
	l := NewMemcachedLease(func(string, int) []Node { return nil })
	_, err := l.Hold(t.Context(), "a")
	require.ErrorIs(t, err, ErrNoNodes)
	require.ErrorIs(t, l.Release(t.Context(), "a"), ErrNoNodes)
	l = NewMemcachedLease(realServers(t, 1, "-C").order)
	require.True(t, hold(t, l, "a"))
	_, err = l.Hold(t.Context(), "a")
	require.ErrorIs(t, err, ErrNoCAS)
}
