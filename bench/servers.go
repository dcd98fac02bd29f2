package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/nohop/memcache/internal/realnode"
)

const (
	nodeCount    = 3
	readyTimeout = 10 * time.Second
	portAttempts = 5
)

// servers are the processes that the clients talk to. An address that is empty belongs to a server that is missing.
type servers struct {
	nodes      []string // memcached
	redis      string
	nutcracker string // proxy in front of nodes[0]
	absent     map[string]string

	dir   string
	stops []func()
}

// startServers starts memcached, which must be there, and the other servers if they are.
func startServers() (*servers, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	s := &servers{dir: dir, absent: make(map[string]string)}
	s.stops = append(s.stops, func() { os.RemoveAll(dir) })
	for range nodeCount {
		if err := s.startNode(); err != nil {
			s.stop()
			return nil, err
		}
	}
	s.redis = s.optional("redis-server", s.redisArgs)
	s.nutcracker = s.optional("nutcracker", s.nutcrackerArgs)
	return s, nil
}

// stop ends all processes that startServers started.
func (s *servers) stop() {
	for _, stop := range s.stops {
		stop()
	}
}

func (s *servers) startNode() error {
	node, err := realnode.Launch("-m", "256", "-c", "4096")
	if err != nil {
		return err
	}
	s.nodes = append(s.nodes, node.Addr)
	s.stops = append(s.stops, node.Close)
	return nil
}

// optional starts a server that the benchmark can do without, and notes why it did not start.
func (s *servers) optional(program string, arguments func(port string) ([]string, error)) string {
	var err error
	for range portAttempts {
		var addr string
		if addr, err = s.startOnce(program, arguments); err == nil {
			return addr
		}
		if errors.Is(err, exec.ErrNotFound) {
			break
		}
	}
	s.absent[program] = fmt.Sprintf("NOT RUN: %s: %v", program, err)
	fmt.Fprintln(os.Stderr, "bench:", s.absent[program])
	return ""
}

func (s *servers) startOnce(program string, arguments func(port string) ([]string, error)) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	args, err := arguments(port)
	if err != nil {
		return "", err
	}
	c, err := startChild(program, args)
	if err != nil {
		return "", err
	}
	addr := net.JoinHostPort("127.0.0.1", port)
	if err := c.awaitListening(addr); err != nil {
		c.stop()
		return "", err
	}
	s.stops = append(s.stops, c.stop)
	return addr, nil
}

func (s *servers) redisArgs(port string) ([]string, error) {
	return []string{
		"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.dir, "--maxclients", "4096",
	}, nil
}

func (s *servers) nutcrackerArgs(port string) ([]string, error) {
	statsPort, err := freePort()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(s.dir, "nutcracker.yml")
	conf := fmt.Sprintf("bench:\n  listen: 127.0.0.1:%s\n  hash: fnv1a_64\n  distribution: ketama\n"+
		"  timeout: 2000\n  servers:\n   - %s:1\n", port, s.nodes[0])
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return []string{
		"-c", file, "-s", statsPort, "-a", "127.0.0.1",
		"-o", filepath.Join(s.dir, "nutcracker.log"), "-p", filepath.Join(s.dir, "nutcracker.pid"),
	}, nil
}

// freePort returns a port that nothing listens on; somebody may take it before the server does.
func freePort() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, err
}

// child is a server process of this program.
type child struct {
	cmd    *exec.Cmd
	output bytes.Buffer  // read only after done
	done   chan struct{} // closed when the process has been waited for
}

// startChild runs program until stop. The goroutine keeps its thread, because the kernel ends the child when the
// thread that forked it ends (prctl(2), PR_SET_PDEATHSIG).
func startChild(program string, args []string) (*child, error) {
	c := &child{cmd: exec.Command(program, args...), done: make(chan struct{})}
	c.cmd.Stdout, c.cmd.Stderr = &c.output, &c.output
	c.cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setpgid:   true, // an interrupt typed at the terminal must not end the servers in the middle of a slice
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		started <- err
		if err == nil {
			_ = c.cmd.Wait() // how it ended stands in cmd.ProcessState
			close(c.done)
		}
	}()
	return c, <-started
}

func (c *child) stop() {
	_ = c.cmd.Process.Kill() // the only error is that it has ended already
	<-c.done
}

// awaitListening polls, because a foreign process gives no signal when it listens.
func (c *child) awaitListening(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return conn.Close()
		}
		select {
		case <-c.done:
			return fmt.Errorf("ended with %v: %s", c.cmd.ProcessState, bytes.TrimSpace(c.output.Bytes()))
		case <-ctx.Done():
			return fmt.Errorf("did not listen within %v", readyTimeout)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
