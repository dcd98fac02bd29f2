package placement

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// nutcrackerPool is a pool of twemproxy over the test's nodes, and the Func that must agree with it.
type nutcrackerPool struct {
	name    string
	options []string // lines of its configuration
	servers []Server
	ours    Func
}

func nutcrackerPools(t *testing.T, nodes []Server) []nutcrackerPool {
	p := place(t)
	weighted := weigh(nodes, 1, 2, 5)
	named := weigh(nodes, 3, 2, 1)
	for i, name := range []string{"ann", "bob", "eve"} {
		named[i].Name = name
	}
	long := weigh(named, 2, 1, 1)
	long[0].Name = "a-long-name-comes-last"
	tagged := p(Ketama(nodes, MD5))
	return []nutcrackerPool{
		{"plain", nil, nodes, p(Ketama(nodes, FNV1a64))},
		{"weighted", nil, weighted, p(Ketama(weighted, FNV1a64))},
		{"named", []string{"hash: md5", "distribution: ketama"}, named, p(Ketama(named, MD5))},
		{"jenkins", []string{"hash: one_at_a_time"}, weighted, p(Ketama(weighted, OneAtATime))},
		{"modula", []string{"hash: md5", "distribution: modula"}, nodes, p(TwemproxyModula(nodes, MD5))},
		{"modulaweighted", []string{"distribution: modula"}, weighted, p(TwemproxyModula(weighted, FNV1a64))},
		{"modulanamed", []string{"distribution: modula"}, long, p(TwemproxyModula(long, FNV1a64))},
		{"tagged", []string{"hash: md5", `hash_tag: "{}"`}, nodes, func(key string) int { return tagged(InsideTag(key, '{', '}')) }},
	}
}

// Stores keys through twemproxy, and looks for them at the nodes themselves.
func TestAgreesWithTwemproxy(t *testing.T) {
	need(t, "nutcracker", "nutcracker")
	var nodes []*realnode.Node
	var servers []Server
	for range 3 {
		node := realnode.Start(t)
		server, err := ParseServer(node.Addr)
		require.NoError(t, err)
		nodes, servers = append(nodes, node), append(servers, server)
	}
	pools := nutcrackerPools(t, servers)
	dir := startNutcracker(t, pools)
	for _, pool := range pools {
		keys := textKeys(pool.name, 300)
		storeAll(t, filepath.Join(dir, pool.name), keys)
		found := 0
		for i, node := range nodes {
			for _, key := range held(t, node, keys) {
				require.Equal(t, i, pool.ours(key), "%s: %q", pool.name, key)
				found++
			}
		}
		require.Equal(t, len(keys), found, pool.name)
	}
}

// textKeys may stand in a command of the text protocol.
func textKeys(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		switch i % 4 {
		case 0:
			keys[i] = fmt.Sprintf("%s:%d:profile", prefix, i)
		case 1:
			keys[i] = fmt.Sprintf("%s:ключ:%d€", prefix, i)
		case 2:
			keys[i] = fmt.Sprintf("%s:{%d}:{name}", prefix, i)
		default:
			keys[i] = fmt.Sprintf("%s:{}%d}{", prefix, i)
		}
	}
	return keys
}

// startNutcracker returns the directory of the pools' unix sockets, each named as its pool.
func startNutcracker(t *testing.T, pools []nutcrackerPool) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nut") // not t.TempDir: a socket's path has 107 bytes at most
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "nutcracker.yml")
	require.NoError(t, os.WriteFile(file, nutcrackerConfig(dir, pools), 0o600))

	// Its port of statistics cannot be switched off. Somebody else may take a free one before it does.
	for range 10 {
		if runNutcracker(t, dir, file, freePort(t), pools) {
			return dir
		}
	}
	t.Fatal("nutcracker does not start")
	return ""
}

func nutcrackerConfig(dir string, pools []nutcrackerPool) []byte {
	var b bytes.Buffer
	for _, pool := range pools {
		fmt.Fprintf(&b, "%s:\n  listen: %s\n", pool.name, filepath.Join(dir, pool.name))
		for _, line := range pool.options {
			fmt.Fprintf(&b, "  %s\n", line)
		}
		b.WriteString("  servers:\n")
		for _, s := range pool.servers {
			fmt.Fprintf(&b, "   - %s:%d %s\n", s.HostPort(), s.weight(), s.Name)
		}
	}
	return bytes.ReplaceAll(b.Bytes(), []byte(" \n"), []byte("\n"))
}

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// runNutcracker reports whether the process listens for all pools; it ends with the test.
func runNutcracker(t *testing.T, dir, config string, statsPort int, pools []nutcrackerPool) bool {
	t.Helper()
	cmd := exec.Command("nutcracker", "-c", config, "-a", "127.0.0.1", "-s", strconv.Itoa(statsPort),
		"-p", filepath.Join(dir, "pid"), "-o", filepath.Join(dir, "log"))
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // killed, or a port was taken
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the only error is that it has ended
		<-ended
	})
	for _, pool := range pools {
		if !listens(filepath.Join(dir, pool.name), ended) {
			return false
		}
	}
	return true
}

// listens waits until a connection to the socket succeeds, for 10 s or until the process has ended.
func listens(socket string, ended <-chan struct{}) bool {
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-time.After(2 * time.Millisecond): // a foreign process gives no signal when it listens
		}
	}
	return false
}

func storeAll(t *testing.T, socket string, keys []string) {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	require.NoError(t, err)
	defer conn.Close()
	replies := exchange(t, conn, keys, "set %s 0 0 1\r\nx\r\n")
	for _, key := range keys {
		require.True(t, replies.Scan(), replies.Err())
		require.Equal(t, "STORED", replies.Text(), key)
	}
}

// held returns those of the keys that the node has.
func held(t *testing.T, node *realnode.Node, keys []string) (hits []string) {
	t.Helper()
	conn, err := node.Dial()
	require.NoError(t, err)
	defer conn.Close()
	replies := exchange(t, conn, keys, "mg %s\r\n")
	for _, key := range keys {
		require.True(t, replies.Scan(), replies.Err())
		require.Contains(t, []string{"HD", "EN"}, replies.Text())
		if replies.Text() == "HD" {
			hits = append(hits, key)
		}
	}
	return hits
}

// exchange sends a command for each key and returns the lines of the replies.
func exchange(t *testing.T, conn net.Conn, keys []string, format string) *bufio.Scanner {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	var commands strings.Builder
	for _, key := range keys {
		fmt.Fprintf(&commands, format, key)
	}
	_, err := conn.Write([]byte(commands.String()))
	require.NoError(t, err)
	return bufio.NewScanner(conn)
}
