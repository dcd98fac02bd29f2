package pool

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// As TestBrokenConnectionIsRepairedAfterTheGrace, for a journal that overflowed.
func TestTheFlushOfAnOverflowWaitsForTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout, MaxMissed: 1})
		s.Inject(memcachetest.ResetAt(0))
		ops := []*Op{{Request: request(protocol.Set, "small")}, {Request: request(protocol.Set, "other")}}
		n.Do(t.Context(), ops)
		requireFailed(t, ops[0], Ambiguous, ErrBroken)
		requireFailed(t, ops[1], Ambiguous, ErrBroken)
		require.True(t, n.Stats().MissedAll)
		s.Heal()
		// What the broken connection left in the node's socket is done 100 ms later, as repairGrace allows for.
		late := newTestNode(t, Config{Addr: s.Addr(), Dial: n.cfg.Dial, Timeout: testTimeout})
		go func() {
			time.Sleep(repairGrace / 2)
			late.Do(context.Background(), []*Op{{Request: protocol.Request{Command: protocol.Set, Key: "small", Value: []byte("late")}}})
		}()
		settledJournal(t, n)
		time.Sleep(repairGrace)
		requireMiss(t, get(t.Context(), n, "small"))
	})
}

// Writes that are given up while the connection lives fill the journal: nobody starts the flush that ends the overflow.
func TestAnOverflowByGivenUpWritesIsRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, n := pipeNode(t, Config{Timeout: testTimeout, MaxMissed: 1})
		s.Inject(memcachetest.Delay(40 * time.Millisecond))
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		ops := []*Op{{Request: request(protocol.Set, "small")}, {Request: request(protocol.Set, "other")}}
		n.Do(ctx, ops)
		requireFailed(t, ops[1], Ambiguous, context.DeadlineExceeded)
		require.True(t, n.Stats().MissedAll)
		s.Heal()
		time.Sleep(time.Hour)
		require.Equal(t, uint64(0), n.Stats().Broken)
		require.False(t, n.Stats().MissedAll, "an hour later all reads are still refused")
		require.NoError(t, get(t.Context(), n, "large").Err)
	})
}

// The flush that ends an overflow goes by the first connection. A write that was given up on the second one, which then
// breaks, must be journaled all the same.
func TestAWriteLostOnAnotherConnectionAfterAFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var repairs atomic.Int64
		answer := func(p *peer) {
			for {
				switch line := p.line(); {
				case line == "":
					return
				case strings.HasPrefix(line, "gets"):
					p.say("END\r\n")
				case line == "flush_all":
					repairs.Add(1)
					p.say("OK\r\n")
				case strings.HasPrefix(line, "md"):
					repairs.Add(1)
					p.say("HD%s\r\n", line[strings.Index(line, " O"):])
				}
			}
		}
		cut := make(chan struct{})
		silent := func(p *peer) {
			p.line()
			p.say("END\r\n")
			go p.discard()
			<-cut
		}
		n := newTestNode(t, Config{Conns: 2, MaxMissed: 1, Timeout: time.Second, Dial: scripts(answer, silent, answer)})
		defer n.Close()
		onSecond := func(c protocol.Command, key string) *Op { return &Op{Hash: 1, Request: request(c, key)} }
		require.NoError(t, get(t.Context(), n, "a").Err)
		warm := onSecond(protocol.Get, "a")
		n.Do(t.Context(), []*Op{warm})
		require.NoError(t, warm.Err)

		for _, key := range []string{"k1", "k2"} { // given up: the second is one too many
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			op := onSecond(protocol.Set, key)
			n.Do(ctx, []*Op{op})
			cancel()
			requireFailed(t, op, Ambiguous, context.DeadlineExceeded)
		}
		require.True(t, n.Stats().MissedAll)
		missed := request(protocol.Set, "other") // what starts the repair
		n.Missed(&missed, 0)
		settledJournal(t, n)
		before := repairs.Load()
		close(cut) // the two sets may be done late, by what is left in the node's socket
		synctest.Wait()
		time.Sleep(5 * time.Second)
		require.Equal(t, uint64(1), n.Stats().Broken)
		require.Greater(t, repairs.Load(), before, "two writes whose fate is not known, and nothing is deleted")
	})
}
