package memcachetest

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	setA = "set a 0 0 3\r\nAAA\r\n"
	getA = "VALUE a 0 3\r\nAAA\r\nEND\r\n"
)

// TestFaultsOnReplies lists what a fault does to the replies of
// "get a", "mg x Oo" and "mn", sent in one piece.
func TestFaultsOnReplies(t *testing.T) {
	const requests = "get a\r\nmg x Oo\r\nmn\r\n"
	rows := []struct {
		fault Fault
		want  string
	}{
		{StrayLine(1, "ERROR"), "ERROR\r\n" + getA + "EN Oo\r\nMN\r\n"},
		{StrayLine(2, "HD"), getA + "HD\r\nEN Oo\r\nMN\r\n"},
		{StrayLine(1, "x").Repeat(), "x\r\n" + getA + "x\r\nEN Oo\r\nx\r\nMN\r\n"},
		{DuplicateReply(1), getA + getA + "EN Oo\r\nMN\r\n"},
		{DuplicateReply(3), getA + "EN Oo\r\nMN\r\nMN\r\n"},
		{SwapReplies(1), "EN Oo\r\n" + getA + "MN\r\n"},
		{SwapReplies(2), getA + "MN\r\nEN Oo\r\n"},
		{CorruptLength(1, 4294967290), "VALUE a 0 4294967290\r\nAAA\r\nEND\r\nEN Oo\r\nMN\r\n"},
		{Drip(4, time.Second), getA + "EN Oo\r\nMN\r\n"},
		{Delay(time.Second), getA + "EN Oo\r\nMN\r\n"},
	}
	for _, row := range rows {
		t.Run(row.fault.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *Server) {
				c := connect(t, s)
				c.do(setA, "STORED\r\n")
				s.Inject(row.fault)
				c.do(requests, row.want)
				s.Heal()
				c.do(requests, getA+"EN Oo\r\nMN\r\n")
				c.wantSilence(time.Hour)
			})
		})
	}
}

func TestCorruptLengthWaitsForAReplyWithOne(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do(setA, "STORED\r\n")
		s.Inject(CorruptLength(1, 0).Repeat())
		c.do("mg x v\r\nmg a v s k\r\ngets a\r\n", "EN\r\nVA 0 s3 ka\r\nAAA\r\nVALUE a 0 0 1\r\nAAA\r\nEND\r\n")
	})
}

func TestFaultsAddUp(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		s.Inject(DuplicateReply(1))
		s.Inject(StrayLine(1, "x"))
		s.Inject(Delay(time.Second), Delay(2*time.Second))
		require.Equal(t, 3*time.Second, took(func() { c.do("mn\r\n", "x\r\nMN\r\nMN\r\n") }))
	})
}

func TestFaultsCountOnEachConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		first := connect(t, s)
		first.do("mn\r\n", "MN\r\n") // before the injection: does not count
		s.Inject(StrayLine(2, "x"))
		first.do("mn\r\n", "MN\r\n")
		second := connect(t, s)
		second.do("mn\r\nmn\r\n", "MN\r\nx\r\nMN\r\n")
		s.Inject(StrayLine(1, "y")) // leaves the count of the first fault alone
		first.do("mn\r\n", "y\r\nx\r\nMN\r\n")
	})
}

func TestSilentCommandsHaveNoReply(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		s.Inject(StrayLine(2, "x"))
		c := connect(t, s)
		c.do("ms a 1 q\r\n1\r\nmg z q\r\nset a 0 0 1 noreply\r\n2\r\nmn\r\nmn\r\n", "MN\r\nx\r\nMN\r\n")
	})
}

func TestInjectNextConcernsOneConnection(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		before := connect(t, s)
		before.do("mn\r\n", "MN\r\n")
		s.InjectNext(StrayLine(1, "one"))
		s.InjectNext(StrayLine(1, "two"))
		for _, want := range []string{"one\r\nMN\r\n", "two\r\nMN\r\n", "MN\r\n"} {
			connect(t, s).do("mn\r\n", want)
		}
		before.do("mn\r\n", "MN\r\n")
	})
	require.Panics(t, func() { newFaultPlan().addNext([]Fault{Refuse()}) })
}

func TestDelayIsOncePerWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		s.Inject(Delay(20 * time.Millisecond))
		require.Equal(t, 20*time.Millisecond, took(func() { c.do(strings.Repeat("mn\r\n", 50), strings.Repeat("MN\r\n", 50)) }))
	})
}

func TestHealEndsADelayAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		s.Inject(Delay(time.Hour))
		c.send("mn\r\n")
		synctest.Wait()
		s.Heal()
		require.Zero(t, took(func() { c.want("MN\r\n") }))
	})
}

func TestDripIsAsSlowAsItSays(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		s.Inject(Drip(1, 20*time.Millisecond))
		require.Equal(t, 4*20*time.Millisecond, took(func() { c.do("mn\r\n", "MN\r\n") }))
	})
}

