//go:build !386

package pool

import (
	"net"
	"syscall"
	"time"
	"unsafe"
)

// tcpInfo is the part of struct tcp_info (linux/tcp.h) that is of use here.
type tcpInfo struct {
	_      [148]byte
	minRTT uint32 // µs
}

// shortestRoundTrip returns the kernel's shortest time from a segment to its acknowledgement, which depends little on what
// the programs on both sides do meanwhile. It is not known before Linux 4.6.
func shortestRoundTrip(tcp *net.TCPConn) (time.Duration, bool) {
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	var info tcpInfo
	size := uint32(unsafe.Sizeof(info))
	var failed syscall.Errno
	err = raw.Control(func(fd uintptr) {
		_, _, failed = syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP, syscall.TCP_INFO,
			uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	known := err == nil && failed == 0 && size == uint32(unsafe.Sizeof(info))
	return time.Duration(info.minRTT) * time.Microsecond, known
}
