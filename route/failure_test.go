package route

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestFailureOf(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	late := &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	for _, row := range []struct {
		err  error
		want Failure
	}{
		{nil, 0},
		{pool.ErrTimeout, FailTimeout},
		{pool.ErrBroken, FailBroken},
		{pool.ErrClosed, FailClosed},
		{pool.ErrTooLarge, FailRequest},
		{pool.ErrForeignCAS, FailRequest},
		{protocol.ErrMalformedKey, FailRequest},
		{context.Canceled, FailContext},
		{context.DeadlineExceeded, FailContext},
		{&protocol.ServerError{Kind: protocol.KindServerError}, FailServer},
		{&protocol.ServerError{Kind: protocol.KindServerError, Text: "SERVER_ERROR 307 busy"}, FailBusy},
		{&protocol.ServerError{Kind: protocol.KindClientError}, FailClient},
		{&protocol.ServerError{Kind: protocol.KindError}, FailClient},
		{pool.ErrNodeDown, FailDown},
		{fmt.Errorf("%w: %w", pool.ErrNodeDown, pool.ErrTimeout), FailDown},
		{fmt.Errorf("%w: %w", pool.ErrNodeDown, refused), FailDown | FailConnect},
		{fmt.Errorf("%w: %w", pool.ErrNodeDown, late), FailDown | FailConnectTimeout},
		{errors.New("something else"), FailOther},
	} {
		require.Equal(t, row.want, FailureOf(row.err), "%v", row.err)
		if row.err != nil {
			require.Equal(t, row.want, FailureOf(&pool.Error{Err: row.err}), "wrapped %v", row.err)
		}
	}
}

// A node of this machine that nobody runs is down because it could not be connected to.
func TestFailureOfARefusedDial(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.Close()
	n := pool.NewNode(pool.Config{Addr: l.Addr().String()})
	defer n.Close()
	op := get("k")
	do(n, op)
	require.Equal(t, FailDown|FailConnect, FailureOf(op.Err))
}
