package pool

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// owing returns a queue that owes replies to pushes of so many calls each.
func owing(pushes ...int) *owedQueue {
	q := new(owedQueue)
	for _, n := range pushes {
		first := q.tail.Load()
		for range n {
			q.push(new(call), 0)
		}
		if n > 1 {
			q.noteBatch(first)
		}
	}
	return q
}

func TestIsOneCallers(t *testing.T) {
	require.True(t, owing().isOneCallers())
	require.True(t, owing(1).isOneCallers())
	require.True(t, owing(7).isOneCallers())
	require.False(t, owing(1, 1).isOneCallers())
	require.False(t, owing(7, 1).isOneCallers())
	require.False(t, owing(1, 7).isOneCallers())

	q := owing(1, 7)
	q.pop()
	require.True(t, q.isOneCallers(), "what was owed to the other has come")
	for range 7 {
		q.pop()
	}
	q.push(new(call), 0)
	q.push(new(call), 0)
	require.False(t, q.isOneCallers(), "the batch is over")
}

// A caller alone reads without parking; where that brings nothing it does so once in 65 reads, and no more at all for others.
func TestALonelyReaderTriesLessAndLess(t *testing.T) {
	addr := startFake(t).Addr()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer nc.Close()
	c := newConn(newTestNode(t, Config{Addr: addr}), &greeting{nc: nc}, 1)
	s := &c.reader.spin
	if s.socket == nil {
		t.Skip("this system cannot read without parking") // linux alone can
	}
	c.owed.push(new(call), 0)
	s.alone = 10_000 // it is not asked whether others want to run, which on a busy machine they may
	require.Equal(t, lonely, s.wanted(c))

	nothing, tries := make([]byte, 1), 0
	for range 1000 {
		if try := s.wanted(c); try.limit > 0 {
			require.Equal(t, lonely, try)
			tries++
			require.Zero(t, c.spinRead(nothing, time.Nanosecond))
			s.missed(try)
		}
	}
	require.InDelta(t, 22, tries, 1, "0, 1, 2, 4, 8, 16, 32 reads parked after the first ones, then 64")

	s.skip, s.shy = 0, 1
	require.Zero(t, s.wanted(c), "others wanted to run")
	s.shy, s.pressure = 1, maxPressure
	s.left = spinReads
	require.Equal(t, pressed, s.wanted(c), "they compute: to park would take long")

	s.shy, s.pressure = 0, 0
	c.owed.push(new(call), 0)
	require.Zero(t, s.wanted(c), "not alone")
}
