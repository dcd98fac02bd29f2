package pool

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// closes is a script that reads so many lines and closes.
func closes(after int, lines *atomic.Int64) script {
	return func(p *peer) {
		for range after {
			if p.line() == "" {
				return
			}
			lines.Add(1)
		}
	}
}

// serveAll answers "gets" lines with hits and all meta commands with success.
func serveAll(lines *atomic.Int64) script {
	return func(p *peer) {
		for words := strings.Fields(p.line()); len(words) > 0; words = strings.Fields(p.line()) {
			lines.Add(1)
			answer(p, words)
		}
	}
}

// answer answers one command with a hit or with success, as memcached does, and returns the command and the letters of its
// flags.
func answer(p *peer, words []string) (shape string) {
	shape = words[0]
	switch words[0] {
	case "gets":
		p.say("%s", hits(words[1:], valueOf))
		return shape
	case "mn":
		p.say("MN\r\n")
		return shape
	case "ms":
		p.line() // the value
		words = words[1:]
	}
	opaque := ""
	for _, flag := range words[2:] {
		shape += " " + flag[:1]
		if flag[0] == 'O' {
			opaque = " " + flag
		}
	}
	if !strings.HasSuffix(shape, " q") {
		p.say("HD%s\r\n", opaque)
	}
	return shape
}

// TestWhatIsRepeated: reads once, whatever broke the connection; mutations only if no byte of them was written.
func TestWhatIsRepeated(t *testing.T) {
	get := protocol.Request{Command: protocol.Get, Key: "k"}
	commands := map[string]struct {
		request  protocol.Request
		repeated bool
	}{
		"get":        {get, true},
		"mg":         {protocol.Request{Command: protocol.Get, Key: "k", Meta: protocol.ReturnTTL}, true},
		"lease":      {protocol.Request{Command: protocol.Get, Key: "k", Meta: protocol.ReturnValue | protocol.Vivify, VivifyTTL: 30}, false},
		"get+touch":  {protocol.Request{Command: protocol.GetAndTouch, Key: "k", Exptime: 9}, false},
		"touch":      {protocol.Request{Command: protocol.Touch, Key: "k", Exptime: 9}, false},
		"set":        {protocol.Request{Command: protocol.Set, Key: "k", Value: []byte("v")}, false},
		"delete":     {protocol.Request{Command: protocol.Delete, Key: "k"}, false},
		"arithmetic": {protocol.Request{Command: protocol.Increment, Key: "k", Delta: 1}, false},
	}
	for name, test := range commands {
		for _, breaks := range []int{1, 2} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var lost, served, repairs atomic.Int64
					list := []script{closes(1, &lost), closes(1, &lost)}[:breaks]
					n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(append(list, serveAndRepair(&served, &repairs))...)})
					op := do(t.Context(), n, test.request)
					if test.repeated && breaks == 1 {
						require.NoError(t, op.Err)
						require.Equal(t, uint64(1), n.Stats().Retries)
						require.Equal(t, int64(1), served.Load())
						return
					}
					requireFailed(t, op, Ambiguous, ErrBroken)
					synctest.Wait()
					require.Zero(t, served.Load())
					require.LessOrEqual(t, repairs.Load(), int64(1))
				})
			})
		}
	}
}

// serveAndRepair is serveAll, but the deletes, by which the journal makes good what may have been done, count as repairs.
func serveAndRepair(served, repairs *atomic.Int64) script {
	return func(p *peer) {
		for words := strings.Fields(p.line()); len(words) > 0; words = strings.Fields(p.line()) {
			if words[0] == "md" {
				repairs.Add(1)
			} else {
				served.Add(1)
			}
			answer(p, words)
		}
	}
}

// TestAMutationThatWasNotWrittenIsSentAgain: it was queued behind a write that did not end.
func TestAMutationThatWasNotWrittenIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int64
		end := make(chan struct{})
		stuck := func(*peer) { <-end }
		n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(stuck, serveAll(&served))})
		first := make(chan *Op)
		go func() { first <- set(t.Context(), n, "first", "v") }()
		synctest.Wait()
		var others []chan *Op
		for range 3 {
			others = append(others, make(chan *Op))
			go func() { others[len(others)-1] <- set(t.Context(), n, "other", "v") }()
			synctest.Wait()
		}
		close(end)
		if op := <-first; op.Err != nil { // not a byte of it was taken, but a reader may have seen the end before the writer
			requireFailed(t, op, Ambiguous, ErrBroken)
		}
		for _, other := range others {
			require.NoError(t, (<-other).Err)
		}
		require.GreaterOrEqual(t, served.Load(), int64(3))
	})
}

