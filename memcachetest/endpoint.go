package memcachetest

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// endpoint is the place a server listens at. It outlives the server's
// processes: each of them listens again at the same address.
type endpoint interface {
	listen() (net.Listener, error)
	vacate()  // the listener was closed and may come back
	release() // it will not come back
	dial(context.Context) (net.Conn, error)
	addr() string
}

func newEndpoint(cfg *config) endpoint {
	switch cfg.network {
	case "unix":
		return &unixEndpoint{path: cfg.address}
	case "pipe":
		return newPipeEndpoint(cfg.address)
	}
	return &tcpEndpoint{address: cfg.address}
}

// tcpEndpoint keeps its port while it does not listen, so that no other
// program gets it and a dial is refused.
type tcpEndpoint struct {
	address  string // with the real port after the first listen
	reserved io.Closer
}

func (e *tcpEndpoint) listen() (net.Listener, error) {
	l, err := net.Listen("tcp", e.address)
	if err != nil {
		return nil, err
	}
	if addr := l.Addr().String(); addr != e.address {
		e.address = addr
	}
	e.release()
	return l, nil
}

func (e *tcpEndpoint) vacate() {
	if e.reserved == nil {
		e.reserved = reservePort(e.address)
	}
}

func (e *tcpEndpoint) release() {
	if e.reserved != nil {
		e.reserved.Close()
		e.reserved = nil
	}
}

func (e *tcpEndpoint) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", e.address)
}

func (e *tcpEndpoint) addr() string { return e.address }

// unixEndpoint leaves the socket's file behind when its listener is closed, as
// a killed memcached does.
type unixEndpoint struct {
	path string
	used bool
}

func (e *unixEndpoint) listen() (net.Listener, error) {
	if e.used {
		e.release()
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: e.path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	e.used = true
	return l, nil
}

func (e *unixEndpoint) vacate()  {}
func (e *unixEndpoint) release() { os.Remove(e.path) }

func (e *unixEndpoint) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", e.path)
}

func (e *unixEndpoint) addr() string { return e.path }

// pipeBacklog is how many connections wait for a server that accepts none.
const pipeBacklog = 1024

// pipeCount numbers the pipe servers of this program, for their names only.
var pipeCount atomic.Uint32

// pipeAddr is the address of a pipe server.
type pipeAddr string

func (a pipeAddr) Network() string { return "pipe" }
func (a pipeAddr) String() string  { return string(a) }

// pipeEndpoint hands in-memory connections to the process that listens.
type pipeEndpoint struct {
	name pipeAddr

	mu       sync.Mutex
	listener *pipeListener // nil while nobody listens
}

func newPipeEndpoint(name string) *pipeEndpoint {
	if name == "" {
		name = nextPipeName()
	}
	return &pipeEndpoint{name: pipeAddr(name)}
}

// nextPipeName returns 127.1.0.1:1, 127.1.0.2:1 and so on: numbers, so that a
// client which resolves names need not ask DNS, and on a port where nobody
// listens, so that one without the dialer is refused. 127.0.0.1 is not among
// them, for clients take it for the own host.
func nextPipeName() string {
	var ip [4]byte
	binary.BigEndian.PutUint32(ip[:], 127<<24+1<<16+pipeCount.Add(1))
	return netip.AddrPortFrom(netip.AddrFrom4(ip), 1).String()
}

func (e *pipeEndpoint) listen() (net.Listener, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listener = &pipeListener{name: e.name, waiting: make(chan net.Conn, pipeBacklog), closed: make(chan struct{})}
	return e.listener, nil
}

func (e *pipeEndpoint) vacate() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listener = nil
}

func (e *pipeEndpoint) release()     {}
func (e *pipeEndpoint) addr() string { return string(e.name) }

func (e *pipeEndpoint) dial(ctx context.Context) (net.Conn, error) {
	e.mu.Lock()
	l := e.listener
	e.mu.Unlock()
	if l == nil {
		return nil, e.dialError(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	client, server := newPipe(pipeAddr("client"), e.name)
	select {
	case l.waiting <- server:
		l.breakIfClosed()
		return client, nil
	case <-l.closed:
		return nil, e.dialError(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case <-ctx.Done():
		return nil, e.dialError(ctx.Err())
	}
}

func (e *pipeEndpoint) dialError(err error) error {
	return &net.OpError{Op: "dial", Net: "pipe", Addr: e.name, Err: err}
}

// pipeListener is the listener of one process.
type pipeListener struct {
	name    pipeAddr
	waiting chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and breaks the connections nobody accepted.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	l.breakIfClosed()
	return nil
}

// breakIfClosed breaks waiting connections once nobody will accept them. A dial
// calls it too, as its connection may come to wait just after Close.
func (l *pipeListener) breakIfClosed() {
	select {
	case <-l.closed:
	default:
		return
	}
	for {
		select {
		case c := <-l.waiting:
			c.Close()
		default:
			return
		}
	}
}

func (l *pipeListener) Addr() net.Addr { return l.name }
