package memcache

import (
	"context"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The address of a connection is the client's for as long as there is the connection, and then anybody's.
func TestOwnAddressesGoWithTheirConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	own := new(ownAddrs)
	dial := own.dial(nil)
	local := func() netip.AddrPort {
		conn, err := dial(t.Context(), "tcp", l.Addr().String())
		require.NoError(t, err)
		local := netip.MustParseAddrPort(conn.LocalAddr().String())
		require.True(t, own.contains(local))
		require.NoError(t, conn.Close())
		return local
	}()
	require.False(t, own.contains(netip.MustParseAddrPort(l.Addr().String())))
	require.Eventually(t, func() bool { runtime.GC(); return !own.contains(local) }, 10*time.Second, time.Millisecond)
}

// numbered is a connection of a dialer of the application's own, with an address of its own.
type numbered struct {
	net.Conn
	port int
}

func (n numbered) LocalAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(10, byte(n.port>>16), 0, 1), Port: n.port & 0xffff}
}

func TestOwnAddressesAreBounded(t *testing.T) {
	own, port := new(ownAddrs), 0
	dial := own.dial(func(context.Context, string, string) (net.Conn, error) { port++; return numbered{port: port}, nil })
	for range 3 * maxOwnAddrs {
		conn, err := dial(t.Context(), "tcp", "")
		require.NoError(t, err)
		require.True(t, own.contains(netip.MustParseAddrPort(conn.LocalAddr().String())))
		require.LessOrEqual(t, len(own.open), maxOwnAddrs)
	}
	_, err := dial(t.Context(), "unix", "/run/a")
	require.NoError(t, err)
	pipe, _ := net.Pipe()
	own.note(pipe) // has no address
}
