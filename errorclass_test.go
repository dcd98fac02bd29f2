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
		memcache.ErrMalformedKey:                "bad-request",
		&net.OpError{Op: "read", Err: io.EOF}:   "network-error",
		errors.New("x"):                         "other",
		errors.Join(memcache.ErrPartialWrite, memcache.ErrTimeout): "partial-write",
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
