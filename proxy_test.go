package memcache_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// twemproxy hands "version" on to a node and so looks like one, but knows no meta commands: it has to be told of. What
// it cannot do is an error.
func TestBehindTwemproxy(t *testing.T) {
	proxy := startTwemproxy(t, realnode.Start(t).Addr)
	c := newClient(t, memcache.WithServers(proxy), memcache.WithTextProtocol(), memcache.WithTimeout(longTimeout))
	require.NoError(t, c.Set(t.Context(), item("k", "1")))
	n, err := c.Increment(t.Context(), "k", 1)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	require.NoError(t, c.Touch(t.Context(), "k", time.Hour))
	got, err := c.GetMulti(t.Context(), []string{"k", "l"})
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.NoError(t, c.Delete(t.Context(), "k"))
	_, err = c.GetAndTouch(t.Context(), "k", time.Hour)
	require.Error(t, err)
	require.NotErrorIs(t, err, memcache.ErrCacheMiss)

	untold := newClient(t, memcache.WithServers(proxy), memcache.WithTimeout(longTimeout))
	require.Error(t, untold.Set(t.Context(), item("k", "1")))
}

// startTwemproxy returns the unix socket of a twemproxy before that node.
func startTwemproxy(t *testing.T, node string) string {
	t.Helper()
	if _, err := exec.LookPath("nutcracker"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("nutcracker is not installed")
		}
		fmt.Fprintln(os.Stderr, "SKIPPED: nutcracker is not installed")
		t.Skip("nutcracker is not installed")
	}
	dir, err := os.MkdirTemp("", "nut") // not t.TempDir: a socket's path has 107 bytes at most
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket, config := filepath.Join(dir, "proxy"), filepath.Join(dir, "nutcracker.yml")
	text := fmt.Sprintf("proxy:\n  listen: %s\n  hash: fnv1a_64\n  distribution: ketama\n  servers:\n   - %s:1\n", socket, node)
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	cmd := exec.Command("nutcracker", "-c", config, "-a", "127.0.0.1", "-s", freePort(t), "-o", filepath.Join(dir, "log"))
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // the only error is that it has ended
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			return false
		}
		conn.Close()
		return true
	}, 10*time.Second, 2*time.Millisecond)
	return socket
}

// freePort returns a port for twemproxy's statistics, which cannot be switched off.
func freePort(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}
