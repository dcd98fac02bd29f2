package pool

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// setOps returns ops that store values of those sizes, under keys(len(sizes)).
func setOps(sizes ...int) []*Op {
	ops := make([]*Op, len(sizes))
	for i, key := range keys(len(sizes)) {
		ops[i] = &Op{Request: protocol.Request{Command: protocol.Set, Key: key, Value: []byte(strings.Repeat("v", sizes[i]))}}
	}
	return ops
}

// TestStoresThatMeetAreAnsweredTogether: what is written and answered, whatever else is queued with them.
func TestStoresThatMeetAreAnsweredTogether(t *testing.T) {
	var wide []string
	for range protocol.MaxQuietStores {
		wide = append(wide, "ms q")
	}
	tests := map[string]struct {
		ops  []*Op
		wire []string // without keys, sizes and opaques
	}{
		"alone":        {setOps(1), []string{"ms O"}},
		"two":          {setOps(1, 1000), []string{"ms O q", "ms q", "mn"}},
		"none at all":  {setOps(0, 0), []string{"ms O q", "ms q", "mn"}},
		"large ones":   {setOps(1, 9000, 1, 1), []string{"ms O", "ms O", "ms O q", "ms q", "mn"}},
		"with reads":   {append(append(setOps(1, 1), getOps("a", "b")...), setOps(1)...), []string{"ms O q", "ms q", "mn", "gets", "ms O"}},
		"more than 64": {setOps(make([]int, 66)...), append(append([]string{"ms O q"}, wide[1:]...), "mn", "ms O q", "ms q", "mn")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var wire []string
				n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(func(p *peer) {
					for line := p.line(); line != ""; line = p.line() {
						wire = append(wire, answer(p, strings.Fields(line)))
					}
				})})
				n.Do(t.Context(), test.ops)
				for _, op := range test.ops {
					require.NoError(t, op.Err)
					require.Equal(t, protocol.OK, op.Reply.Status)
				}
				synctest.Wait()
				require.Equal(t, test.wire, wire)
			})
		})
	}
}

// TestWhatWantsAReplyIsNotQuiet: conditional stores, and those whose CAS is asked for.
func TestWhatWantsAReplyIsNotQuiet(t *testing.T) {
	eachServer(t, func(t *testing.T, n *Node) {
		mustSet(t, n, "key-1", "old")
		read := get(t.Context(), n, "key-1")
		ops := setOps(1, 1, 1, 1, 1)
		ops[1].Request.Command = protocol.Add
		ops[2].Request.Meta, ops[2].Request.CAS, ops[2].Request.Key, ops[2].Token = protocol.Compare, read.Reply.CAS, "key-1", read.Token
		ops[3].WantCAS = true
		n.Do(t.Context(), ops)
		for _, op := range ops {
			require.NoError(t, op.Err)
		}
		require.Equal(t, protocol.NotStored, ops[1].Reply.Status)
		require.Equal(t, protocol.OK, ops[2].Reply.Status)
		if n.Stats().Dialect.HasMeta() {
			require.NotZero(t, ops[3].Reply.CAS)
		}
		requireHit(t, get(t.Context(), n, "key-1"), "v")
	})
}

// TestStoresTogether are all there afterwards, with binary keys, flags and exptimes.
func TestStoresTogether(t *testing.T) {
	eachServer(t, func(t *testing.T, n *Node) {
		ops := setOps(make([]int, 300)...)
		for i, op := range ops {
			r := &op.Request
			r.Flags, r.Value = uint32(i), fmt.Append(nil, i)
			if i%7 == 0 {
				r.Exptime = 100
			}
			if i%5 == 0 && n.cfg.Dialect != protocol.Text {
				r.Key, r.Meta = r.Key+" \x00", protocol.BinaryKey
			}
		}
		n.Do(t.Context(), ops)
		for i, op := range ops {
			require.NoError(t, op.Err)
			read := do(t.Context(), n, protocol.Request{Command: protocol.Get, Key: op.Request.Key, Meta: op.Request.Meta})
			requireHit(t, read, fmt.Sprint(i))
			require.EqualValues(t, i, read.Reply.Flags)
		}
	})
}

// fullServer is a memcached that has no memory left for values of 8000 bytes and may not evict, but has for small ones.
func fullServer(t *testing.T) *Node {
	n := newTestNode(t, patient(realnode.Start(t, "-m", "2", "-M").Addr))
	for i := range 1000 {
		if op := set(t.Context(), n, fmt.Sprint("fill", i), strings.Repeat("x", 8000)); op.Err != nil {
			requireRefused(t, op, protocol.CauseNoMemory)
			return n
		}
	}
	require.Fail(t, "the server takes anything")
	return nil
}

