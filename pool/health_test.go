package pool

import (
	"net"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// TestASilentNodeIsSuspectUntilItsReplyComes: on the same connection, drained by nobody's call.
func TestASilentNodeIsSuspectUntilItsReplyComes(t *testing.T) {
	for _, callers := range []int{1, 50} {
		synctest.Test(t, func(t *testing.T) {
			s, n := pipeNode(t, Config{Timeout: testTimeout})
			s.Pause()
			together(t, callers, func(i int) error {
				requireAfter(t, testTimeout, func() { requireFailed(t, get(t.Context(), n, "large"), Ambiguous, ErrTimeout) })
				return nil
			})
			time.Sleep(slack)
			synctest.Wait()
			require.Equal(t, Suspect, n.Stats().State)
			require.ErrorIs(t, n.Stats().Reason, ErrNodeDown)
			start := time.Now()
			requireFailed(t, get(t.Context(), n, "small"), NotSent, ErrNodeDown)
			requireFailed(t, set(t.Context(), n, "small", "y"), NotSent, ErrNodeDown)
			require.Zero(t, time.Since(start), "callers of a suspect node do not wait")

			time.Sleep(5*time.Second + time.Millisecond) // between two ticks, so that none meets the reply
			require.Equal(t, callers, n.Stats().Owed)
			s.Resume()
			synctest.Wait()
			require.Equal(t, Up, n.Stats().State)
			require.Zero(t, n.Stats().Owed)
			requireHit(t, get(t.Context(), n, "small"), "x")
			require.Equal(t, uint64(1), n.Stats().Dials)
			require.Equal(t, uint64(1), n.Stats().Suspected)
		})
	}
}

// TestTimedOutMutationsAreAppliedInOrder: the connection is drained, not replaced, so what was written before a pause comes
// before what is written after it.
func TestTimedOutMutationsAreAppliedInOrder(t *testing.T) {
	s := realnode.Start(t)
	n := newTestNode(t, Config{Addr: s.Addr, Timeout: testTimeout, DialTimeout: 10 * time.Second})
	stored := func(value string) func() bool { // a try may lose against a busy machine
		return func() bool { return set(t.Context(), n, "k", value).Err == nil }
	}
	require.Eventually(t, stored("before"), 10*time.Second, time.Millisecond)
	s.Pause()
	for i := range 5 {
		require.Error(t, set(t.Context(), n, "k", strconv.Itoa(i)).Err)
	}
	s.Resume()
	require.Eventually(t, stored("after"), 10*time.Second, time.Millisecond)
	var op *Op
	require.Eventually(t, func() bool { op = get(t.Context(), n, "k"); return op.Err == nil }, 10*time.Second, time.Millisecond)
	requireHit(t, op, "after")
	require.Equal(t, uint64(1), n.Stats().Dials)
}

// TestAConnectionThatStaysSilentIsClosed after MaxStall, and the next request dials.
func TestAConnectionThatStaysSilentIsClosed(t *testing.T) {
	for _, conns := range []int{1, 2} {
		synctest.Test(t, func(t *testing.T) {
			s, n := pipeNode(t, Config{Timeout: testTimeout, MaxStall: 3 * time.Second, Conns: conns})
			s.Pause()
			requireFailed(t, get(t.Context(), n, "small"), Ambiguous, ErrTimeout)
			time.Sleep(2800 * time.Millisecond)
			require.Zero(t, n.Stats().Broken)
			time.Sleep(300 * time.Millisecond)
			require.Equal(t, uint64(1), n.Stats().Broken)
			require.NotEqual(t, Suspect, n.Stats().State, "no reply can end the suspicion any more")
			s.Resume()
			for hash := range uint64(conns) {
				op := &Op{Hash: hash, Request: protocol.Request{Command: protocol.Get, Key: "small"}}
				n.Do(t.Context(), []*Op{op})
				requireHit(t, op, "x")
			}
		})
	}
}

// TestASlowNodeIsNotSuspect: replies come later than the try's end, but they come.
func TestASlowNodeIsNotSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNode(t, Config{Timeout: testTimeout, Dial: scripts(func(p *peer) {
			for p.expect(1) {
				for range 20 {
					time.Sleep(30 * time.Millisecond)
					p.say("V")
				}
			}
		})})
		for range 3 {
			requireAfter(t, testTimeout, func() { requireFailed(t, get(t.Context(), n, "k"), Ambiguous, ErrTimeout) })
		}
		require.Zero(t, n.Stats().Suspected)
		n.Close()
		time.Sleep(time.Second) // the script ends
	})
}

// A caller that does not come to read, for it waits elsewhere, must not make the node suspect.
func TestANodeThatNobodyReadsIsNotSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, n := pipeNode(t, Config{Timeout: testTimeout})
		ops := getOps("small", "large", "none")
		n.Begin(t.Context(), ops)
		n.Flush(ops)
		time.Sleep(10 * testTimeout)
		require.Zero(t, n.Stats().Suspected)
		n.Wait(t.Context(), ops)
		requireHit(t, ops[0], "x")
		requireMiss(t, ops[2])
	})
}

