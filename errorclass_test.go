package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

func TestErrorClasses(t *testing.T) {
	for err, class := range map[error]string{
		nil:                                     "",
		memcache.ErrCacheMiss:                   "cache-miss",
		memcache.ErrNotStored:                   "not-stored",
		memcache.ErrCASConflict:                 "conflict",
		fmt.Errorf("why: %w", context.Canceled): "canceled",
		context.DeadlineExceeded:                "timeout",
		memcache.ErrNoServers:                   "node-down",
		memcache.ErrAuth:                        "node-down",
		memcache.ErrTimeout:                     "timeout",
		memcache.ErrClosed:                      "closed",
		memcache.ErrDenied:                      "denied",
		memcache.ErrReservedKey:                 "bad-request",
		memcache.ErrReservedFlags:               "bad-request",
		memcache.ErrBusy:                        "other",
		memcache.ErrMalformedKey:                "bad-request",
		&net.OpError{Op: "read", Err: io.EOF}:   "network-error",
		errors.New("x"):                         "other",
		errors.Join(memcache.ErrPartialWrite, memcache.ErrTimeout): "partial-write",
		errors.Join(memcache.ErrTimeout, memcache.ErrNodeDown):     "node-down",
	} {
		require.Equal(t, class, memcache.ErrorClass(err), "%v", err)
	}
}

// TestErrorClassOfANode: of errors as they come from a server that refuses, breaks and is not there.
func TestErrorClassOfANode(t *testing.T) {
	s := memcachetest.NewServer()
	t.Cleanup(s.Close)
	c := newClient(t, memcache.WithServers(s.Addr()), memcache.WithTimeout(longTimeout))
	err := c.Set(t.Context(), &memcache.Item{Key: "k", Value: make([]byte, 2<<20)}) // over the server's limit, below the client's
	require.Equal(t, "server-error", memcache.ErrorClass(err), "%v", err)
	s.Kill()
	_, err = c.Get(t.Context(), "k")
	require.Contains(t, []string{"node-down", "network-error"}, memcache.ErrorClass(err), "%v", err)
}

// TestErrorClassOfARequest that no node has done: it was wrong, its node is not asked any more, or the client is closed.
func TestErrorClassOfARequest(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		c := w.client()
		require.NoError(w, c.Set(w.Context(), item("k", "no number")))
		_, err := c.Increment(w.Context(), "k", 1)
		require.Equal(w, "bad-request", memcache.ErrorClass(err), "%v", err)
		_, err = c.ServerStats(w.Context(), "detail dump")
		require.Equal(w, "bad-request", memcache.ErrorClass(err), "%v", err)
		w.servers[0].Pause()
		defer w.servers[0].Resume()
		_, err = c.Get(w.Context(), "k")
		require.Equal(w, "timeout", memcache.ErrorClass(err), "%v", err)
		_, err = c.Get(w.Context(), "k")
		require.ErrorIs(w, err, memcache.ErrTimeout)
		require.Equal(w, "node-down", memcache.ErrorClass(err), "%v", err)
		require.NoError(w, c.Close())
		_, err = c.Get(w.Context(), "k")
		require.Equal(w, "closed", memcache.ErrorClass(err), "%v", err)
	})
}