// TestAPartOfARequestIsAmbiguous: some of its bytes were written.
func TestAPartOfARequestIsAmbiguous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var served atomic.Int64
		half := func(p *peer) { p.Read(make([]byte, 3)) }
		n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(half, serveAndRepair(&served, new(atomic.Int64)))})
		requireFailed(t, set(t.Context(), n, "k", "v"), Ambiguous, ErrBroken)
		synctest.Wait()
		require.Zero(t, served.Load())
	})
}

// TestRefusalsKeepTheConnection: those after which every server is in sync.
func TestRefusalsKeepTheConnection(t *testing.T) {
	eachServer(t, func(t *testing.T, n *Node) {
		mustSet(t, n, "word", "no number")
		large := set(t.Context(), n, "k", strings.Repeat("x", 2<<20))
		requireRefused(t, large, protocol.CauseTooLarge)
		requireRefused(t, do(t.Context(), n, protocol.Request{Command: protocol.Increment, Key: "word"}), protocol.CauseNotANumber)
		requireHit(t, get(t.Context(), n, "word"), "no number")
		require.Equal(t, uint64(1), n.Stats().Dials)
	})
}

// TestAnUnknownGroupOfStatsIsRefused, and costs those beside nothing.
func TestAnUnknownGroupOfStatsIsRefused(t *testing.T) {
	eachServer(t, func(t *testing.T, n *Node) {
		for _, group := range []string{"bogus", "bogus words", "Settings", "noreply", strings.Repeat("x", 250)} {
			ops := getOps("k", "k", "k")
			ops[0].Request = protocol.Request{Command: protocol.Set, Key: "k", Value: []byte("v")}
			ops[1].Request = protocol.Request{Command: protocol.Stats, Key: group}
			n.Do(t.Context(), ops)
			require.NoError(t, ops[0].Err)
			requireRefused(t, ops[1], protocol.CauseUnknownGroup)
			require.Empty(t, ops[1].Stats)
			requireHit(t, ops[2], "v")
		}
		require.Equal(t, uint64(1), n.Stats().Dials)
	})
}

// TestAnErrorToStatsThatIsNotAboutTheGroup breaks the connection: no server is known to say it.
func TestAnErrorToStatsThatIsNotAboutTheGroup(t *testing.T) {
	for group, reply := range map[string]string{"": "ERROR\r\n", "items": "STAT a b\r\nERROR\r\n", "bogus": "ERROR no\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(func(p *peer) {
				p.expect(2)
				p.say("%s", reply)
				p.discard()
			})})
			ops := []*Op{{Request: protocol.Request{Command: protocol.Stats, Key: group}},
				{Request: protocol.Request{Command: protocol.Delete, Key: "k"}}}
			n.Do(t.Context(), ops)
			requireFailed(t, ops[1], Ambiguous, ErrBroken)
			var answered *protocol.ServerError
			require.ErrorAs(t, ops[1].Err, &answered)
			require.False(t, answered.InSync())
		})
	}
}

func TestValuesOverTheLocalLimitAreNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := pipeNode(t, Config{MaxValue: 20_000})
		requireFailed(t, set(t.Context(), n, "k", strings.Repeat("x", 20_001)), NotSent, ErrTooLarge)
		mustSet(t, n, "k", strings.Repeat("x", 20_000))
		require.Equal(t, uint64(1), n.Stats().Dials)
	})
}

// TestErrorsThatMayBeOutOfSyncClose: some servers read the data block that they refused as commands.
func TestErrorsThatMayBeOutOfSyncClose(t *testing.T) {
	for _, line := range []string{"ERROR", "CLIENT_ERROR bad command line format", "CLIENT_ERROR bad data chunk",
		"SERVER_ERROR out of order", "SERVER_ERROR object too large for cache ", "ERROR Too many open connections"} {
		synctest.Test(t, func(t *testing.T) {
			var served atomic.Int64
			n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(func(p *peer) {
				p.expect(2)
				p.say("%s\r\n", line)
				p.discard()
			}, serveAll(&served))})
			op := set(t.Context(), n, "k", "v")
			requireFailed(t, op, Ambiguous, ErrBroken)
			var answered *protocol.ServerError
			require.ErrorAs(t, op.Err, &answered)
			require.NoError(t, set(t.Context(), n, "k", "v").Err)
			require.Equal(t, uint64(2), n.Stats().Dials)
		})
	}
}