func TestStallHoldsRepliesUntilHeal(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		s.Inject(StallAfter(2))
		c.do("mn\r\nmg a k\r\nmg b k\r\nmn\r\n", "MN\r\nEN ka\r\n")
		c.wantSilence(time.Hour)
		c.send("mg c k\r\n")
		c.wantSilence(time.Hour)
		s.Heal()
		c.want("EN kb\r\nMN\r\nEN kc\r\n")
	})
}

func TestHealReleasesASwappedReply(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		s.Inject(SwapReplies(1))
		c.send("mg a k\r\n")
		c.wantSilence(time.Hour)
		s.Heal()
		c.do("mg b k\r\n", "EN ka\r\nEN kb\r\n")
	})
}

func TestHangReadsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		s.Inject(Hang())
		c := connect(t, s)
		c.send(setA)
		c.wantSilence(time.Hour)
		require.Zero(t, s.Stats().Sets)
		s.Heal()
		c.want("STORED\r\n")
		require.Equal(t, 1, s.Stats().Sets)
	})
}

func TestHangReachesIdleConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do("mn\r\n", "MN\r\n")
		synctest.Wait() // the server waits in a read
		s.Inject(Hang())
		c.send(setA)
		c.wantSilence(time.Hour)
		require.Zero(t, s.Stats().Sets)
	})
}

func TestRepliesBrokenAtAByte(t *testing.T) {
	transports := map[string][]Option{"tcp": nil, "pipe": {WithPipe()}}
	for name, opts := range transports {
		t.Run(name, func(t *testing.T) {
			for n := range len(getA) {
				s := NewServer(opts...)
				c := connect(t, s)
				c.do(setA, "STORED\r\n")
				s.Inject(ResetAt(n))
				c.do("get a\r\n", getA[:n])
				c.wantEnd(syscall.ECONNRESET)
				s.Heal()
				s.Inject(CloseAt(n))
				c = connect(t, s)
				c.do("get a\r\n", getA[:n])
				c.wantEnd(io.EOF)
				s.Close()
			}
		})
	}
}

func TestEndlessItems(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do(setA, "STORED\r\n")
		s.Inject(EndlessItems(), Delay(80*time.Millisecond))
		const item = "VALUE a 0 3\r\nAAA\r\n"
		c.send("get a\r\n")
		require.Equal(t, 40*time.Second, took(func() { c.want(strings.Repeat(item, 500)) }))
		synctest.Wait() // the next one waits for its time
		s.Heal()
		c.want(item + "END\r\n")
		c.do("mn\r\n", "MN\r\n")
	})
}

func TestEndlessMetaItems(t *testing.T) {
	inBubble(t, func(t *testing.T, s *Server) {
		c := connect(t, s)
		c.do(setA, "STORED\r\n")
		s.Inject(EndlessItems())
		c.do("mg b v\r\nmg a v\r\n", "EN\r\n"+strings.Repeat("VA 3\r\nAAA\r\n", 100_000))
	})
}

func TestRefuse(t *testing.T) {
	transports := map[string][]Option{"tcp": nil, "unix": {WithUnixSocket(socketPath(t))}, "pipe": {WithPipe()}}
	for name, opts := range transports {
		t.Run(name, func(t *testing.T) {
			s := NewServer(opts...)
			defer s.Close()
			open := connect(t, s)
			open.do(setA, "STORED\r\n")
			s.Inject(Refuse())
			_, err := s.DialContext(t.Context(), "tcp", s.Addr())
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			open.do("get a\r\n", getA) // open connections stay
			s.Heal()
			connect(t, s).do("get a\r\n", getA)
		})
	}
}

func TestRefuseOutlivesARestart(t *testing.T) {
	s := NewServer()
	defer s.Close()
	s.Inject(Refuse())
	s.Restart()
	_, err := s.DialContext(t.Context(), "tcp", s.Addr())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	s.Heal()
	connect(t, s).do("mn\r\n", "MN\r\n")
}

func TestCloseEndsFaultsThatWait(t *testing.T) {
	for _, f := range []Fault{Hang(), Delay(time.Hour), StallAfter(0), Drip(1, time.Hour), EndlessItems()} {
		t.Run(f.String(), func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *Server) {
				c := connect(t, s)
				c.do(setA, "STORED\r\n")
				s.Inject(f)
				c.send("get a\r\n")
				synctest.Wait()
				s.Close() // the bubble fails if a goroutine stays
				require.Empty(t, s.process.conns, "ended when Close returns")
			})
		})
	}
}

func TestFaultsRefuseWrongNumbers(t *testing.T) {
	for _, f := range []func(){
		func() { StrayLine(0, "x") },
		func() { DuplicateReply(0) },
		func() { SwapReplies(-1) },
		func() { CorruptLength(0, 1) },
		func() { Drip(0, time.Second) },
		func() { ResetAt(-1) },
		func() { CloseAt(-1) },
		func() { StallAfter(-1) },
	} {
		require.Panics(t, f)
	}
}
