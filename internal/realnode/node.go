package realnode

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout  = 10 * time.Second     // for one process to answer; a loaded machine needs up to a second
	pollInterval  = 2 * time.Millisecond // between two looks at a process that does not answer yet
	portAttempts  = 20                   // ports tried by Launch
	rebindTimeout = 5 * time.Second      // for Restart to get its old port back
)

// ErrNotInstalled is returned by Launch if there is no memcached in PATH.
var ErrNotInstalled = errors.New("realnode: memcached is not installed (Debian: apt-get install memcached)")

// errPortTaken means that the process ended because it could not listen.
var errPortTaken = errors.New("port is taken")

// Node is one memcached process, and after Restart its successor at the same address.
// Its methods are safe for concurrent use, except that only one goroutine may call Restart at a time.
type Node struct {
	// Addr is "127.0.0.1:port", or the path of the unix socket.
	Addr string

	// TLS is the configuration with which a client trusts the node; nil unless StartTLS made it.
	TLS *tls.Config

	network string      // "tcp" or "unix"
	login   credentials // zero: no authentication
	args    []string
	port    *reservation // nil for a unix socket

	mu   sync.Mutex
	proc *process // guarded by mu; the newest process, which may have ended
}

// Launch starts memcached on a free port of 127.0.0.1 and returns when it answers, or fails after 10 s.
//
// It runs with "-t 1 -U 0"; args come after that, so they can change it ("-t", "4"), but they must not contain -l, -p
// or -s. The errors are ErrNotInstalled or what memcached itself said. The caller ends it with Close; on Linux it
// also ends with the process that called Launch.
func Launch(args ...string) (*Node, error) {
	return launchTCP(args, nil, credentials{})
}

// launchTCP starts a node on the first free port it finds. The arguments must switch on what trust and login expect.
func launchTCP(args []string, trust *tls.Config, login credentials) (*Node, error) {
	var err error
	for range portAttempts {
		var port *reservation
		if port, err = reservePort(); err != nil {
			return nil, err
		}
		n := &Node{Addr: port.addr(), TLS: trust, network: "tcp", login: login, port: port}
		n.args = append([]string{"-l", "127.0.0.1", "-p", strconv.Itoa(port.number)}, args...)
		if err = n.start(); err == nil {
			return n, nil
		}
		port.release()
		if !errors.Is(err, errPortTaken) {
			return nil, err
		}
	}
	return nil, err
}

// launchUnix starts memcached on a unix socket at path.
func launchUnix(path string, args []string) (*Node, error) {
	n := &Node{Addr: path, network: "unix"}
	n.args = append([]string{"-s", path, "-a", "0700"}, args...)
	if err := n.start(); err != nil {
		return nil, err
	}
	return n, nil
}

// Pid returns the id of the newest process, which may have ended.
func (n *Node) Pid() int {
	return n.process().pid
}

// Kill ends the process with SIGKILL and returns when it is gone; the port stays reserved for Restart.
// A paused process is killed too. If none runs, Kill does nothing.
func (n *Node) Kill() {
	n.process().kill()
}

// Close is Kill, and gives the port back: there is no Restart after it.
func (n *Node) Close() {
	n.Kill()
	if n.port != nil {
		n.port.release()
	}
}

// Restart kills the process if it runs, starts a new one with the same arguments and address, and returns when that
// answers. The new one has an empty memory. After an error no process runs.
func (n *Node) Restart() error {
	n.Kill()
	deadline := time.Now().Add(rebindTimeout)
	for {
		err := n.start()
		if !errors.Is(err, errPortTaken) || time.Now().After(deadline) {
			return err
		}
	}
}

// Pause stops the process with SIGSTOP and returns when every thread of it stands still. The kernel goes on accepting
// connections and data for it, as it does for a host that is too busy to answer.
// Pause panics if no process runs: a test that pauses a dead node would test nothing.
func (n *Node) Pause() {
	p := n.process()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		panic(fmt.Sprintf("realnode: pause %s: %v", n.Addr, err))
	}
	waitStopped(p.pid)
}

// Resume lets a paused process run on, with SIGCONT. If none is paused, it does nothing.
func (n *Node) Resume() {
	// The only error is "process already finished", and then there is nothing to resume.
	_ = n.process().cmd.Process.Signal(syscall.SIGCONT)
}

func (n *Node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.proc
}

// start runs one process and waits until it answers. After an error the process is gone.
func (n *Node) start() error {
	path, err := exec.LookPath("memcached")
	if err != nil {
		return ErrNotInstalled
	}
	p, err := spawn(path, append(defaultArgs(), n.args...))
	if err != nil {
		return fmt.Errorf("realnode: %w", err)
	}
	if err := n.awaitReady(p); err != nil {
		p.kill()
		return fmt.Errorf("realnode: memcached at %s: %w", n.Addr, err)
	}
	n.mu.Lock()
	n.proc = p
	n.mu.Unlock()
	return nil
}

// awaitReady returns when p itself, not a stranger on the same port, answers at the node's address.
func (n *Node) awaitReady(p *process) error {
	deadline := time.Now().Add(startTimeout)
	var last error
	for time.Now().Before(deadline) {
		stats, err := n.fetchStats()
		if err == nil && stats["pid"] == strconv.Itoa(p.pid) {
			return nil
		}
		last = err
		// A foreign process gives no signal when it starts to listen, so look again a little later.
		select {
		case <-p.done:
			return p.exitError()
		case <-time.After(pollInterval):
		}
	}
	return fmt.Errorf("no answer within %v (last: %v): %s", startTimeout, last, p.log.String())
}
