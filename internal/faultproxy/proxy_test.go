package faultproxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

const (
	patience = 5 * time.Second       // for what must come
	silence  = 60 * time.Millisecond // for what must not come
	version  = "VERSION "            // what every memcached says
)

// start runs a memcached behind a proxy, and checks that the proxy leaves nothing behind.
func start(t *testing.T) (*realnode.Node, *Proxy) {
	t.Helper()
	node := realnode.Start(t)
	before := runtime.NumGoroutine()
	p, err := Start(node.Addr, 1)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Close()
		require.Zero(t, p.Open())
		requireGoroutines(t, before)
	})
	return node, p
}

// requireGoroutines gives those that have said that they are done a moment to be gone. (Eventually needs one itself.)
func requireGoroutines(t *testing.T, most int) {
	t.Helper()
	for end := time.Now().Add(patience); runtime.NumGoroutine() > most; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines are left, %d were there before", runtime.NumGoroutine(), most)
		}
	}
}

// peer is a client that speaks bytes.
type peer struct {
	t *testing.T
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, p *Proxy) *peer {
	t.Helper()
	conn, err := net.DialTimeout("tcp", p.Addr(), patience)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return &peer{t, conn, bufio.NewReader(conn)}
}

func (c *peer) send(text string) {
	c.t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(c.t, err)
}

func (c *peer) line() string {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	line, err := c.in.ReadString('\n')
	require.NoError(c.t, err)
	return strings.TrimSuffix(line, "\r\n")
}

// all reads until the end and returns what ended it.
func (c *peer) all() (string, error) {
	c.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(c.in)
	return string(b), err
}

func (c *peer) wantSilence() {
	c.t.Helper()
	c.SetReadDeadline(time.Now().Add(silence))
	_, err := c.in.ReadByte()
	require.ErrorIs(c.t, err, os.ErrDeadlineExceeded)
}

func (c *peer) wantAnswer() {
	c.t.Helper()
	c.send("version\r\n")
	require.Contains(c.t, c.line(), version)
}

func set(t *testing.T, p *Proxy, f Faults) {
	t.Helper()
	require.NoError(t, p.Set(f))
}

func TestAGoodNetworkChangesNothing(t *testing.T) {
	_, p := start(t)
	c := dial(t, p)
	value := strings.Repeat("0123456789\r\nEND\r\nVALUE x 0 5\r\n", 20_000)
	go fmt.Fprintf(c, "set k 7 0 %d\r\n%s\r\nget k none\r\nmg k v\r\nget none\r\n", len(value), value)
	require.Equal(t, "STORED", c.line())
	require.Equal(t, fmt.Sprintf("VALUE k 7 %d", len(value)), c.line())
	got := make([]byte, len(value)+2)
	_, err := io.ReadFull(c.in, got)
	require.NoError(t, err)
	require.Equal(t, value+"\r\n", string(got))
	require.Equal(t, "END", c.line())
	require.Equal(t, fmt.Sprintf("VA %d", len(value)), c.line())
	_, err = io.ReadFull(c.in, got)
	require.NoError(t, err)
	require.Equal(t, value+"\r\n", string(got))
	require.Equal(t, "END", c.line())
}

func TestEndsArePassedOn(t *testing.T) {
	node, p := start(t)
	c := dial(t, p)
	c.send("version\r\nquit\r\n")
	text, err := c.all()
	require.NoError(t, err)
	require.Contains(t, text, version)
	require.Eventually(t, func() bool { c.Close(); return p.Open() == 0 }, patience, time.Millisecond)

	node.Kill()
	conn, err := net.DialTimeout("tcp", p.Addr(), patience) // the proxy listens, the node does not
	if err == nil {
		defer conn.Close()
		_, err = (&peer{t, conn, bufio.NewReader(conn)}).all()
	}
	require.ErrorIs(t, err, syscall.ECONNRESET) // at once, or a moment later
}

func TestSlowLinks(t *testing.T) {
	_, p := start(t)
	const slow = 100 * time.Millisecond
	for name, link := range map[string]Link{
		"delay":     {Delay: slow},
		"jitter":    {Delay: slow, Jitter: slow},
		"drip":      {Chunk: 1, Drip: slow / 8},     // "version\r\n" is 9 bytes
		"bandwidth": {Chunk: 1, BytesPerSecond: 80}, // the first byte is not waited for
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range []Faults{{ToNode: link}, {ToClient: link}} {
				c := dial(t, p)
				c.wantAnswer()
				set(t, p, f)
				began := time.Now()
				c.wantAnswer()
				require.GreaterOrEqual(t, time.Since(began), slow*8/10)
				set(t, p, Faults{})
				c.wantAnswer()
			}
		})
	}
}

func TestChoppedBytesArrive(t *testing.T) {
	_, p := start(t)
	set(t, p, Faults{ToNode: Link{Chunk: 1}, ToClient: Link{Chunk: 1}})
	c := dial(t, p)
	c.send("set k 0 0 5\r\nhello\r\nget k\r\n")
	for _, want := range []string{"STORED", "VALUE k 0 5", "hello", "END"} {
		require.Equal(t, want, c.line())
	}
}

