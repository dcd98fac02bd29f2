package pool

import (
	"net"
	"time"
)

// A dead peer is found within 3 s on an idle connection (keep-alive), and after 2 s of unacknowledged data
// (TCP_USER_TIMEOUT): keep-alive does not run while data is unacknowledged.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 2}

const userTimeout = 2 * time.Second

var defaultDialer net.Dialer

// setSocketOptions applies them to TCP connections, whoever dialed.
func setSocketOptions(nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	// Without them the connection works; a dead peer is found later.
	_ = tcp.SetKeepAliveConfig(keepAlive)
	_ = setUserTimeout(tcp, userTimeout)
}
