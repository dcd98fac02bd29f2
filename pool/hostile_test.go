package pool

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// says is a script that answers the first line with reply and then only reads.
func says(reply string) script {
	b := []byte(reply)
	return func(p *peer) {
		if p.expect(1) {
			p.Write(b)
			p.discard()
		}
	}
}

// TestHostileReplies: each ends the connection with a typed error and without much memory, and the next call, on a fresh
// connection, gets its answer.
func TestHostileReplies(t *testing.T) {
	var syntax *protocol.SyntaxError
	tests := map[string]struct {
		reply string
		err   any // to match with errors.Is, or the address of a pointer for errors.As
	}{
		"length near 2^32":     {"VALUE k 0 4294967290 1\r\n", &syntax},
		"length 2^31":          {"VALUE k 0 2147483648 1\r\n", &syntax},
		"length below 2^31":    {"VALUE k 0 2147483645 1\r\n", ErrTooLarge},
		"length over limit":    {"VALUE k 0 8388609 1\r\n", ErrTooLarge},
		"length of 30 digits":  {"VALUE k 0 111111111111111111111111111111 1\r\n", &syntax},
		"negative length":      {"VALUE k 0 -1 1\r\n", &syntax},
		"negative flags":       {"VALUE k -1 1 1\r\n", &syntax},
		"line without end":     {strings.Repeat("x", 1<<20), errLine},
		"long line":            {strings.Repeat("x", maxLineSize+1) + "\r\n", errLine},
		"VALUE without end":    {"VALUE " + strings.Repeat("k", 1<<20), errLine},
		"NUL bytes":            {strings.Repeat("\x00", 5000), errLine},
		"NUL line":             {"\x00\r\n", &syntax},
		"empty line":           {"\r\n", &syntax},
		"LF alone":             {"\n", errLine},
		"line without CR":      {"END\n", errLine},
		"CR twice":             {"END\r\r\n", &syntax},
		"block without CR LF":  {"VALUE k 0 5 1\r\nabcdeXXEND\r\n", errBlock},
		"large block, no CRLF": {"VALUE k 0 50000 1\r\n" + strings.Repeat("x", 50002), errBlock},
		"another key":          {"VALUE other 0 1 1\r\nx\r\nEND\r\n", errShifted},
		"value, then no END":   {"VALUE k 0 1 1\r\nx\r\nVALUE k 0 1 1\r\nx\r\n", nil},
		"answer to a set":      {"STORED\r\n", &syntax},
		"endless STAT":         {"STAT a b\r\n", &syntax},
		"end of connection":    {"", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				bad := says(test.reply)
				if test.reply == "" {
					bad = func(p *peer) { p.expect(1) }
				}
				n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(bad, bad, serveHits(valueOf))})
				op := get(t.Context(), n, "k")
				switch {
				case test.err == nil:
				case test.err == &syntax:
					require.ErrorAs(t, op.Err, &syntax)
				default:
					require.ErrorIs(t, op.Err, test.err.(error))
				}
				requireHit(t, get(t.Context(), n, "next"), valueOf("next"))
				requireHit(t, get(t.Context(), n, "k"), valueOf("k"))
			})
		})
	}
}

// TestMemoryFollowsWhatHasCome: not what a reply announces, nor how many replies there could be.
func TestMemoryFollowsWhatHasCome(t *testing.T) {
	tests := map[string]struct {
		request protocol.Request
		reply   string
	}{
		"8 MiB announced, nothing sent": {protocol.Request{Command: protocol.Get, Key: "k"}, "VALUE k 0 8388608 1\r\n"},
		"8 MiB announced, 1 KiB sent":   {protocol.Request{Command: protocol.Get, Key: "k"}, "VALUE k 0 8388608 1\r\n" + strings.Repeat("x", 1024)},
		"2 GiB announced":               {protocol.Request{Command: protocol.Get, Key: "k"}, "VALUE k 0 2147483645 1\r\n"},
		"line without end":              {protocol.Request{Command: protocol.Get, Key: "k"}, strings.Repeat("x", 1<<20)},
		"meta, 8 MiB announced":         {protocol.Request{Command: protocol.Get, Key: "k", Meta: protocol.ReturnValue | protocol.ReturnKey}, "VA 8388608 kk O1\r\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(says(test.reply))})
				before := allocated()
				require.Error(t, do(t.Context(), n, test.request).Err)
				require.Less(t, allocated()-before, uint64(400<<10)) // two connections' buffers are 32 KiB of it
			})
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestEndlessStatsEnd: the lines of one reply are counted, and those for a caller that is gone are not kept.
func TestEndlessStatsEnd(t *testing.T) {
	endless := func(p *peer) {
		lines := strings.Repeat("STAT name value\r\n", 1000)
		for p.expect(1) {
			for {
				if _, err := io.WriteString(p, lines); err != nil {
					return
				}
			}
		}
	}
	n := newTestNode(t, Config{Timeout: 20 * time.Second, Dial: scripts(endless)})
	op := do(t.Context(), n, protocol.Request{Command: protocol.Stats})
	require.ErrorIs(t, op.Err, errEndless)
	require.Empty(t, op.Stats)
}

// TestAnOversizedValueFailsItsReaderAlone: the others' reads are repeated, without the one that would break them again.
func TestAnOversizedValueFailsItsReaderAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serve := serveHits(func(key string) string {
			if key == "large" {
				return strings.Repeat("x", 101)
			}
			return valueOf(key)
		})
		n := newTestNode(t, Config{Timeout: testTimeout, MaxValue: 100, Dial: scripts(serve)})
		ops := getOps("a", "large", "b")
		n.Do(t.Context(), ops)
		requireHit(t, ops[0], valueOf("a"))
		require.ErrorIs(t, ops[1].Err, ErrTooLarge)
		requireHit(t, ops[2], valueOf("b"))
		require.Equal(t, uint64(2), n.Stats().Dials)
	})
}