// TestSuspicionDoesNotOutliveTheReply races the tick that becomes suspicious with the reply that comes. Nothing is owed
// after that reply, so a suspicion that stayed would stay for good.
func TestSuspicionDoesNotOutliveTheReply(t *testing.T) {
	n := newTestNode(t, Config{Timeout: testTimeout})
	client, server := net.Pipe()
	defer server.Close()
	c := newConn(n, &greeting{nc: client, dialect: protocol.Meta}, 1)
	c.reads.Store(somebody)
	c.owed.push(n.newCall(), 0)
	for range 20_000 {
		n.health.spoke.Store(0) // as if it had never answered while it was suspect
		c.watch.seen, c.watch.silent = c.watch.heard.Load(), n.now()-int64(2*testTimeout)
		together(t, 2, func(i int) error {
			if i == 0 {
				return c.judge(n.now())
			}
			c.heard(1)
			return nil
		})
		require.False(t, n.health.isSuspect())
	}
	require.Positive(t, n.Stats().Suspected, "the two have never met")
}

// A reader that has read a reply and then does not get to run, as on a machine with too much to do, looks like a silent node to the
// watch. Nothing is owed when it goes on, so nothing else would readmit the node.
func TestSuspicionDoesNotOutliveAReaderThatStoodStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		reader := &slowReader{}
		n := newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout, NewSampler: func() Sampler { return reader }})
		mustSet(t, n, "k", "v")
		reader.stands = testTimeout + testTimeout/2 // not so long that the node is asked on another connection
		get(t.Context(), n, "k")
		require.Equal(t, uint64(1), n.Stats().Suspected)
		reader.stands = 0
		time.Sleep(tick)
		synctest.Wait()
		require.Equal(t, Up, n.Stats().State)
		requireHit(t, get(t.Context(), n, "k"), "v")
	})
}

// slowReader is a Sampler that keeps the reader of replies.
type slowReader struct{ stands time.Duration }

func (r *slowReader) Read(string, uint64, int)  { time.Sleep(r.stands) }
func (r *slowReader) Write(string, uint64, int) {}
func (r *slowReader) Miss(string, uint64)       {}

// A node that a lone caller found silent costs that caller one try, not two, whenever it fell silent between the ticks.
func TestASilentNodeCostsALoneCallerOneTry(t *testing.T) {
	for since := range 2 * tick / time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			s, n := pipeNode(t, Config{Timeout: testTimeout})
			requireHit(t, get(t.Context(), n, "small"), "x")
			time.Sleep(testTimeout/2 + since*time.Millisecond)
			requireHit(t, get(t.Context(), n, "small"), "x")
			time.Sleep(since * time.Millisecond / 2)
			s.Pause()
			early := time.AfterFunc(testTimeout-tick-time.Millisecond, func() { require.Zero(t, n.Stats().Suspected) })
			defer early.Stop()
			requireAfter(t, testTimeout, func() { requireFailed(t, get(t.Context(), n, "small"), Ambiguous, ErrTimeout) })
			requireAfter(t, 0, func() { requireFailed(t, get(t.Context(), n, "small"), NotSent, ErrNodeDown) })
			s.Resume()
		})
	}
}

// A process that stood still for longer than a try has not heard the node; that is not the node's fault.
func TestAStallOfOurOwnMakesNoNodeSuspect(t *testing.T) {
	n := newTestNode(t, Config{Timeout: testTimeout})
	client, server := net.Pipe()
	defer server.Close()
	c := newConn(n, &greeting{nc: client, dialect: protocol.Meta}, 1)
	c.reads.Store(somebody)
	c.owed.push(n.newCall(), 0)
	judge := func(after time.Duration) {
		now := c.watch.last.Load() + int64(after)
		require.NoError(t, c.judge(now))
		c.watch.last.Store(now)
	}
	c.watch.last.Store(n.now())
	c.watch.silent = n.now()
	judge(tick)
	judge(10 * time.Second)
	judge(tick)
	require.False(t, n.health.isSuspect())
	for range (testTimeout - stalled) / tick {
		judge(tick)
	}
	require.True(t, n.health.isSuspect(), "the node is silent, and we are here")
}

// TestTheEndOfALineMayComeLate: nothing is owed to a caller, but the connection is not idle, and what comes is no stray.
func TestTheEndOfALineMayComeLate(t *testing.T) {
	answered, ended := make(chan struct{}), make(chan struct{})
	n := newTestNode(t, Config{Timeout: 10 * time.Second, Dial: tcpScripts(t, func(p *peer) {
		for p.expect(1) {
			p.say("VALUE k 0 1 1\r\n1\r\n")
			<-answered
			p.say("END\r\n")
			ended <- struct{}{}
		}
	})})
	for range 3 {
		requireHit(t, get(t.Context(), n, "k"), "1")
		answered <- struct{}{}
		<-ended
		makeIdle(n)
	}
	require.Equal(t, uint64(1), n.Stats().Dials)
	require.Zero(t, n.Stats().Broken)
}
