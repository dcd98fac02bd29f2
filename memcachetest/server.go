package memcachetest

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Server is a memcached in this process. Its methods are safe for concurrent
// use.
type Server struct {
	cfg      *config
	endpoint endpoint
	plan     *faultPlan

	mu      sync.Mutex
	process *process // the running one, or the last one that ran
	killed  bool
	closed  bool
}

// NewServer starts a server, by default on a free TCP port of 127.0.0.1 and
// with the limits of memcached 1.6.18. It panics if it cannot listen. The
// caller must Close it.
func NewServer(opts ...Option) *Server {
	cfg := newConfig(opts)
	s := &Server{cfg: cfg, endpoint: newEndpoint(cfg), plan: newFaultPlan(), killed: true}
	s.Start()
	return s
}

// Addr returns where the server listens: "host:port", the path of a unix
// socket, or the name of a pipe. It stays the same for the server's whole life.
func (s *Server) Addr() string { return s.endpoint.addr() }

// DialContext connects to this server, whatever network and addr say. A client
// that takes a dialer so reaches a server over any transport. It does no TLS
// handshake.
func (s *Server) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.endpoint.dial(ctx)
}

// Dialer returns a DialContext function that reaches each of the servers by its
// Addr. Any other address is refused with a *net.OpError.
func Dialer(servers ...*Server) func(ctx context.Context, network, addr string) (net.Conn, error) {
	byAddr := make(map[string]*Server, len(servers))
	for _, s := range servers {
		byAddr[s.Addr()] = s
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		s := byAddr[addr]
		if s == nil {
			return nil, &net.OpError{Op: "dial", Net: network, Addr: pipeAddr(addr),
				Err: &net.AddrError{Err: "no such test server", Addr: addr}}
		}
		return s.DialContext(ctx, network, addr)
	}
}

// Close stops the server for good. It returns when all its goroutines have
// ended, and may be called twice.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	s.kill()
	s.endpoint.release()
}

// Kill is the end of a process by kill -9: the server refuses dials and its
// connections break. What it knew is lost. It does nothing if the server does
// not run.
func (s *Server) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *Server) kill() {
	if s.killed {
		return
	}
	s.killed = true
	s.process.stop()
	s.endpoint.vacate()
}

// Start brings a killed server back at the same address, as a new process:
// empty, not paused, its CAS uniques and Stats beginning anew. Faults stay. It
// does nothing if the server runs, and panics if it cannot listen or is closed.
func (s *Server) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		panic("memcachetest: Start after Close")
	}
	if !s.killed {
		return
	}
	s.process = newProcess(s.cfg, s.plan)
	s.killed = false
	s.listenUnlessRefused()
}

// Restart is Kill and Start.
func (s *Server) Restart() {
	s.Kill()
	s.Start()
}

// listenUnlessRefused opens the listener if it should be open and is not.
func (s *Server) listenUnlessRefused() {
	if s.killed || s.plan.refuses() || s.process.listening() {
		return
	}
	l, err := s.endpoint.listen()
	if err != nil {
		panic(fmt.Sprintf("memcachetest: cannot listen: %v", err))
	}
	s.process.listen(l)
}

// Pause is SIGSTOP: connections are still accepted, but no byte is read and
// none is written until Resume. As with a stopped memcached its clock stands
// still, so that just after Resume it serves items that have expired.
func (s *Server) Pause() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process.clock.stop()
	s.process.gate.close()
}

// Resume is SIGCONT: all that was sent to the server since Pause is applied.
// The clock catches up at its next tick, within one second.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process.clock.resume()
	s.process.gate.open()
}

// Flush removes every item, without a flush_all and its use of a CAS unique.
func (s *Server) Flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process.store.clear()
}

// CloseClientConnections breaks the open connections. The items stay, and new
// connections are welcome.
func (s *Server) CloseClientConnections() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.process.breakConns()
}

// Stats returns what the server counted since its last start. A killed server
// returns what it had.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.snapshot()
}

// Inject makes the server misbehave from now on, on open connections and on new
// ones. Faults add up; each reply passes them in the order of injection.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan.add(faults)
	if s.plan.refuses() && s.process.refuse() {
		s.endpoint.vacate()
	}
}

// InjectNext makes the server misbehave on the next connection it accepts, and
// only there. Called again it queues faults for the connection after that. It
// panics for Refuse, which concerns no single connection.
func (s *Server) InjectNext(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan.addNext(faults)
}

// Heal ends every fault, injected or waiting for a connection. Replies that
// were held back are sent.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan.clear()
	s.listenUnlessRefused()
}
