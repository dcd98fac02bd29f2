package pool

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

const quarantineTime = 3 * time.Second

// process returns a node as a process of its own would have it.
func process(t testing.TB, s *memcachetest.Server, change func(*Config)) *Node {
	cfg := Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout, Quarantine: quarantineTime, WarmUp: time.Second}
	if change != nil {
		change(&cfg)
	}
	return newTestNode(t, cfg)
}

func requireJoining(t testing.TB, n *Node) {
	t.Helper()
	requireFailed(t, get(t.Context(), n, "k"), NotSent, ErrJoining)
	require.True(t, n.Joining())
}

func meetNode(t testing.TB, n *Node) {
	t.Helper()
	require.NoError(t, do(t.Context(), n, protocol.Request{Command: protocol.Noop}).Err)
}

// What a joining node is asked, and what becomes of it.
func TestJoiningNodeIsOnlyDeletedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		n, plain := process(t, s, nil), newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext})
		for _, c := range []protocol.Command{protocol.Get, protocol.GetAndTouch, protocol.Touch, protocol.Add, protocol.Replace,
			protocol.Append, protocol.Prepend, protocol.Increment, protocol.Decrement} {
			op := do(t.Context(), n, request(c, "k"))
			requireFailed(t, op, NotSent, ErrJoining)
			require.ErrorIs(t, op.Err, ErrNodeDown, "another node may serve it")
		}
		cas := request(protocol.Set, "k")
		cas.Meta, cas.CAS = protocol.Compare, 1
		requireFailed(t, do(t.Context(), n, cas), NotSent, ErrJoining)

		mustSet(t, plain, "k", "old")
		op := set(t.Context(), n, "k", "new")
		require.NoError(t, op.Err)
		require.Equal(t, protocol.OK, op.Reply.Status)
		require.True(t, op.Cleared)
		require.Equal(t, "new", string(op.Request.Value))
		requireMiss(t, get(t.Context(), plain, "k"))
		require.Equal(t, protocol.OK, set(t.Context(), n, "k", "new").Reply.Status, "also where nothing was")

		mustSet(t, plain, "k", "old")
		require.Equal(t, protocol.OK, do(t.Context(), n, request(protocol.Delete, "k")).Reply.Status)
		require.NoError(t, do(t.Context(), n, protocol.Request{Command: protocol.Version}).Err)

		mustSet(t, plain, "k", "theirs")
		look := &Op{Request: protocol.Request{Command: protocol.Get, Key: "k"}, Inspect: true}
		n.Do(t.Context(), []*Op{look})
		requireHit(t, look, "theirs")
		require.Equal(t, Joining, n.Stats().State)
	})
}

// The time runs on the node: who comes later waits less, and who comes after it not at all.
func TestQuarantineEndsForAllProcesses(t *testing.T) {
	for _, d := range []protocol.Dialect{protocol.Unknown, protocol.Text} {
		synctest.Test(t, func(t *testing.T) {
			s := startFake(t, memcachetest.WithPipe())
			start := time.Now()
			text := func(c *Config) { c.Dialect = d }
			first := process(t, s, text)
			requireJoining(t, first)
			time.Sleep(2 * time.Second)
			second := process(t, s, text)
			requireJoining(t, second)
			for _, n := range []*Node{first, second} {
				for n.Joining() {
					time.Sleep(10 * time.Millisecond)
				}
				require.GreaterOrEqual(t, time.Since(start), quarantineTime)
				mustSet(t, n, "k", "v")
				requireHit(t, get(t.Context(), n, "k"), "v")
				require.Equal(t, Up, n.Stats().State)
			}
			require.Less(t, time.Since(start), quarantineTime+4*time.Second)
			third := process(t, s, text)
			requireHit(t, get(t.Context(), third, "k"), "v")
			require.False(t, third.Joining())
			g, known := first.Generation()
			require.True(t, known)
			for _, n := range []*Node{second, third} {
				require.Equal(t, g, n.Stats().Generation)
			}
		})
	}
}