func TestAStallEndsWhenItIsHealed(t *testing.T) {
	_, p := start(t)
	for _, f := range []Faults{{ToNode: Link{Flow: Stall}}, {ToClient: Link{Flow: Stall}}} {
		c := dial(t, p)
		c.wantAnswer()
		set(t, p, f)
		c.send("version\r\n")
		c.wantSilence()
		set(t, p, Faults{ToNode: Link{Chunk: 1}}) // any other setting ends it
		require.Contains(t, c.line(), version)
	}
}

func TestABlackholeIsForEver(t *testing.T) {
	_, p := start(t)
	for _, f := range []Faults{{ToNode: Link{Flow: Blackhole}}, {ToClient: Link{Flow: Blackhole}}} {
		c := dial(t, p)
		c.wantAnswer()
		set(t, p, f)
		c.send("version\r\n")
		c.wantSilence()
		require.NoError(t, p.Heal())
		c.send("version\r\n")
		c.wantSilence()
		dial(t, p).wantAnswer()
	}
}

func TestCutsTowardsTheClient(t *testing.T) {
	_, p := start(t)
	for cut, want := range map[Cut]error{FIN: nil, RST: syscall.ECONNRESET} {
		c := dial(t, p)
		c.wantAnswer()
		set(t, p, Faults{ToClient: Link{Cut: cut, CutAt: 3}})
		c.send("version\r\nversion\r\n")
		text, err := c.all()
		require.ErrorIs(t, err, want)
		if cut == FIN { // a reset may overtake the bytes before it
			require.Equal(t, "VER", text)
		}
		require.NoError(t, p.Heal())
	}
}

func TestCutsTowardsTheNode(t *testing.T) {
	_, p := start(t)
	for _, cut := range []Cut{FIN, RST} {
		c := dial(t, p)
		c.wantAnswer()
		set(t, p, Faults{ToNode: Link{Cut: cut, CutAt: len("set k 0 0 5\r\nhel")}})
		c.send("set k 0 0 5\r\nhello\r\n")
		text, err := c.all()
		require.Empty(t, text)
		require.True(t, err == nil || errors.Is(err, syscall.ECONNRESET), "%v", err)
		require.NoError(t, p.Heal())
		c = dial(t, p)
		c.send("get k\r\n")
		require.Equal(t, "END", c.line(), "half a request is none")
	}
}