func requireRefused(t *testing.T, op *Op, cause protocol.Cause) {
	t.Helper()
	var failed *Error
	require.ErrorAs(t, op.Err, &failed)
	require.Equal(t, Refused, failed.Outcome)
	var refused *protocol.ServerError
	require.ErrorAs(t, op.Err, &refused)
	require.Equal(t, cause, refused.Cause())
}

// TestSomeRefused: which of those that shared a write, a node does not say. Nobody is told that a store was done which was
// not; what may have been done is deleted; and from then on each store has its own reply.
func TestSomeRefused(t *testing.T) {
	small := func(t *testing.T) *Node {
		return newTestNode(t, patient(startFake(t, memcachetest.WithMaxItemSize(4<<10)).Addr()))
	}
	servers := map[string]struct {
		start func(t *testing.T) *Node
		cause protocol.Cause
	}{
		"memcached":    {fullServer, protocol.CauseNoMemory},
		"memcachetest": {small, protocol.CauseTooLarge},
	}
	for name, server := range servers {
		t.Run(name, func(t *testing.T) {
			n := server.start(t)
			for _, key := range keys(4) {
				mustSet(t, n, key, "old")
			}
			ops := setOps(10, 8000, 10, 10)
			n.Do(t.Context(), ops)
			for _, op := range ops {
				requireFailed(t, op, Ambiguous, ErrSomeRefused)
			}
			require.Eventually(t, func() bool { return n.Stats().Missed == 0 }, 10*time.Second, time.Millisecond)
			for _, key := range keys(4) {
				requireMiss(t, get(t.Context(), n, key))
			}
			n.Do(t.Context(), ops)
			requireRefused(t, ops[1], server.cause)
			for _, op := range append(ops[:1], ops[2:]...) {
				require.NoError(t, op.Err)
				requireHit(t, get(t.Context(), n, op.Request.Key), string(op.Request.Value))
			}
			require.Equal(t, uint64(1), n.Stats().Dials)
		})
	}
}

// TestAllRefused is known of each.
func TestAllRefused(t *testing.T) {
	n := fullServer(t)
	ops := setOps(8000, 8000, 8000)
	n.Do(t.Context(), ops)
	for _, op := range ops {
		requireRefused(t, op, protocol.CauseNoMemory)
	}
}

// TestLoudTimeEnds: a node that has refused a store is trusted with quiet ones again.
func TestLoudTimeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		stores := func() error {
			ops := setOps(1, 1)
			n.Do(t.Context(), ops)
			return ops[0].Err
		}
		s.Inject(memcachetest.StrayLine(1, "SERVER_ERROR out of memory storing object"))
		require.ErrorIs(t, stores(), ErrSomeRefused)
		require.True(t, n.isLoud())
		require.NoError(t, stores())
		time.Sleep(loudTime)
		require.False(t, n.isLoud())
		require.NoError(t, stores())
	})
}

// TestALateAnswerOfSomeRefused: of a store that was given up, it is not known either whether it was done, so it is repaired.
func TestALateAnswerOfSomeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answered := make(chan struct{})
		var deleted []string
		stores := func(p *peer) {
			p.expect(5)
			<-answered
			p.say("SERVER_ERROR out of memory storing object\r\nMN\r\n")
			for words := strings.Fields(p.line()); len(words) > 0; words = strings.Fields(p.line()) {
				deleted = append(deleted, words[0]+" "+words[1])
				p.say("HD %s\r\n", words[len(words)-1])
			}
		}
		n := newTestNode(t, Config{Timeout: testTimeout, MaxStall: time.Hour, Dial: scripts(stores, (*peer).discard)})
		ops := setOps(1, 1)
		n.Do(t.Context(), ops)
		for _, op := range ops {
			requireFailed(t, op, Ambiguous, ErrTimeout)
		}
		close(answered)
		settledJournal(t, n)
		require.Subset(t, deleted, []string{"md key-0", "md key-1"})
	})
}

// TestWhatDoesNotAnswerStores breaks the connection: replies of other kinds, and more refusals than there are stores.
func TestWhatDoesNotAnswerStores(t *testing.T) {
	const refusal = "SERVER_ERROR out of memory storing object\r\n"
	for _, reply := range []string{"HD O1\r\n", "HD\r\n", "STORED\r\n", "NS\r\n", "END\r\n", "MN \r\n", "MNX\r\n", "\r\n", "VA 1\r\nx\r\n",
		"SERVER_ERROR something else\r\n", refusal + refusal + refusal, "MN\r\nMN\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(func(p *peer) {
				p.expect(5)
				p.say("%s", reply)
				p.discard()
			})})
			ops := setOps(1, 1)
			n.Do(t.Context(), ops)
			if !strings.HasPrefix(reply, "MN\r\n") {
				for _, op := range ops {
					requireFailed(t, op, Ambiguous, ErrBroken)
				}
			}
			get(t.Context(), n, "k") // finds what comes behind
			require.Positive(t, n.Stats().Broken, "%q", reply)
		})
	}
}