// Who only wants generations gets them with each reply, and the node never joins for it. A node that restarts, or knows
// only classic text, is told apart.
func TestGenerationsWithoutQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		only := func(c *Config) { c.Quarantine, c.Generations = 0, true }
		one, two := process(t, s, only), process(t, s, only)
		mustSet(t, one, "k", "v")
		first := get(t.Context(), one, "k")
		requireHit(t, first, "v")
		g, known := first.Token.Generation()
		require.True(t, known)
		other, _ := get(t.Context(), two, "k").Token.Generation()
		require.Equal(t, g, other)
		require.Equal(t, g, two.Stats().Generation)
		require.False(t, first.Token.IsZero())

		require.NoError(t, do(t.Context(), one, protocol.Request{Command: protocol.FlushAll}).Err)
		time.Sleep(2*keepEvery + time.Second)
		kept, _ := get(t.Context(), process(t, s, only), "k").Token.Generation()
		require.Equal(t, g, kept, "a flush is no other life")

		s.Restart()
		again := get(t.Context(), one, "k")
		requireMiss(t, again)
		restarted, known := again.Token.Generation()
		require.True(t, known)
		require.NotEqual(t, g, restarted)

		old := process(t, startFake(t, memcachetest.WithPipe(), memcachetest.WithoutMeta(), memcachetest.WithVersion("1.4.39")), only)
		_, known = get(t.Context(), old, "k").Token.Generation()
		require.False(t, known)
		require.Equal(t, Token{}.IsZero(), true)
		_, known = get(t.Context(), process(t, s, func(c *Config) { c.Quarantine = 0 }), "k").Token.Generation()
		require.False(t, known, "nobody has asked")
	})
}

// The same conversation with real memcached.
func TestMarksOnEveryServer(t *testing.T) {
	eachServer(t, func(t *testing.T, plain *Node) {
		cfg := plain.cfg
		cfg.Quarantine = 90 * time.Second
		one, two := newTestNode(t, cfg), newTestNode(t, cfg)
		requireJoining(t, one)
		requireJoining(t, two)
		g, known := one.Generation()
		require.True(t, known)
		require.Equal(t, g, two.Stats().Generation)
		written := parseMark(string(get(t.Context(), plain, "~m").Value))
		require.Equal(t, g, written.generation)
		for _, n := range []*Node{one, two} {
			left := time.Duration(n.quarantine.until.Load() - n.now())
			require.Greater(t, left, 85*time.Second)
			require.LessOrEqual(t, left, 93*time.Second)
		}
		mustSet(t, plain, "~m", mark{g, 0}.String()) // as time does
		three := newTestNode(t, cfg)
		requireMiss(t, get(t.Context(), three, "k"))
	})
}

func TestMarksOverTLSAndAuthentication(t *testing.T) {
	secured := realnode.StartTLS(t)
	n := newTestNode(t, Config{Addr: secured.Addr, TLS: secured.TLS, Quarantine: time.Minute, Timeout: 20 * time.Second})
	requireJoining(t, n)
	login := realnode.StartAuth(t, "user", "password")
	n = newTestNode(t, Config{Addr: login.Addr, Username: "user", Password: "password", Quarantine: time.Minute, Timeout: 20 * time.Second})
	requireJoining(t, n)
}

// A node that restarted is another one: it joins again, and what its old life missed is still deleted.
func TestRestartJoinsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		n := process(t, s, nil)
		meetNode(t, n)
		time.Sleep(10 * time.Second)
		requireMiss(t, get(t.Context(), n, "k"))
		before, _ := n.Generation()
		s.Kill()
		missed := request(protocol.Set, "k")
		n.Missed(&missed, 0)
		s.Start()
		settledJournal(t, n)
		requireJoining(t, n)
		after, known := n.Generation()
		require.True(t, known)
		require.NotEqual(t, before, after)
		require.Equal(t, uint64(1), n.Stats().Repaired)
	})
}

