package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Proxy carries connections to one node. It is safe for concurrent use.
type Proxy struct {
	addr, target string
	seed         uint64
	running      sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	setting  *setting     // replaced as a whole
	conns    map[*conn]struct{}
	accepted uint64
	closed   bool
}

// setting is one Faults value from Set to the next.
type setting struct {
	Faults
	over chan struct{} // closed when another one is set
}

// ErrClosed is returned by what is called after Close.
var ErrClosed = errors.New("faultproxy: proxy is closed")

// Start listens on a free port of 127.0.0.1. The seed decides what Faults leave to chance.
func Start(target string, seed uint64) (*Proxy, error) { return Listen("127.0.0.1:0", target, seed) }

// Listen is Start at an address of the caller's choice, for proxies that shall share a port, say.
func Listen(addr, target string, seed uint64) (*Proxy, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("faultproxy: %w", err)
	}
	p := &Proxy{
		addr: l.Addr().String(), target: target, seed: seed, listener: l,
		setting: newSetting(Faults{}), conns: map[*conn]struct{}{},
	}
	p.running.Go(func() { p.accept(l) })
	return p, nil
}

func newSetting(f Faults) *setting { return &setting{f, make(chan struct{})} }

// Addr is where clients connect.
func (p *Proxy) Addr() string { return p.addr }

// Set puts f in place of the faults before. It fails only after Close, or if connections were refused and the port cannot
// be had back: then they stay refused.
func (p *Proxy) Set(f Faults) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	close(p.setting.over)
	p.setting = newSetting(f)
	if f.Connect == Refuse {
		p.refuseLocked()
		return nil
	}
	return p.listenLocked()
}

// Heal is Set of no faults.
func (p *Proxy) Heal() error { return p.Set(Faults{}) }

func (p *Proxy) refuseLocked() {
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
}

func (p *Proxy) listenLocked() error {
	if p.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return fmt.Errorf("faultproxy: %w", err)
	}
	p.listener = l
	p.running.Go(func() { p.accept(l) })
	return nil
}

// HalfOpen makes the node forget all open connections, as a host that lost its power. The clients are not told: what they
// send vanishes.
func (p *Proxy) HalfOpen() { p.eachConn((*conn).halfOpen) }

// Bury resets the connections that no byte passes any more, healed or not: what a node's host does when packets of a
// connection reach it that it knows nothing of.
func (p *Proxy) Bury() {
	p.eachConn(func(c *conn) {
		if c.isSilent() {
			c.reset()
		}
	})
}

// Reset ends all open connections with a reset.
func (p *Proxy) Reset() { p.eachConn((*conn).reset) }

func (p *Proxy) eachConn(do func(*conn)) {
	p.mu.Lock()
	list := make([]*conn, 0, len(p.conns))
	for c := range p.conns {
		list = append(list, c)
	}
	p.mu.Unlock()
	for _, c := range list {
		do(c)
	}
}

// Open returns how many connections of clients are open.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

// Close resets all connections and returns when every goroutine of the proxy has ended. Closing twice is allowed.
func (p *Proxy) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.setting.over)
		p.refuseLocked()
	}
	p.mu.Unlock()
	p.Reset()
	p.running.Wait()
}

// current returns what is set now.
func (p *Proxy) current() *setting {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.setting
}

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil && !errors.Is(err, net.ErrClosed) {
			time.Sleep(acceptPause) // out of descriptors, say: nothing tells when there are some again
			continue
		}
		if err != nil {
			return
		}
		p.admit(client.(*net.TCPConn))
	}
}

// acceptPause is how long accept waits after a failure that may pass.
const acceptPause = 5 * time.Millisecond

// admit starts to carry a connection, unless Close came first.
func (p *Proxy) admit(client *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		client.Close()
		return
	}
	p.accepted++
	c := &conn{proxy: p, client: client, rnd: rand.New(rand.NewPCG(p.seed, p.accepted))}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	p.conns[c] = struct{}{}
	silent := p.setting.Connect == Silent
	p.running.Go(func() {
		defer p.forget(c)
		if silent {
			c.silence()
			c.swallow()
			return
		}
		c.carry()
	})
}

func (p *Proxy) forget(c *conn) {
	c.reset()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}
