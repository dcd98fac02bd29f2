//go:build !linux

package pool

import (
	"net"
	"time"
)

// setUserTimeout has no effect where the system has no TCP_USER_TIMEOUT.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }

// rawSocket is not used where a socket cannot be polled cheaply.
type rawSocket struct{}

func newRawSocket(net.Conn) *rawSocket { return nil }

func (*rawSocket) tryRead(_, _ []byte) int { return 0 }

func yieldThread() {}