// TestRepliesThatNobodyAskedFor end the connection before they can be taken for an answer.
func TestRepliesThatNobodyAskedFor(t *testing.T) {
	for _, stray := range []string{"END\r\n", "VALUE k 0 5 1\r\nwrong\r\nEND\r\n", "E", "VALUE k 0 5 1\r\nwro", "\r\n"} {
		t.Run("behind a reply", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(
					says(hits([]string{"a"}, valueOf)+stray), serveHits(valueOf))})
				requireHit(t, get(t.Context(), n, "a"), valueOf("a"))
				requireHit(t, get(t.Context(), n, "k"), valueOf("k"))
				require.Equal(t, uint64(1), n.Stats().Broken, "%q", stray)
			})
		})
		t.Run("on an idle connection", func(t *testing.T) {
			said := make(chan struct{})
			early := func(p *peer) {
				p.expect(1)
				p.say("%s", hits([]string{"a"}, valueOf))
				<-said
				p.say("%s", stray)
				said <- struct{}{}
				p.discard()
			}
			n := newTestNode(t, Config{Timeout: 10 * time.Second, Dial: tcpScripts(t, early, serveHits(valueOf))})
			requireHit(t, get(t.Context(), n, "a"), valueOf("a"))
			said <- struct{}{}
			<-said
			makeIdle(n)
			requireHit(t, get(t.Context(), n, "k"), valueOf("k"))
			require.Equal(t, uint64(1), n.Stats().Broken, "%q", stray)
		})
	}
}

// makeIdle lets a connection look as if it had not been used for long.
func makeIdle(n *Node) {
	for i := range n.streams {
		if c := n.streams[i].Load(); c != nil {
			c.mu.Lock()
			c.lastPush -= int64(2 * idleCheckAfter)
			c.mu.Unlock()
		}
	}
}

// TestStrangeGreetings: what is no answer to "version" fails the dial.
func TestStrangeGreetings(t *testing.T) {
	greetings := map[string]struct {
		text string
		err  error
	}{
		"too many connections": {"ERROR Too many open connections\r\n", nil},
		"not authenticated":    {"CLIENT_ERROR unauthenticated\r\n", ErrAuth},
		"HTTP":                 {"HTTP/1.1 400 Bad Request\r\n\r\n", errStray},
		"endless":              {strings.Repeat("x", 1<<20), errLine},
		"twice":                {"VERSION 1.6.18\r\nVERSION 1.6.18\r\n", errStray},
		"closed at once":       {"", io.EOF},
		"empty line":           {"\r\n", nil},
	}
	for name, greeting := range greetings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newTestNode(t, Config{Timeout: testTimeout, Dial: func(context.Context, string, string) (net.Conn, error) {
					client, server := net.Pipe()
					go func() {
						defer server.Close()
						server.Read(make([]byte, 100))
						io.WriteString(server, greeting.text)
					}()
					return client, nil
				}})
				op := get(t.Context(), n, "k")
				requireFailed(t, op, NotSent, ErrNodeDown)
				require.Equal(t, Down, n.Stats().State)
				if greeting.err != nil {
					require.True(t, errors.Is(op.Err, greeting.err), "%v", op.Err)
				}
			})
		})
	}
}

// A block may be announced whose end lies beyond what an int of 32 bits holds.
func TestTheLargestBlockIsAnnounced(t *testing.T) {
	n := newTestNode(t, Config{Timeout: time.Second, MaxValue: math.MaxInt32, Dial: scripts(func(p *peer) {
		p.expect(1)
		p.say("VALUE k 0 %d 1\r\nabc", math.MaxInt32-2)
		p.discard()
	})})
	requireFailed(t, get(t.Context(), n, "k"), Ambiguous, ErrTimeout)
}
