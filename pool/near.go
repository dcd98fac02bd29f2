package pool

import (
	"net"
	"time"
)

// nearRoundTrip is the longest round trip to a node that counts as near. On one host it takes 5 to 30 µs, to another machine
// more.
const nearRoundTrip = 50 * time.Microsecond

// isNear reports whether a connection just made leads to a node as near as one on this host. Where the system does not say
// how long a round trip takes, a loopback address is near, and what has no TCP address.
func isNear(nc net.Conn) bool {
	nc = beneath(nc)
	if tcp, ok := nc.(*net.TCPConn); ok {
		if rtt, ok := shortestRoundTrip(tcp); ok {
			return rtt <= nearRoundTrip
		}
	}
	addr, ok := nc.RemoteAddr().(*net.TCPAddr)
	return !ok || addr.IP.IsLoopback()
}
