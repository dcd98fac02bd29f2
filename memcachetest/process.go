package memcachetest

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
)

const tooManyConns = "ERROR Too many open connections\r\n"

// process is one life of a server, from its start until it is killed: its
// items, its CAS counter and its connections go with it.
type process struct {
	cfg      *config
	plan     *faultPlan
	clock    *clock
	store    *store
	prefixes prefixStats
	gate     gate

	bytesRead    atomic.Int64
	bytesWritten atomic.Int64

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	conns    map[*conn]struct{}
	total    int
	rejected int
	stopped  bool

	running sync.WaitGroup // one for the listener, one for each connection
}

func newProcess(cfg *config, plan *faultPlan) *process {
	k := newClock()
	p := &process{cfg: cfg, plan: plan, clock: k, store: newStore(k, cfg.limits), conns: make(map[*conn]struct{})}
	p.prefixes.clear()
	return p
}

// listen accepts connections from l until refuse.
func (p *process) listen(l net.Listener) {
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.running.Go(func() {
		for {
			transport, err := l.Accept()
			if err != nil {
				return
			}
			p.admit(transport)
		}
	})
}

// refuse stops listening; open connections stay. It returns false if nothing
// was listening.
func (p *process) refuse() bool {
	p.mu.Lock()
	l := p.listener
	p.listener = nil
	p.mu.Unlock()
	if l == nil {
		return false
	}
	l.Close()
	return true
}

func (p *process) listening() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener != nil
}

// admit serves a new connection, or turns it away at the limit.
func (p *process) admit(transport net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.total++
	switch {
	case p.stopped:
		transport.Close()
	case len(p.conns) >= p.cfg.maxConns:
		p.rejected++
		transport.Write([]byte(tooManyConns))
		transport.Close()
	default:
		c := newConn(p, newLink(transport, &p.gate))
		p.conns[c] = struct{}{}
		p.running.Go(c.serve)
	}
}

func (p *process) forget(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// breakConns ends every connection.
func (p *process) breakConns() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.link.Close()
	}
}

// stop ends everything and returns when every goroutine of the process has.
func (p *process) stop() {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	p.refuse()
	p.breakConns()
	p.running.Wait()
}

// secure wraps a connection in TLS if the server speaks it.
func (p *process) secure(l *link) net.Conn {
	if p.cfg.tls == nil {
		return l
	}
	return tls.Server(l, p.cfg.tls)
}

// snapshot returns the counters of this moment.
func (p *process) snapshot() Stats {
	p.store.mu.Lock()
	s := p.store.count
	s.CurrItems = len(p.store.items)
	for _, it := range p.store.items {
		s.Bytes += p.store.size(it)
	}
	p.store.mu.Unlock()
	p.mu.Lock()
	s.CurrConnections, s.TotalConnections, s.RejectedConnections = len(p.conns), p.total, p.rejected
	p.mu.Unlock()
	s.BytesRead, s.BytesWritten = p.bytesRead.Load(), p.bytesWritten.Load()
	return s
}

// resetStats zeroes the counters, as "stats reset" does.
func (p *process) resetStats() {
	p.store.mu.Lock()
	p.store.count = Stats{}
	p.store.mu.Unlock()
	p.mu.Lock()
	p.total, p.rejected = 0, 0
	p.mu.Unlock()
	p.bytesRead.Store(0)
	p.bytesWritten.Store(0)
	p.prefixes.clear()
}
