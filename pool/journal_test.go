package pool

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func request(c protocol.Command, key string) protocol.Request {
	return protocol.Request{Command: c, Key: key, Value: []byte("v"), Delta: 1}
}

// settled waits until the journal has nothing left to repair.
func settledJournal(t *testing.T, n *Node) {
	t.Helper()
	synctest.Wait()
	for range 200 {
		if s := n.Stats(); s.Missed == 0 && !s.MissedAll {
			return
		}
		time.Sleep(5 * time.Millisecond) // of the bubble's clock
		synctest.Wait()
	}
	require.Fail(t, "the journal is not worked off")
}

// A node that has missed a write is not asked for the key, but may be told; then the key is deleted there, and read again.
func TestMissedWriteIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.Inject(memcachetest.StallAfter(0))
		missed := request(protocol.Set, "small")
		n.Missed(&missed, 0)

		for _, c := range []protocol.Command{protocol.Get, protocol.GetAndTouch, protocol.Touch, protocol.Add, protocol.Append, protocol.Increment} {
			requireFailed(t, do(t.Context(), n, request(c, "small")), NotSent, ErrMissedWrite)
		}
		op := get(t.Context(), n, "small")
		require.ErrorIs(t, op.Err, ErrNodeDown, "another node may serve it")
		require.Equal(t, 1, n.Stats().Missed)
		s.Heal()
		settledJournal(t, n)
		requireMiss(t, get(t.Context(), n, "small"))
		require.Equal(t, uint64(1), n.Stats().Repaired)
		require.True(t, get(t.Context(), n, "large").Err == nil, "no other key is touched")
	})
}

func TestWholeWritesPassTheFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.InjectNext(memcachetest.Hang())
		missed := request(protocol.Delete, "small")
		n.Missed(&missed, 0)
		require.NoError(t, set(t.Context(), n, "small", "new").Err)
		require.NoError(t, do(t.Context(), n, request(protocol.Delete, "small")).Err)
		settledJournal(t, n)
		requireMiss(t, get(t.Context(), n, "small"))
	})
}

// What a caller has given up is owed on a connection that lives: later requests come after it, so nothing is fenced, and
// the late reply ends the matter.
func TestGivenUpWritesNeedNoRepairWhileTheConnectionLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.Inject(memcachetest.Delay(40 * time.Millisecond))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		requireFailed(t, set(ctx, n, "small", "new"), Ambiguous, context.DeadlineExceeded)
		require.Equal(t, 1, n.Stats().Missed)
		s.Heal()
		requireHit(t, get(t.Context(), n, "small"), "new")
		synctest.Wait()
		require.Zero(t, n.Stats().Missed)
		require.Zero(t, n.Stats().Repaired)
	})
}

// A connection that breaks with a write on it: the write may be done late, so the key waits for the grace.
func TestBrokenConnectionIsRepairedAfterTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.Inject(memcachetest.ResetAt(0))
		requireFailed(t, set(t.Context(), n, "small", "new"), Ambiguous, ErrBroken)
		s.Heal()
		start := time.Now()
		requireFailed(t, get(t.Context(), n, "small"), NotSent, ErrNodeDown)
		settledJournal(t, n)
		require.GreaterOrEqual(t, time.Since(start), repairGrace)
		requireMiss(t, get(t.Context(), n, "small"))
	})
}

// One that was given up before the connection broke is repaired too.
func TestGivenUpAndThenBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.Inject(memcachetest.StallAfter(0))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		requireFailed(t, set(ctx, n, "small", "new"), Ambiguous, context.DeadlineExceeded)
		s.Kill()
		s.Heal()
		s.Start()
		settledJournal(t, n)
		require.Equal(t, uint64(1), n.Stats().Repaired)
	})
}

// A write that was not sent and that nobody else has done is no business of the journal.
func TestNothingIsNotedOfWhatWasNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newTestNode(t, Config{Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, fmt.Errorf("refused")
		}})
		require.Error(t, set(t.Context(), n, "k", "v").Err)
		require.Zero(t, n.Stats().Missed)
		flush := protocol.Request{Command: protocol.FlushAll}
		n.Missed(&flush, 0)
		require.Zero(t, n.Stats().Missed)
	})
}

