package pool_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/stretchr/testify/require"
)

// TestAStoppedClientSuspectsNobody stops a process of its own, with requests under way to two nodes, for many times a try.
func TestAStoppedClientSuspectsNobody(t *testing.T) {
	const child = "NOHOP_TEST_STOPPED_CLIENT"
	if addrs := os.Getenv(child); addrs != "" {
		runStopped(t, strings.Fields(addrs))
		return
	}
	a, b := realnode.Start(t), realnode.Start(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestAStoppedClientSuspectsNobody$", "-test.v")
	cmd.Env = append(os.Environ(), child+"="+a.Addr+" "+b.Addr)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if lines.Text() != "under load" {
			continue
		}
		for range 3 {
			require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
			<-time.After(6 * tryTime)
			require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
			<-time.After(tryTime)
		}
		require.NoError(t, stdin.Close())
	}
	require.NoError(t, cmd.Wait(), "%v", said)
	require.Contains(t, strings.Join(said, "\n"), "PASS: TestAStoppedClientSuspectsNobody")
}

// runStopped reads from nodes until stdin ends. The tries that are under way when the process is stopped are over when it
// goes on.
func runStopped(t *testing.T, addrs []string) {
	set := pool.NewNodeSet(pool.NodeSetConfig{})
	var nodes []*pool.Node
	for _, addr := range addrs {
		n := pool.NewNode(pool.Config{Addr: addr, Timeout: 2 * tryTime, NodeSet: set})
		defer n.Close()
		require.Eventually(t, func() bool { return read(n) == nil }, 5*time.Second, time.Millisecond)
		nodes = append(nodes, n)
	}
	set.Replace(nodes)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i := range 16 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					read(nodes[i%2])
				}
			}
		})
	}
	os.Stdout.WriteString("under load\n")
	os.Stdin.Read(make([]byte, 1))
	close(stop)
	readers.Wait()
	for _, n := range nodes {
		require.Zero(t, n.Stats().Suspected)
		require.Zero(t, n.Stats().Broken)
	}
}
