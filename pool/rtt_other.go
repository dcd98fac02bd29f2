//go:build !linux || 386

package pool

import (
	"net"
	"time"
)

// shortestRoundTrip is not known on this system.
func shortestRoundTrip(*net.TCPConn) (time.Duration, bool) { return 0, false }