// A mark that was evicted or flushed away comes back with the same generation, so that who connects then need not wait.
func TestConnectedProcessKeepsTheMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		n := process(t, s, nil)
		meetNode(t, n)
		g, _ := n.Generation()
		time.Sleep(keepEvery + time.Second)
		require.NoError(t, do(t.Context(), n, protocol.Request{Command: protocol.FlushAll}).Err)
		other := process(t, s, nil)
		time.Sleep(keepEvery)
		requireMiss(t, get(t.Context(), other, "k"))
		require.Equal(t, g, other.Stats().Generation)

		// Somebody was first with a new one: that one counts for all.
		time.Sleep(time.Second)
		plain := newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext})
		require.NoError(t, do(t.Context(), plain, protocol.Request{Command: protocol.FlushAll}).Err)
		third := process(t, s, nil)
		requireJoining(t, third)
		requireMiss(t, get(t.Context(), n, "k"))
		time.Sleep(keepEvery + time.Second)
		require.NotEqual(t, g, n.Stats().Generation)
		require.Equal(t, third.Stats().Generation, n.Stats().Generation)
		n.Close()
		require.NotPanics(t, n.keepMark, "a timer may fire while the node closes")
	})
}

// A node that leaves is deleted at and not read, for good, also where nodes never join.
func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		n.Leave()
		requireJoining(t, n)
		require.Equal(t, Leaving, n.Stats().State)
		require.True(t, set(t.Context(), n, "small", "new").Cleared)
		s.Kill()
		s.Start()
		time.Sleep(time.Hour)
		meetNode(t, n)
		requireJoining(t, n)

		n = process(t, s, nil)
		requireJoining(t, n)
		n.Leave()
		s.Kill()
		s.Start()
		meetNode(t, n)
		time.Sleep(time.Hour)
		require.Equal(t, Leaving, n.Stats().State)
	})
}

// A node that has left the view and comes back with what it had is flushed before it is read.
func TestReturnedNodeIsFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		n := process(t, s, nil)
		meetNode(t, n)
		time.Sleep(10 * time.Second)
		mustSet(t, n, "k", "old")
		g, _ := n.Generation()
		n.Close()
		back := process(t, s, func(c *Config) { c.Joined, c.KnownGeneration = true, g })
		require.True(t, back.Joining(), "before anything is known")
		synctest.Wait()
		require.Equal(t, 1, s.Stats().Flushes, "at once, not when it is first needed")
		requireJoining(t, back)
		require.Equal(t, Returning, back.Step(), "others may use it still")
		time.Sleep(20 * time.Second)
		requireMiss(t, get(t.Context(), back, "k"))
		now, _ := back.Generation()
		require.NotEqual(t, g, now)

		mustSet(t, back, "k", "new")
		time.Sleep(10 * time.Second)
		again := process(t, s, func(c *Config) { c.Joined, c.KnownGeneration = true, g })
		synctest.Wait()
		require.Equal(t, 1, s.Stats().Flushes, "another generation is not ours to flush")
		requireJoining(t, again) // for D: those who know it may be about to flush it
		time.Sleep(quarantineTime + time.Second)
		requireHit(t, get(t.Context(), again, "k"), "new")

		// A process that did not know the node tells by the mark that it has been away.
		unknowing := func(c *Config) { c.Joined = true }
		process(t, s, unknowing)
		synctest.Wait()
		require.Equal(t, 2, s.Stats().Flushes)
		process(t, s, unknowing)
		synctest.Wait()
		require.Equal(t, 2, s.Stats().Flushes, "it has just been flushed")
		s.Inject(memcachetest.Refuse())
		late := process(t, s, unknowing)
		synctest.Wait()
		time.Sleep(20 * time.Second)
		s.Heal()
		time.Sleep(5 * time.Second)
		_, known := late.Generation()
		require.True(t, known)
		require.Equal(t, 2, s.Stats().Flushes, "others may have flushed it long ago")
	})
}

