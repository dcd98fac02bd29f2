package pool

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// newTestNode returns a node that the test closes.
func newTestNode(t testing.TB, cfg Config) *Node {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "node:11211"
	}
	n := NewNode(cfg)
	t.Cleanup(func() { n.Close() })
	return n
}

// patient is a configuration for tests in which nothing may time out, however busy the machine is.
func patient(addr string) Config {
	return Config{Addr: addr, Timeout: 20 * time.Second, DialTimeout: 20 * time.Second}
}

func do(ctx context.Context, n *Node, r protocol.Request) *Op {
	op := &Op{Request: r}
	n.Do(ctx, []*Op{op})
	return op
}

func get(ctx context.Context, n *Node, key string) *Op {
	return do(ctx, n, protocol.Request{Command: protocol.Get, Key: key})
}

func set(ctx context.Context, n *Node, key, value string) *Op {
	return do(ctx, n, protocol.Request{Command: protocol.Set, Key: key, Value: []byte(value)})
}

func mustSet(t testing.TB, n *Node, key, value string) {
	t.Helper()
	op := set(context.Background(), n, key, value)
	require.NoError(t, op.Err)
	require.Equal(t, protocol.OK, op.Reply.Status)
}

func requireHit(t testing.TB, op *Op, value string) {
	t.Helper()
	require.NoError(t, op.Err)
	require.Equal(t, protocol.OK, op.Reply.Status)
	require.Equal(t, len(value), len(op.Value))
	require.True(t, value == string(op.Value), "another value")
}

func requireMiss(t testing.TB, op *Op) {
	t.Helper()
	require.NoError(t, op.Err)
	require.Equal(t, protocol.Miss, op.Reply.Status)
}

func requireFailed(t testing.TB, op *Op, o Outcome, cause error) {
	t.Helper()
	var failed *Error
	require.ErrorAs(t, op.Err, &failed)
	require.ErrorIs(t, op.Err, cause)
	require.Equal(t, o, failed.Outcome, "%v", op.Err)
	require.Equal(t, op.Node.Name(), failed.Node)
}

// requireKept fails if a connection was given up. There may be a second one (lanes.go).
func requireKept(t testing.TB, n *Node) {
	t.Helper()
	s := n.Stats()
	require.Equal(t, uint64(s.Conns), s.Dials)
	require.Zero(t, s.Broken)
}

// peer is the node's end of a connection, for scripts. It answers as told, right or wrong.
type peer struct {
	net.Conn
	in *bufio.Reader
}

// line reads one line without its CR LF; "" at the end of the connection.
func (p *peer) line() string {
	line, _ := p.in.ReadString('\n')
	return strings.TrimSuffix(line, "\r\n")
}

// expect reads n lines; false means that the connection ended.
func (p *peer) expect(n int) bool {
	for range n {
		if p.line() == "" {
			return false
		}
	}
	return true
}

func (p *peer) say(format string, args ...any) {
	fmt.Fprintf(p, format, args...)
}

// discard reads until the connection ends.
func (p *peer) discard() { io.Copy(io.Discard, p.in) }

// script is what a peer does with a connection after the handshake; the connection closes when it returns.
type script func(*peer)

// scripts returns a dialer to a peer without buffers (net.Pipe: a write waits until it is read). The first connection
// runs the first script, and so on; the last one is for all that come later.
func scripts(list ...script) DialFunc {
	next := inTurn(list)
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go next().run(server)
		return client, nil
	}
}

// tcpScripts is scripts over TCP. The peers' goroutines end with the test.
func tcpScripts(t testing.TB, list ...script) DialFunc {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var peers sync.WaitGroup
	next := inTurn(list)
	peers.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			peers.Go(func() { next().run(nc) })
		}
	})
	t.Cleanup(peers.Wait)
	t.Cleanup(func() { l.Close() })
	return dialTo(l.Addr().String())
}

// inTurn returns the scripts one after the other, and the last one again and again.
func inTurn(list []script) func() script {
	var mu sync.Mutex
	return func() script {
		mu.Lock()
		defer mu.Unlock()
		s := list[0]
		if len(list) > 1 {
			list = list[1:]
		}
		return s
	}
}

// run answers the handshake and then does as the script says.
func (s script) run(nc net.Conn) {
	defer nc.Close()
	p := &peer{nc, bufio.NewReader(nc)}
	if p.line() == "version" {
		p.say("VERSION 1.6.18\r\n")
		s(p)
	}
}

// serveHits answers every "gets" line with hits: each key's value is value(key).
func serveHits(value func(key string) string) script {
	return func(p *peer) {
		for {
			words := strings.Fields(p.line())
			if len(words) == 0 || words[0] != "gets" {
				return
			}
			p.say("%s", hits(words[1:], value))
		}
	}
}

// hits is the reply to a "gets" line in which every key has hit.
func hits(keys []string, value func(string) string) string {
	var b strings.Builder
	for _, key := range keys {
		v := value(key)
		fmt.Fprintf(&b, "VALUE %s 0 %d 1\r\n%s\r\n", key, len(v), v)
	}
	return b.String() + "END\r\n"
}

// valueOf is a value that tells its key.
func valueOf(key string) string { return "value of " + key }

// getOps returns ops that read keys.
func getOps(keys ...string) []*Op {
	ops := make([]*Op, len(keys))
	for i, key := range keys {
		ops[i] = &Op{Request: protocol.Request{Command: protocol.Get, Key: key}}
	}
	return ops
}

// keys returns n different keys.
func keys(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("key-%d", i)
	}
	return list
}
