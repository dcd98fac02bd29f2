package memcache_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	root "github.com/nohop/memcache"
	memcache "github.com/nohop/memcache/gomemcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// Code that knows the root package finds its errors, and code that knows gomemcache's finds those.
func TestErrorsAreTheRootPackages(t *testing.T) {
	for _, pair := range [][2]error{
		{memcache.ErrCacheMiss, root.ErrCacheMiss}, {memcache.ErrCASConflict, root.ErrCASConflict},
		{memcache.ErrNotStored, root.ErrNotStored}, {memcache.ErrMalformedKey, root.ErrMalformedKey},
		{memcache.ErrNoServers, root.ErrNoServers},
	} {
		requireError(t, pair[0], pair[1])
	}
	require.NotErrorIs(t, memcache.ErrCacheMiss, memcache.ErrServerError)
	require.EqualError(t, memcache.ErrNoStats, "memcache: no statistics available")
}

// A server that takes no connection in time has an error of its own, at every call for which that is the reason.
func TestConnectTimeoutError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := memcache.New("127.0.0.1:11211")
		defer c.Close()
		c.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		for range 3 {
			began := time.Now()
			_, err := c.Get("secret")
			require.Less(t, time.Since(began), memcache.DefaultTimeout)
			late, ok := err.(*memcache.ConnectTimeoutError) // as code for gomemcache asks
			require.True(t, ok, "%T: %v", err, err)
			require.Equal(t, "127.0.0.1:11211", late.Addr.String())
			require.Equal(t, "tcp", late.Addr.Network())
			require.ErrorIs(t, err, root.ErrNodeDown)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			requireTimeout(t, err)
			require.EqualError(t, err, "memcache: timeout while connecting to 127.0.0.1:11211")
		}
	})
}

func requireTimeout(t *testing.T, err error) {
	t.Helper()
	timeout, ok := err.(net.Error)
	require.True(t, ok, "%T", err)
	require.True(t, timeout.Timeout(), err)
}

// A server that takes a connection and does not answer is a timeout as well, which a type assertion finds.
func TestTimeoutsAreNetErrors(t *testing.T) {
	onPipe(t, func(t *testing.T, s *memcachetest.Server, c *memcache.Client) {
		s.Pause()
		_, err := c.Get("mine")
		requireTimeout(t, err)
		require.ErrorIs(t, err, root.ErrTimeout)
		require.Contains(t, err.Error(), s.Addr())
		require.NotContains(t, err.Error(), "mine")
		_, err = c.GetMulti([]string{"mine"})
		requireTimeout(t, err)
		requireTimeout(t, c.Ping())
	})
}

// The cause of a failed dial is kept, and it is no timeout.
func TestRefusedConnections(t *testing.T) {
	server := newTestServer(t)
	server.Kill()
	c := newClient(t, server.Addr())
	_, err := c.Get("k")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.ErrorIs(t, err, root.ErrNodeDown)
	var op *root.OpError
	require.ErrorAs(t, err, &op)
	require.Equal(t, server.Addr(), op.Node)
	var late *memcache.ConnectTimeoutError
	require.False(t, errors.As(err, &late))
	failed, ok := err.(net.Error)
	require.True(t, ok)
	require.False(t, failed.Timeout())

	// It is dialed again by itself, as soon as the backoff allows.
	server.Start()
	require.Eventually(t, func() bool { return c.Ping() == nil }, longTimeout, longTimeout/1000)
}

func TestServerErrors(t *testing.T) {
	c := newClient(t, newTestServer(t, memcachetest.WithMemoryLimit(4096), memcachetest.WithoutEviction()).Addr())
	var err error
	for i := 0; err == nil && i < 100; i++ {
		err = c.Set(item(strings.Repeat("k", i+1), strings.Repeat("v", 500)))
	}
	require.ErrorIs(t, err, memcache.ErrServerError)
	require.ErrorContains(t, err, "out of memory")
}
