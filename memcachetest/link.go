package memcachetest

import (
	"net"
	"sync"
)

// link is a transport connection that stands still when its process does. TLS
// runs on top of it, so a stopped server makes no handshake either.
type link struct {
	net.Conn
	gate *gate
	hold func() // waits while a fault forbids reading; set before use

	once sync.Once
	done chan struct{} // closed when the server ends the connection
}

func newLink(transport net.Conn, g *gate) *link {
	return &link{Conn: transport, gate: g, done: make(chan struct{})}
}

// Read takes no bytes while the server is stopped, and delivers none that
// arrived just before.
func (l *link) Read(p []byte) (int, error) {
	l.gate.wait(l.done)
	l.hold()
	n, err := l.Conn.Read(p)
	l.gate.wait(l.done)
	l.hold()
	return n, err
}

// Write sends nothing while the server is stopped.
func (l *link) Write(p []byte) (int, error) {
	l.gate.wait(l.done)
	return l.Conn.Write(p)
}

// Close ends the connection and wakes whoever waits on it.
func (l *link) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Conn.Close()
}

// reset closes the connection so that the peer sees a reset. A unix socket
// knows none: there the peer sees the end of the stream.
func (l *link) reset() error {
	switch transport := l.Conn.(type) {
	case *net.TCPConn:
		transport.SetLinger(0)
	case *pipeConn:
		transport.out.reset()
	}
	return l.Close()
}
