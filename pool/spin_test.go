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

// spinning returns the spin of a connection that owes one caller a reply. Only linux can read without parking.
func spinning(t *testing.T) (*conn, *spin) {
	addr := startFake(t).Addr()
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { nc.Close() })
	c := newConn(newTestNode(t, Config{Addr: addr}), &greeting{nc: nc}, 1)
	s := &c.reader.spin
	if s.socket == nil {
		t.Skip("this system cannot read without parking")
	}
	c.owed.push(new(call), 0)
	s.alone = 10_000 // it is not asked whether others want to run, which on a busy machine they may
	return c, s
}

// A caller alone reads without parking; where that brings nothing it does so once in 65 reads, and one look only for others.
func TestALonelyReaderTriesLessAndLess(t *testing.T) {
	c, s := spinning(t)
	require.Equal(t, lonely, s.wanted(c, 1))

	nothing, tries := make([]byte, 1), 0
	for range 1000 {
		if try := s.wanted(c, 1); try.limit > 0 {
			require.Equal(t, lonely, try)
			tries++
			require.Zero(t, c.spinRead(nothing, nil, lonely, 0))
			s.tried(try, 0, time.Microsecond, 1)
		}
	}
	require.InDelta(t, 22, tries, 1, "0, 1, 2, 4, 8, 16, 32 reads parked after the first ones, then 64")

	s.skip, s.shy = 0, 1
	require.Zero(t, s.wanted(c, 1), "others wanted to run")
	s.shy = 0
	c.owed.push(new(call), 0)
	require.Equal(t, glance, s.wanted(c, 1), "not alone")
}

// A lonely reader looks before it gives way, but seldom where that has found nothing.
func TestALonelyReaderLooksFirstWhereThatPays(t *testing.T) {
	s, looks := new(spin), 0
	for range 1000 {
		if s.looksFirst() {
			looks++
			s.looked(0)
		}
	}
	require.InDelta(t, 19, looks, 2, "after 2, 4, 8, 16, 32 tries without, then after 64")

	for !s.looksFirst() {
	}
	s.looked(1)
	for range 10 {
		require.True(t, s.looksFirst())
		s.looked(1)
	}
}

// Where goroutines compute, the reader parks now and then only, until parks have become short.
func TestAReaderUnderPressureParksNowAndThen(t *testing.T) {
	c, s := spinning(t)
	now := int64(time.Hour)
	s.parked(longPark, now)
	require.Equal(t, lonely, s.wanted(c, now), "one long park happens")
	s.parked(longPark, now)
	require.Equal(t, pressed, s.wanted(c, now))
	require.Equal(t, pressed, s.wanted(c, now+int64(pressedFor)-1))

	parks := 0
	for ; s.wanted(c, now) != lonely; now += int64(time.Millisecond) {
		if s.wanted(c, now) == (attempt{}) {
			parks++
			s.parked(time.Microsecond, now)
		}
	}
	require.Equal(t, (2*longWeight-underLoad)/sampleWeight+1, parks, "short parks end it")
}

// Of two tries in a row that took long, another program is the reason. To give way to it again and again would cost 3 ms each.
func TestNoTryBesideAProgramThatComputes(t *testing.T) {
	const now, slice = int64(time.Hour), 3 * time.Millisecond
	for _, pressure := range []int{0, maxPressure} {
		c, s := spinning(t)
		s.pressure, s.parkAt = pressure, 2*now
		for range 100 {
			s.tried(pressed, 1, slice, now)
			s.tried(pressed, 1, longTry-1, now)
			require.NotZero(t, s.wanted(c, now), "the goroutine itself had to make room")
		}
		s.tried(pressed, 1, slice, now)
		s.tried(pressed, 1, slice, now)
		require.Zero(t, s.wanted(c, now+longRest*int64(slice)-1))
		require.NotZero(t, s.wanted(c, now+longRest*int64(slice)), "perhaps it is over")
	}
}
