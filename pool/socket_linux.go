package pool

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h, which package syscall does not name.
const tcpUserTimeout = 18

// setUserTimeout bounds how long written data may stay unacknowledged.
func setUserTimeout(tcp *net.TCPConn, d time.Duration) error {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(d.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return failed
}

// rawSocket reads from a connection's socket without parking the goroutine.
type rawSocket struct {
	raw     syscall.RawConn
	into    [2]syscall.Iovec
	n       int
	attempt func(fd uintptr) bool
}

// newRawSocket returns nil for a connection whose socket cannot be read past it, over TLS for one.
func newRawSocket(nc net.Conn) *rawSocket {
	raw := socketOf(nc)
	if raw == nil {
		return nil
	}
	s := &rawSocket{raw: raw}
	s.attempt = func(fd uintptr) bool {
		n, _, failed := syscall.Syscall(syscall.SYS_READV, fd, uintptr(unsafe.Pointer(&s.into)), uintptr(len(s.into)))
		if s.n = int(n); failed != 0 {
			s.n = 0
		}
		return true
	}
	return s
}

// tryRead reads into buf and, once that is full, into more, and returns how much: 0 if nothing is there, or on an error, which
// the next ordinary read finds again.
func (s *rawSocket) tryRead(buf, more []byte) int {
	s.into = [2]syscall.Iovec{{Base: unsafe.SliceData(buf)}, {Base: unsafe.SliceData(more)}}
	s.into[0].SetLen(len(buf))
	s.into[1].SetLen(len(more))
	s.n = 0
	_ = s.raw.Read(s.attempt)
	s.into = [2]syscall.Iovec{}
	return s.n
}

// yieldThread lets another thread of the system run, the node's for one if it shares the processor.
func yieldThread() { syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
