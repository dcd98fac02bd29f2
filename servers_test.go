package memcache_test

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// longTimeout is for tests in which nothing should time out, on a machine that may be busy.
const longTimeout = 5 * time.Second

// server is a memcached that can be broken.
type server interface {
	addr() string
	kill()
	restart(t testing.TB)
	pause()
	resume()
}

// kinds of servers that every suite runs against.
var kinds = map[string]func(testing.TB) server{
	"memcached": func(t testing.TB) server { return realServer{realnode.Start(t)} },
	"memcachetest": func(t testing.TB) server {
		s := memcachetest.NewServer()
		t.Cleanup(s.Close)
		return testServer{s}
	},
}

type realServer struct{ *realnode.Node }

func (s realServer) addr() string         { return s.Addr }
func (s realServer) kill()                { s.Kill() }
func (s realServer) restart(t testing.TB) { require.NoError(t, s.Restart()) }
func (s realServer) pause()               { s.Pause() }
func (s realServer) resume()              { s.Resume() }

type testServer struct{ *memcachetest.Server }

func (s testServer) addr() string       { return s.Addr() }
func (s testServer) kill()              { s.Kill() }
func (s testServer) restart(testing.TB) { s.Restart() }
func (s testServer) pause()             { s.Pause() }
func (s testServer) resume()            { s.Resume() }

// cluster is some servers of one kind.
type cluster []server

// withEachKind runs test against n servers of each kind.
func withEachKind(t *testing.T, n int, test func(*testing.T, cluster)) {
	for name, start := range kinds {
		t.Run(name, func(t *testing.T) {
			var c cluster
			for range n {
				c = append(c, start(t))
			}
			test(t, c)
		})
	}
}

// slow is called first by tests that take long: with the race detector one kind of servers is enough for them.
func (c cluster) slow(t *testing.T) {
	if _, ok := c[0].(testServer); ok && raceDetector {
		t.Skip("with the race detector, against memcached only")
	}
}

func (c cluster) addrs() (list []string) {
	for _, s := range c {
		list = append(list, s.addr())
	}
	return list
}

// newClient returns a client that is closed with the test.
func newClient(t testing.TB, opts ...memcache.Option) *memcache.Client {
	t.Helper()
	c, err := memcache.New(opts...)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// raw sends text to a server, past the client, and returns the lines of the answer up to one of last.
func raw(t testing.TB, addr, text string, last ...string) (lines []string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(longTimeout)))
	_, err = conn.Write([]byte(text + "\r\n"))
	require.NoError(t, err)
	for scanner := bufio.NewScanner(conn); scanner.Scan(); {
		lines = append(lines, scanner.Text())
		for _, l := range last {
			if strings.HasPrefix(scanner.Text(), l) {
				return lines
			}
		}
	}
	t.Fatalf("no end of the answer to %q: %q", text, lines)
	return nil
}

// stored returns the value that a server itself has for key, and whether it has any.
func stored(t testing.TB, addr, key string) (string, bool) {
	t.Helper()
	lines := raw(t, addr, "get "+key, "END")
	if len(lines) == 1 {
		return "", false
	}
	return strings.Join(lines[1:len(lines)-1], "\n"), true
}

// holders returns the addresses of the servers that have key.
func (c cluster) holders(t testing.TB, key string) (addrs []string) {
	t.Helper()
	for _, s := range c {
		if _, ok := stored(t, s.addr(), key); ok {
			addrs = append(addrs, s.addr())
		}
	}
	return addrs
}

// put stores a value at each server, past the client.
func (c cluster) put(t testing.TB, key, value string, exptime int) {
	t.Helper()
	for _, s := range c {
		text := fmt.Sprintf("set %s 0 %d %d\r\n%s", key, exptime, len(value), value)
		require.Equal(t, []string{"STORED"}, raw(t, s.addr(), text, "STORED"))
	}
}

// counter returns a number of the server's own statistics.
func counter(t testing.TB, s server, name string) int {
	t.Helper()
	for _, line := range raw(t, s.addr(), "stats", "END") {
		if rest, ok := strings.CutPrefix(line, "STAT "+name+" "); ok {
			n, err := strconv.Atoi(rest)
			require.NoError(t, err)
			return n
		}
	}
	t.Fatalf("no statistic %s", name)
	return 0
}

func item(key, value string) *memcache.Item { return &memcache.Item{Key: key, Value: []byte(value)} }