// More than can be remembered: the node is flushed, and until then nothing is read there.
func TestJournalOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout, MaxMissed: 10})
		s.Inject(memcachetest.StallAfter(0))
		for i := range 11 {
			missed := request(protocol.Set, fmt.Sprint("key", i))
			n.Missed(&missed, 0)
		}
		require.True(t, n.Stats().MissedAll)
		requireFailed(t, get(t.Context(), n, "large"), NotSent, ErrMissedWrite)
		s.Heal()
		settledJournal(t, n)
		requireMiss(t, get(t.Context(), n, "large"))
		require.Equal(t, 1, s.Stats().Flushes)
	})
}

// A key that is missed again while its delete is under way stays fenced until the next.
func TestMissedAgainDuringRepair(t *testing.T) {
	var j journal
	j.limit = 10
	r := request(protocol.Set, "k")
	j.missed(&r, 0, 0)
	jobs := j.due()
	require.Len(t, jobs, 1)
	j.missed(&r, 0, 0)
	j.done(&jobs[0])
	require.True(t, j.fences(&protocol.Request{Command: protocol.Get, Key: "k"}, 1))
	jobs = j.due()
	j.done(&jobs[0])
	require.False(t, j.fences(&protocol.Request{Command: protocol.Get, Key: "k"}, 1))
	require.False(t, j.active.Load())
	require.Empty(t, j.due())

	flushed := journal{limit: 0}
	flushed.missed(&r, 0, 0)
	jobs = flushed.due()
	flushed.missed(&r, 0, 0)
	flushed.done(&jobs[0])
	require.True(t, flushed.overflow, "something was missed after the flush was sent")
}

// Binary keys are keys of their own.
func TestJournalTellsBinaryKeysApart(t *testing.T) {
	var j journal
	j.limit = 10
	j.missed(&protocol.Request{Command: protocol.Set, Key: "k", Meta: protocol.BinaryKey}, 0, 0)
	require.False(t, j.fences(&protocol.Request{Command: protocol.Get, Key: "k"}, 1))
	require.True(t, j.fences(&protocol.Request{Command: protocol.Get, Key: "k", Meta: protocol.BinaryKey}, 1))
	require.Equal(t, protocol.BinaryKey, j.due()[0].op.Request.Meta)
}

// Close ends a repair that gets nowhere.
func TestCloseEndsARepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout})
		s.Inject(memcachetest.Hang())
		missed := request(protocol.Set, "small")
		n.Missed(&missed, 0)
		time.Sleep(time.Second)
		n.Close()
		require.Equal(t, 1, n.Stats().Missed)
	})
}

// A real memcached is stopped with writes on a connection that then breaks: the writes land when it goes on, and are
// deleted before this process reads the keys again.
func TestLateWritesOfAStoppedNodeAreRepaired(t *testing.T) {
	s := realnode.Start(t)
	n, writer := newTestNode(t, Config{Addr: s.Addr, Timeout: testTimeout, MaxStall: 3 * testTimeout}), newTestNode(t, patient(s.Addr))
	const count = 100
	for _, key := range keys(count) {
		mustSet(t, writer, key, "old")
	}
	require.Eventually(t, func() bool { return get(t.Context(), n, "key-1").Err == nil }, 10*time.Second, time.Millisecond)
	s.Pause()
	var ops []*Op
	for _, key := range keys(count) {
		ops = append(ops, &Op{Request: protocol.Request{Command: protocol.Set, Key: key, Value: []byte("late")}})
	}
	n.Do(t.Context(), ops)
	for _, op := range ops {
		requireFailed(t, op, Ambiguous, ErrTimeout)
	}
	require.Eventually(t, func() bool { return n.Stats().Broken > 0 }, 5*time.Second, time.Millisecond)
	s.Resume()
	require.Eventually(t, func() bool { return n.Stats().Missed == 0 }, 10*time.Second, time.Millisecond)
	for _, key := range keys(count) {
		requireMiss(t, get(t.Context(), writer, key))
	}
	require.Equal(t, uint64(count), n.Stats().Repaired)
}

// Ten thousand keys are repaired quickly.
func TestRepairOfManyKeys(t *testing.T) {
	s := realnode.Start(t)
	n := newTestNode(t, patient(s.Addr))
	mustSet(t, n, "k", strings.Repeat("x", 10))
	start := time.Now()
	for _, key := range keys(10_000) {
		missed := request(protocol.Set, key)
		n.Missed(&missed, 0)
	}
	require.Eventually(t, func() bool { return n.Stats().Missed == 0 }, 10*time.Second, time.Millisecond)
	t.Logf("10,000 keys in %v", time.Since(start))
}
