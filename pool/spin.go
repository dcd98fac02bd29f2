package pool

import (
	"net"
	"runtime"
	"time"
)

// spin decides how the reader waits. Normally it parks: the runtime wakes it when the socket has something. In three cases
// it tries to read without parking first, letting other threads of the system run before each try.
//
// Where other goroutines compute on every processor, to be woken costs a turn in the scheduler's queue, 10 ms and more, for
// a reply that is there after some 20 µs, and all callers of the connection wait with the reader. So it tries for a moment
// after parks that took long, and once in a while it parks to see whether the pressure is over. Measured with two computing
// goroutines on two processors and 8 callers (bench, workload busy-8): 2.2 times the throughput of gomemcache, which
// has a connection for each caller; 0.2 to 0.9 without it.
//
// Where a caller is alone on the connection and nobody else wants to run, parking puts a thread and perhaps a processor to
// sleep, and to wake them takes longer than the reply does. Measured with one caller on two processors: 1.6 to 2.3
// times the throughput, at half the CPU time per request. Whether others want to run is asked now and then, by giving way to
// them once.
//
// Where many callers wait it has one look: a node on the same processor answers them all while it is given way to. Measured
// with 8 to 512 callers on one processor: 1.09 to 1.17 times the throughput.
//
// Where trying brings nothing it is tried less and less. Where another program computes on the same processor, to give way
// costs what the system lets that run, 3 ms for one, and a park costs nothing; so two tries in a row that took long are the last
// for long. A single one may be this goroutine's own, which had to make room for another one while it tried.
type spin struct {
	socket   *rawSocket // nil: cannot be read without parking
	pressure int        // rises with long parks, falls with short ones
	parkAt   int64      // Node.now when to park again under pressure
	alone    int        // reads by a caller alone until it is asked again whether others want to run
	shy      int        // reads by a caller alone to park, because they did
	skip     int        // reads to park before the next try
	useless  int        // tries in a row that brought nothing
	later    int        // tries to begin by giving way before the next that looks first
	early    int        // looks in a row that came before the reply
	slow     bool       // the last try took long
	notUntil int64      // Node.now when to try again after two that did
}

const (
	longPark = 5 * time.Millisecond // half of what a goroutine may compute before another one's turn

	// A single long park happens on any busy machine; two among a few short ones are pressure. A short park ends it slowly:
	// with two computing goroutines every second park or so is short.
	longWeight   = 8
	underLoad    = 12 // pressure from which the reader tries to read without parking
	maxPressure  = 24
	sampleWeight = 4 // of a short park between many reads without

	maxUseless = 8
	maxEarly   = 6
	pressedFor = 100 * time.Millisecond // between two parks under pressure, each of which may take half as long
	aloneReads = 32                     // reads alone between two questions whether others want to run
	othersRun  = 100 * time.Microsecond // giving way takes longer if they do; to wake an idle processor takes less
	othersSkip = 64                     // reads to park then
	longTry    = 500 * time.Microsecond // a try lasts for so long if another program had the processor
	longRest   = 64                     // times as long, the reader parks then
)

// attempt is one way to try to read without parking: for how long, and how many reads are left to park after useless ones: none
// after the first in a row, one after the second, and twice as many after each more. The zero attempt is not made.
type attempt struct {
	limit   time.Duration
	maxSkip int
	looks   bool // reads before giving way, while that finds something
}

var (
	pressed = attempt{100 * time.Microsecond, 8, false} // several round trips on a local network; a fiftieth of a long park
	lonely  = attempt{50 * time.Microsecond, 64, true}
	glance  = attempt{time.Nanosecond, 64, false} // one look; one before giving way finds few of the replies under way
)

// readSome reads what there is into buf, waiting for it if need be. Once that is full it may go on into more, which saves a
// read of its own for the end of a block. The caller is the reader.
func (c *conn) readSome(buf, more []byte) (int, error) {
	s, start := &c.reader.spin, c.node.now()
	if try := s.wanted(c, start); try.limit > 0 {
		n := c.spinRead(buf, more, try, start+int64(try.limit))
		end := c.node.now()
		s.tried(try, n, time.Duration(end-start), end)
		if n > 0 {
			return n, nil
		}
		start = end
	}
	n, err := c.nc.Read(buf)
	end := c.node.now()
	s.parked(time.Duration(end-start), end)
	return n, err
}

// wanted returns how the next read should be tried without parking.
func (s *spin) wanted(c *conn, now int64) attempt {
	switch {
	case s.socket == nil || now < s.notUntil:
		return attempt{}
	case s.skip > 0:
		s.skip--
		return attempt{}
	case s.pressure >= underLoad && now >= s.parkAt:
		return attempt{}
	case s.pressure >= underLoad:
		return pressed
	case c.owed.isOneCallers():
		return s.wantedAlone(c)
	}
	return glance
}

func (s *spin) wantedAlone(c *conn) attempt {
	if s.shy > 0 {
		s.shy--
		return attempt{}
	}
	if s.alone--; s.alone >= 0 {
		return lonely
	}
	s.alone = aloneReads
	start := c.node.now()
	runtime.Gosched()
	end := c.node.now()
	if took := time.Duration(end - start); took >= othersRun {
		s.shy = othersSkip
		s.parked(took, end) // as good as
		return attempt{}
	}
	return lonely
}

// tried takes note of what a try has brought.
func (s *spin) tried(try attempt, n int, took time.Duration, now int64) {
	switch {
	case took < longTry:
		s.slow = false
	case s.slow:
		s.notUntil = now + longRest*int64(took)
	default:
		s.slow = true
	}
	if n > 0 {
		s.useless = 0
		return
	}
	s.useless = min(s.useless+1, maxUseless)
	s.skip = min(1<<s.useless>>2, try.maxSkip)
}

// parked takes note of how long a park took.
func (s *spin) parked(took time.Duration, now int64) {
	sampled := now >= s.parkAt
	switch {
	case took >= longPark:
		s.pressure = min(s.pressure+longWeight, maxPressure)
	case sampled:
		s.pressure = max(s.pressure-sampleWeight, 0)
	default:
		s.pressure = max(s.pressure-1, 0)
	}
	if sampled {
		s.parkAt = now + int64(pressedFor)
	}
}

// spinRead tries to read without parking, at least once; 0 means that nothing has come by end.
func (c *conn) spinRead(buf, more []byte, try attempt, end int64) int {
	s, socket := &c.reader.spin, c.reader.spin.socket
	if c.reader.block.call != nil || try.looks && s.looksFirst() {
		n := socket.tryRead(buf, more)
		if s.looked(n); n > 0 {
			return n
		}
	}
	for {
		yieldThread()
		if n := socket.tryRead(buf, more); n > 0 {
			return n
		}
		if c.node.now() >= end {
			return 0
		}
	}
}

// looksFirst reports whether to read before giving way. The rest of a block is mostly there, and so are the replies of the
// second of several nodes that are waited for one after the other.
func (s *spin) looksFirst() bool {
	if s.later > 0 {
		s.later--
		return false
	}
	return true
}

// looked takes note of what such a look has brought. Those that came too early become rare: where no reply is ever there, one
// try in 65 has one.
func (s *spin) looked(n int) {
	if n > 0 {
		s.early, s.later = 0, 0
		return
	}
	s.early = min(s.early+1, maxEarly)
	s.later = 1 << s.early
}

// newSpin returns a spin for nc.
func newSpin(nc net.Conn) spin { return spin{socket: newRawSocket(nc)} }
