package fetchers_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/hotkey/fetchers"
	"github.com/nohop/memcache/internal/realnode"
)

// foreign is a client that is not ours: it speaks the text protocol itself.
type foreign struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, node *realnode.Node) *foreign {
	t.Helper()
	conn, err := node.Dial()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return &foreign{t, conn, bufio.NewReader(conn)}
}

// do sends a command and reads its answer, up to the line that ends it.
func (f *foreign) do(command string) {
	f.t.Helper()
	_, err := f.conn.Write([]byte(command + "\r\n"))
	require.NoError(f.t, err)
	for line := ""; line != "END" && line != "STORED" && line != "HD" && line != "DELETED" && line != "MN"; {
		line, err = f.in.ReadString('\n')
		require.NoError(f.t, err)
		line = strings.TrimSpace(line)
	}
}

// run watches node until the test ends.
func run(t *testing.T, node *realnode.Node, o fetchers.Options) (*fetchers.Watcher, *hotkey.Detector) {
	t.Helper()
	d, err := hotkey.New(hotkey.Options{})
	require.NoError(t, err)
	w, err := fetchers.New(node.Addr, d.NewSampler(), o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	await(t, func() bool { return w.Status().Connected })
	d.Tick(time.Now())
	return w, d
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 20*time.Second, time.Millisecond)
}

func TestARealNodeIsWatched(t *testing.T) {
	node := realnode.Start(t)
	w, d := run(t, node, fetchers.Options{})
	f := dial(t, node)
	hot := "höt key"[:4] + "%x" // is escaped in the log
	f.do("set " + hot + " 0 0 1000\r\n" + strings.Repeat("v", 1000))
	const rounds = 2000
	for i := range rounds {
		f.do("get " + hot)
		f.do(fmt.Sprintf("get session:%d", i%100)) // never there
		f.do("ms other 3\r\nabc")
	}
	await(t, func() bool { return w.Status().Ops == 1+3*rounds })
	d.Tick(time.Now().Add(hotkey.TickInterval)) // however fast the machine was

	r := d.Report(5)
	require.Equal(t, hot, r.Keys[0].Key)
	require.InDelta(t, 1000+len(hot), r.Keys[0].ItemSize, 1)
	require.InDelta(t, 1, *r.Keys[0].HitRatio, 0.01)
	require.Equal(t, "session:#", r.Families[0].Template)
	for _, k := range r.Keys {
		if k.Key == "other" {
			require.InDelta(t, 1, k.WriteShare, 0.01, "a store's own look is no read")
		}
	}
	st := w.Status()
	require.Zero(t, st.Bad)
	require.Zero(t, st.Skipped)
}

func TestOurOwnConnectionsToARealNodeAreLeftOut(t *testing.T) {
	node := realnode.Start(t)
	before := dial(t, node)
	before.do("set k 0 0 1\r\nv") // the node has accepted the connection
	ours := map[netip.AddrPort]bool{addrOf(before): true}
	w, _ := run(t, node, fetchers.Options{Ours: func(client netip.AddrPort) bool { return ours[client] }})
	theirs := dial(t, node)
	theirs.do("get k")
	before.do("get k")
	before.do("set k 0 0 1\r\nv")
	before.do("delete k")
	await(t, func() bool { return w.Status().Ours == 3 })
	require.EqualValues(t, 1, w.Status().Ops)
}

func addrOf(f *foreign) netip.AddrPort { return f.conn.LocalAddr().(*net.TCPAddr).AddrPort() }

func TestAWatcherSurvivesARestart(t *testing.T) {
	node := realnode.Start(t)
	w, _ := run(t, node, fetchers.Options{MaxBackoff: 200 * time.Millisecond})
	node.Kill()
	await(t, func() bool { return !w.Status().Connected })
	require.Error(t, w.Status().Err)
	require.NoError(t, node.Restart())
	await(t, func() bool { return w.Status().Connected })
	dial(t, node).do("get k")
	await(t, func() bool { return w.Status().Ops == 1 })
	require.EqualValues(t, 2, w.Status().Connects)
}

// A watcher that does not read makes the node leave lines out, and say so when it can.
func TestARealNodeTellsWhatItSkipped(t *testing.T) {
	node := realnode.Start(t)
	hold := make(chan struct{})
	w, _ := run(t, node, fetchers.Options{Dial: func(context.Context, string, string) (net.Conn, error) {
		conn, err := node.Dial()
		if err != nil {
			return nil, err
		}
		return &slow{Conn: conn, hold: hold}, nil
	}})
	f := dial(t, node)
	multiget := "get" + strings.Repeat(" "+strings.Repeat("k", 240), 100)
	skipped := func() bool { return statOf(t, node, "log_watcher_skipped") != "0" }
	for i := 0; i < 2000 && !(i%50 == 0 && skipped()); i++ {
		f.do(multiget)
	}
	require.True(t, skipped(), "the node never skipped a line")
	close(hold)
	await(t, func() bool { f.do("get k"); return w.Status().Skipped > 0 })
	require.Zero(t, w.Status().Bad)
}

// slow answers the first read at once and the others when hold is closed.
type slow struct {
	net.Conn
	hold chan struct{}
	read bool
}

func (s *slow) Read(p []byte) (int, error) {
	if s.read {
		<-s.hold
	}
	s.read = true
	return s.Conn.Read(p)
}

func statOf(t *testing.T, node *realnode.Node, name string) string {
	f := dial(t, node)
	_, err := f.conn.Write([]byte("stats\r\n"))
	require.NoError(t, err)
	for {
		line, err := f.in.ReadString('\n')
		require.NoError(t, err)
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "STAT "+name+" "); ok {
			return value
		}
	}
}
