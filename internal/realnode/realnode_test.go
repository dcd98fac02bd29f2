package realnode

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ask sends one command line on a new connection and returns the first line of the reply.
func ask(t *testing.T, n *Node, command string) string {
	t.Helper()
	conn, err := n.Dial()
	require.NoError(t, err)
	defer conn.Close()
	return exchange(t, conn, command)
}

func exchange(t *testing.T, conn net.Conn, command string) string {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	_, err := io.WriteString(conn, command+"\r\n")
	require.NoError(t, err)
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	return line
}

func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH, "process %d is still there", pid)
}

func TestEveryVariantStoresAndReads(t *testing.T) {
	variants := map[string]func(testing.TB, ...string) *Node{
		"tcp":  Start,
		"unix": StartUnix,
		"tls":  StartTLS,
		"auth": func(t testing.TB, args ...string) *Node { return StartAuth(t, "ann", "s3cret", args...) },
	}
	for name, start := range variants {
		t.Run(name, func(t *testing.T) {
			n := start(t)
			require.Equal(t, "STORED\r\n", ask(t, n, "set k 0 0 5\r\nhello"))
			require.Equal(t, "VALUE k 0 5\r\n", ask(t, n, "get k"))
			require.Equal(t, "1", n.Stats(t)["threads"])

			n.Kill()
			require.NoError(t, n.Restart())
			require.Equal(t, "END\r\n", ask(t, n, "get k"), "a restarted node is empty")
		})
	}
}

func TestArgumentsOfTheCallerWin(t *testing.T) {
	n := Start(t, "-t", "3", "-m", "17")
	require.Equal(t, "3", n.Stats(t)["threads"])
	require.Equal(t, fmt.Sprint(17<<20), n.Stats(t, "settings")["maxbytes"])
}

func TestAuthenticationIsAsked(t *testing.T) {
	n := StartAuth(t, "ann", "s3cret")
	conn, err := net.Dial("tcp", n.Addr)
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, "CLIENT_ERROR unauthenticated\r\n", exchange(t, conn, "version"))
}

func TestTLSRefusesPlainText(t *testing.T) {
	n := StartTLS(t)
	conn, err := net.Dial("tcp", n.Addr)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	_, err = io.WriteString(conn, "version\r\n")
	require.NoError(t, err)
	reply, err := io.ReadAll(conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NotContains(t, string(reply), "VERSION")
}

func TestKillRefusesConnectionsUntilRestart(t *testing.T) {
	n := Start(t)
	first := n.Pid()
	n.Kill()
	n.Kill() // a second kill finds nothing to do
	requireGone(t, first)
	_, err := net.Dial("tcp", n.Addr)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	addr := n.Addr
	require.NoError(t, n.Restart())
	require.Equal(t, addr, n.Addr)
	require.NotEqual(t, first, n.Pid())
	require.Contains(t, ask(t, n, "version"), "VERSION ")
}

func TestRestartReplacesARunningProcess(t *testing.T) {
	n := Start(t)
	first := n.Pid()
	require.NoError(t, n.Restart())
	requireGone(t, first)
	require.Contains(t, ask(t, n, "version"), "VERSION ")
}

func TestPausedNodeAcceptsAndAnswersAfterResume(t *testing.T) {
	n := Start(t)
	n.Pause()
	n.Pause() // pausing twice is one pause
	if runtime.GOOS == "linux" {
		require.Equal(t, "T", processState(t, n.Pid()))
	}

	conn, err := net.Dial("tcp", n.Addr) // the kernel's backlog takes it
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "version\r\n")
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	n.Resume()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	line, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "VERSION ")
}

// processState returns the third field of /proc/pid/stat, one letter (proc_pid_stat(5)).
func processState(t *testing.T, pid int) string {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	require.NoError(t, err)
	var id int
	var name, state string
	_, err = fmt.Sscan(string(stat), &id, &name, &state)
	require.NoError(t, err)
	return state
}

func TestAPausedNodeCanBeKilled(t *testing.T) {
	n := Start(t)
	n.Pause()
	n.Kill()
	requireGone(t, n.Pid())
	n.Resume() // nothing to resume, no harm
	require.Panics(t, n.Pause)
}

func TestTheTestsCleanupEndsTheProcess(t *testing.T) {
	var pid int
	t.Run("inner", func(t *testing.T) { pid = Start(t).Pid() })
	requireGone(t, pid)
}

func TestManyStartsAtOnceGetPortsOfTheirOwn(t *testing.T) {
	const count = 24
	nodes := make([]*Node, count)
	var wg sync.WaitGroup
	for i := range nodes {
		wg.Go(func() {
			n, err := Launch()
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(n.Close)
			nodes[i] = n
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	for _, n := range nodes {
		require.NotNil(t, n)
		require.False(t, seen[n.Addr], "%s was given twice", n.Addr)
		seen[n.Addr] = true
	}
}

// A stranger that answers at the node's address must not pass for the node.
func TestATakenPortIsAnError(t *testing.T) {
	stranger := Start(t)
	n := &Node{Addr: stranger.Addr, network: "tcp", args: []string{"-l", "127.0.0.1", "-p", fmt.Sprint(stranger.port.number)}}
	require.ErrorIs(t, n.start(), errPortTaken)
}

func TestAReservedPortIsNotGivenAgain(t *testing.T) {
	r, err := reservePort()
	require.NoError(t, err)
	defer r.release()
	_, err = net.ListenPacket("udp", r.addr())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.True(t, portIsFree(r.addr()), "the reservation must not keep memcached from listening")
}

func TestBadArgumentsAreReportedInTheProgramsWords(t *testing.T) {
	_, err := Launch("-t", "nonsense")
	require.ErrorContains(t, err, "threads")
}

func TestMissingBinary(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Launch()
	require.ErrorIs(t, err, ErrNotInstalled)

	t.Setenv("CI", "")
	require.Equal(t, "skip", outcomeOf(err))
	t.Setenv("CI", "true")
	require.Equal(t, "fatal", outcomeOf(err))
}

// outcomeOf runs own with a recorder in place of a test.
func outcomeOf(err error) string {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		own(r, nil, err)
	}()
	<-done
	return r.outcome
}

// recorder is a test that notes how it was ended.
type recorder struct {
	testing.TB
	outcome string
}

func (r *recorder) Helper()      {}
func (r *recorder) Name() string { return "(testing this message)" }
func (r *recorder) Skip(...any)  { r.outcome = "skip"; runtime.Goexit() }
func (r *recorder) Fatal(...any) { r.outcome = "fatal"; runtime.Goexit() }

func TestReadStatsRefusesOtherReplies(t *testing.T) {
	n := Start(t)
	_, err := n.fetchStats("no-such-group")
	require.Error(t, err)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
}