func TestRefusedConnections(t *testing.T) {
	_, p := start(t)
	open := dial(t, p)
	open.wantAnswer()
	set(t, p, Faults{Connect: Refuse})
	set(t, p, Faults{Connect: Refuse})
	_, err := net.Dial("tcp", p.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	open.wantAnswer() // those that are open stay

	squatter, err := net.Listen("tcp", p.Addr())
	require.NoError(t, err)
	require.Error(t, p.Heal())
	squatter.Close()
	require.NoError(t, p.Heal())
	dial(t, p).wantAnswer()
}

func TestSilentConnectionsStaySilent(t *testing.T) {
	_, p := start(t)
	set(t, p, Faults{Connect: Silent})
	c := dial(t, p)
	c.send("version\r\n")
	c.wantSilence()
	require.NoError(t, p.Heal())
	c.send("version\r\n")
	c.wantSilence()
	dial(t, p).wantAnswer()
}

func TestHalfOpenConnections(t *testing.T) {
	node, p := start(t)
	idle := node.Stats(t)["curr_connections"]
	c := dial(t, p)
	c.wantAnswer()
	p.HalfOpen()
	forgotten := func() bool { return node.Stats(t)["curr_connections"] == idle }
	require.Eventually(t, forgotten, patience, time.Millisecond)
	c.send("version\r\n")
	c.wantSilence()
	dial(t, p).wantAnswer()
	c.Close()
	require.Eventually(t, func() bool { return p.Open() == 1 }, patience, time.Millisecond)
}

func TestBuryResetsOnlyWhatIsDead(t *testing.T) {
	_, p := start(t)
	dead := dial(t, p)
	dead.wantAnswer()
	p.HalfOpen()
	alive := dial(t, p)
	alive.wantAnswer()
	p.Bury()
	_, err := dead.all()
	require.ErrorIs(t, err, syscall.ECONNRESET)
	alive.wantAnswer()
}

func TestReset(t *testing.T) {
	_, p := start(t)
	c := dial(t, p)
	c.wantAnswer()
	p.Reset()
	_, err := c.all()
	require.ErrorIs(t, err, syscall.ECONNRESET)
	dial(t, p).wantAnswer()
}

func TestRewrittenReplies(t *testing.T) {
	_, p := start(t)
	for kind, check := range map[RewriteKind]func(t *testing.T, c *peer){
		StrayLine: func(t *testing.T, c *peer) {
			require.Contains(t, strayLines, c.line()+"\r\n")
			require.Equal(t, "VALUE a 0 1", c.line())
		},
		CorruptLength: func(t *testing.T, c *peer) {
			line := c.line()
			require.Contains(t, line, "VALUE a 0 ")
			require.NotEqual(t, "VALUE a 0 1", line)
			require.Equal(t, "A", c.line())
		},
		SwapReplies: func(t *testing.T, c *peer) {
			require.Equal(t, "VALUE b 0 1", c.line())
			require.Equal(t, "B", c.line())
			require.Equal(t, "VALUE a 0 1", c.line())
			require.Equal(t, "A", c.line())
			c.wantSilence() // END waits for what comes next
			require.NoError(t, p.Heal())
			c.send("version\r\n")
			require.Contains(t, c.line(), version)
			require.Equal(t, "END", c.line())
		},
		DuplicateReply: func(t *testing.T, c *peer) {
			for range 2 {
				require.Equal(t, "VALUE a 0 1", c.line())
				require.Equal(t, "A", c.line())
			}
			require.Equal(t, "VALUE b 0 1", c.line())
		},
	} {
		t.Run(fmt.Sprint("kind ", kind), func(t *testing.T) {
			c := dial(t, p)
			c.send("set a 0 0 1\r\nA\r\nset b 0 0 1\r\nB\r\n")
			require.Equal(t, "STORED", c.line())
			require.Equal(t, "STORED", c.line())
			set(t, p, Faults{Replies: Rewrite{Kind: kind}})
			c.send("get a b\r\n")
			check(t, c)
			require.NoError(t, p.Heal())
		})
	}
}

func TestEveryIsAShare(t *testing.T) {
	_, p := start(t)
	set(t, p, Faults{Replies: Rewrite{Kind: DuplicateReply, Every: 10}})
	c := dial(t, p)
	const asked = 1000
	c.send(strings.Repeat("version\r\n", asked) + "quit\r\n")
	text, err := c.all()
	require.NoError(t, err)
	extra := strings.Count(text, version) - asked
	require.InDelta(t, asked/10, extra, asked/20)
}

func TestCloseEndsEverything(t *testing.T) {
	for name, f := range map[string]Faults{
		"stalled": {ToNode: Link{Flow: Stall}}, "slow": {ToNode: Link{Delay: time.Hour}}, "dripping": {ToNode: Link{Chunk: 1, Drip: time.Hour}},
		"silent": {Connect: Silent}, "holed": {ToClient: Link{Flow: Blackhole}}, "good": {},
	} {
		t.Run(name, func(t *testing.T) {
			_, p := start(t)
			set(t, p, f)
			for range 3 {
				dial(t, p).send(strings.Repeat("version\r\n", 1000))
			}
			p.Close()
			p.Close()
			require.ErrorIs(t, p.Heal(), ErrClosed)
			_, err := net.Dial("tcp", p.Addr())
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
		})
	}
}

func TestAPlanDependsOnItsSeed(t *testing.T) {
	plan := func(seed uint64) []Step {
		return Plan(rand.New(rand.NewPCG(seed, 0)), Kinds(), time.Second, time.Minute)
	}
	require.Equal(t, plan(1), plan(1))
	require.NotEqual(t, plan(1), plan(2))
	var total time.Duration
	names := map[string]bool{}
	for _, s := range plan(1) {
		require.LessOrEqual(t, s.For, time.Second)
		total += s.For
		names[s.Name] = true
	}
	require.Equal(t, time.Minute, total)
	require.Greater(t, len(names), 8)
}

// Whatever the faults do to a client, the proxy survives them, and it is healed afterwards.
func TestPlayedFaults(t *testing.T) {
	node, p := start(t)
	steps := Plan(rand.New(rand.NewPCG(3, 0)), Kinds(), 10*time.Millisecond, 400*time.Millisecond)
	ctx, cancel := context.WithCancel(t.Context())
	clients := make(chan struct{})
	go func() {
		defer close(clients)
		for ctx.Err() == nil {
			clientOf(p)
		}
	}()
	require.NoError(t, p.Play(ctx, steps))
	dial(t, p).wantAnswer()
	cancel()
	<-clients
	require.NotEmpty(t, node.Stats(t))

	require.ErrorIs(t, p.Play(ctx, []Step{{Faults: Faults{Connect: Refuse}, For: time.Hour}}), context.Canceled)
	dial(t, p).wantAnswer()
}

// clientOf asks something on a new connection and does not mind what comes.
func clientOf(p *Proxy) {
	conn, err := net.DialTimeout("tcp", p.Addr(), patience)
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "set k 0 0 5\r\nhello\r\nget k\r\nget k\r\n")
	conn.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	io.Copy(io.Discard, conn)
}

func TestBadTargetsAndAddresses(t *testing.T) {
	_, err := Listen("256.0.0.1:0", "", 1)
	require.Error(t, err)
}
