//go:build !linux

package pool

import (
	"net"
	"time"
)

// setUserTimeout has no effect where the system has no TCP_USER_TIMEOUT.
func setUserTimeout(*net.TCPConn, time.Duration) error { return nil }
