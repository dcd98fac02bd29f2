//go:build unix

package memcachetest

import (
	"io"
	"net"
	"os"
	"syscall"
)

// reservePort binds a TCP address without listening at it. Linux then gives
// the port to no other program and refuses who dials it. Without this a dial
// to a dead loopback port now and then connects to itself, as the dialer may be
// given that very port. It returns nil if the address cannot be bound; then the
// port is merely not kept.
func reservePort(address string) io.Closer {
	fd, err := boundSocket(address)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "reserved port")
}

func boundSocket(address string) (fd int, err error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return 0, err
	}
	family, sockaddr := socketAddress(addr)
	syscall.ForkLock.RLock()
	fd, err = syscall.Socket(family, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return 0, err
	}
	err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	if err == nil {
		err = syscall.Bind(fd, sockaddr)
	}
	if err != nil {
		syscall.Close(fd)
	}
	return fd, err
}

func socketAddress(addr *net.TCPAddr) (family int, sa syscall.Sockaddr) {
	if ip := addr.IP.To4(); ip != nil {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(ip)}
	}
	return syscall.AF_INET6, &syscall.SockaddrInet6{Port: addr.Port, Addr: [16]byte(addr.IP.To16())}
}