// Where the flush is refused, the node is not used: it holds what is old.
func TestReturnedNodeThatCannotBeFlushed(t *testing.T) {
	s := realnode.Start(t, "-F")
	cfg := patient(s.Addr)
	cfg.Quarantine = time.Second
	n := newTestNode(t, cfg)
	meetNode(t, n)
	cfg.Joined = true
	cfg.KnownGeneration, _ = n.Generation()
	back := newTestNode(t, cfg)
	require.Eventually(t, func() bool { return back.Stats().State == Down }, 10*time.Second, time.Millisecond)
	require.ErrorIs(t, back.Stats().Reason, errKeepsOldData)
}

// A node that has no room for the marks is used nevertheless; each process counts the time by itself.
func TestNodeThatRefusesTheMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe(), memcachetest.WithoutEviction(), memcachetest.WithMemoryLimit(1000))
		plain := newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext})
		for i := 0; set(t.Context(), plain, strconv.Itoa(i), "v").Err == nil; i++ {
		}
		n := process(t, s, nil)
		requireJoining(t, n)
		_, known := n.Generation()
		require.False(t, known)
		time.Sleep(quarantineTime + 3*time.Second)
		requireMiss(t, get(t.Context(), n, "k"))
		time.Sleep(2*keepEvery + time.Second)
	})
}

// What somebody else keeps under the key of a mark is no generation, and left alone.
func TestForeignMark(t *testing.T) {
	for _, value := range []string{"", "hello", "0000000000000000 5", "0123456789abcdef -1", "0123456789abcdef", strings.Repeat("x", 100_000)} {
		synctest.Test(t, func(t *testing.T) {
			s, plain := pipeNode(t, Config{Timeout: testTimeout})
			mustSet(t, plain, "~m", value)
			n := process(t, s, nil)
			requireJoining(t, n)
			_, known := n.Generation()
			require.False(t, known)
			requireHit(t, get(t.Context(), plain, "~m"), value)
		})
	}
}

// FuzzMarker feeds whatever a node may answer: an error or an answer, no panic, and no time beyond the quarantine.
func FuzzMarker(f *testing.F) {
	for _, seed := range []string{
		"VALUE ~m 0 20 1\r\n0123456789abcdef 100\r\nEND\r\nSTAT uptime 98\r\nEND\r\n",
		"VALUE ~m 0 20 1\r\n0123456789abcdef 100\r\nEND\r\nSTAT uptime 4294967295\r\nEND\r\n",
		"VALUE ~m 0 27 1\r\n0123456789abcdef 4294967295\r\nEND\r\nSTAT uptime 0\r\nEND\r\n",
		"VALUE ~m 0 16 1\r\n0123456789abcdef\r\nEND\r\nSTAT uptime x\r\nEND\r\n",
		"VALUE ~m 0 4294967290 1\r\n", // a size that is never sent
		"END\r\nSTAT uptime 5\r\nEND\r\nHD\r\nEND\r\nSTAT uptime 5\r\nEND\r\n",
		"END\r\nSTAT uptime 5\r\nEND\r\nSERVER_ERROR out of memory storing object\r\n",
		"VALUE ~m 0 1 1\r\nx\r\nEND\r\nEND\r\nstray\r\n",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, answers []byte, meta bool) {
		client, server := net.Pipe()
		defer client.Close()
		go func() {
			defer server.Close()
			server.Write(answers)
		}()
		m := (&Config{Quarantine: time.Second}).newMarker(writesNowhere{client}, protocol.Text)
		if meta {
			m.dialect = protocol.Meta
		}
		found, err := m.greet(func(s sighting) bool { return s.mark.generation == 1 })
		if err == nil && (found.joining < 0 || found.joining > time.Duration(2*m.seconds+1)*time.Second || found.serving < 0) {
			t.Error(found)
		}
	})
}

// writesNowhere takes every write.
type writesNowhere struct{ net.Conn }

func (writesNowhere) Write(b []byte) (int, error) { return len(b), nil }
