//go:build unix

package pool

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// peek returns an error if an idle connection has something to read: the node has closed it, or sent what nobody asked
// for. Either way it is of no use. Connections that cannot be looked at, over TLS for one, are taken for good.
func peek(nc net.Conn) error {
	raw := socketOf(nc)
	if raw == nil {
		return nil
	}
	var found error
	err := raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		found = peeked(n, err)
	})
	return errors.Join(err, found)
}

// socketOf returns the socket of a plain TCP or unix connection, nil for any other: what a type that wraps one makes of
// the bytes is not known.
func socketOf(nc net.Conn) syscall.RawConn {
	var raw syscall.RawConn
	switch nc := nc.(type) {
	case *net.TCPConn:
		raw, _ = nc.SyscallConn()
	case *net.UnixConn:
		raw, _ = nc.SyscallConn()
	}
	return raw
}

func peeked(n int, err error) error {
	switch {
	case err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR:
		return nil
	case err != nil:
		return err
	case n == 0:
		return io.EOF
	}
	return errStray
}