// TestACASOfAnEarlierConnectionDoesNotMatch: the node may have restarted, and its count of CAS with it.
func TestACASOfAnEarlierConnectionDoesNotMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		_, other := pipeNode(t, Config{Timeout: testTimeout})
		swap := func(n *Node, read *Op) *Op {
			op := &Op{Token: read.Token, Request: protocol.Request{
				Command: protocol.Set, Key: "small", Value: []byte("y"), CAS: read.Reply.CAS, Meta: protocol.Compare}}
			n.Do(t.Context(), []*Op{op})
			return op
		}
		read := get(t.Context(), n, "small")
		requireFailed(t, swap(other, read), NotSent, ErrForeignCAS)
		s.Restart()
		mustSet(t, n, "first", "x")
		mustSet(t, n, "small", "z") // has the count that the value of before had
		require.Equal(t, read.Reply.CAS, get(t.Context(), n, "small").Reply.CAS, "the test is worth nothing")
		op := swap(n, read)
		require.NoError(t, op.Err)
		require.Equal(t, protocol.Exists, op.Reply.Status)
		requireHit(t, get(t.Context(), n, "small"), "z")
	})
}

// TestAStubIsAMiss: what a lease leaves in place of a value is none; an empty value is one.
func TestAStubIsAMiss(t *testing.T) {
	real, fake := realnode.Start(t).Addr, startFake(t).Addr()
	for name, addr := range map[string]string{"memcached": real, "memcachetest": fake} {
		t.Run(name, func(t *testing.T) {
			n := newTestNode(t, patient(addr))
			lease := do(t.Context(), n, protocol.Request{Command: protocol.Get, Key: "stub", VivifyTTL: 30,
				Meta: protocol.ReturnValue | protocol.Vivify})
			require.NoError(t, lease.Err)
			require.True(t, lease.Reply.Has(protocol.Won))
			mustSet(t, n, "empty", "")
			mustSet(t, n, "full", "v")

			ops := getOps("stub", "empty", "full", "none", "stub", "empty")
			ops[0].Dst = []byte("before")
			ops[1].Dst = []byte("before")
			for range 2 { // an op may be used again
				n.Do(t.Context(), ops)
				requireMiss(t, ops[0])
				requireHit(t, ops[1], "before")
				requireHit(t, ops[2], "v")
				requireMiss(t, ops[3])
				requireMiss(t, ops[4])
				requireHit(t, ops[5], "")
				require.NotNil(t, ops[5].Value)
				for _, op := range ops {
					require.Zero(t, op.Request.Meta, "the request was changed")
				}
			}
		})
	}
}

// An empty value that was marked stale is a value: the one before it.
func TestAStaleEmptyValueIsAHit(t *testing.T) {
	n := newTestNode(t, patient(realnode.Start(t).Addr))
	mustSet(t, n, "k", "")
	stale := do(t.Context(), n, protocol.Request{Command: protocol.Delete, Key: "k", Meta: protocol.Invalidate | protocol.UpdateTTL, Exptime: 30})
	require.NoError(t, stale.Err)
	for range 3 {
		requireHit(t, get(t.Context(), n, "k"), "")
	}
}

func TestErrorsNameTheNodeAndNotTheKey(t *testing.T) {
	n := newTestNode(t, Config{Name: "cache-1", Dial: refuseDial(net.ErrClosed)})
	op := get(t.Context(), n, "secret-key")
	require.Contains(t, op.Err.Error(), "cache-1")
	require.NotContains(t, op.Err.Error(), "secret-key")
	bad := get(t.Context(), n, "secret key")
	require.NotContains(t, bad.Err.Error(), "secret")
}

func TestTimeoutsAreNetErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.Inject(memcachetest.StallAfter(0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for _, op := range []*Op{get(t.Context(), n, "small"), get(ctx, n, "small")} {
			var timeout net.Error
			if op.Err.(*Error).Outcome == Ambiguous {
				require.ErrorAs(t, op.Err.(*Error).Err, &timeout)
				require.True(t, op.Err.(*Error).Timeout())
			}
		}
	})
}
