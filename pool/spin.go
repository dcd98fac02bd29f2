package pool

import (
	"net"
	"runtime"
	"time"
)

// spin decides how the reader waits. Normally it parks: the runtime wakes it when the socket has something. In two cases
// it tries for a moment to read without parking, letting other threads of the system run between the tries.
//
// Where other goroutines compute on every processor, to be woken costs a turn in the scheduler's queue, 10 ms and more, for
// a reply that is there after some 20 µs, and all callers of the connection wait with the reader. So it tries after parks
// that took long, and once in a while it parks to see whether the pressure is over. Measured with two computing goroutines on
// two processors and 8 callers (bench, workload busy-8): 1.2 to 1.5 times the throughput of gomemcache, which has a
// connection for each caller; 0.2 to 0.9 without it.
//
// Where a caller is alone on the connection and nobody else wants to run, parking puts a thread and perhaps a processor to
// sleep, and to wake them takes longer than the reply does. Measured with one caller on two processors: 1.6 to 2.3
// times the throughput, at half the CPU time per request. Whether others want to run is asked now and then, by giving way to
// them once.
//
// Where trying brings nothing it is tried less and less.
type spin struct {
	socket   *rawSocket // nil: cannot be read without parking
	pressure int        // rises with long parks, falls with short ones
	left     int        // reads to go before the next park
	alone    int        // reads by a caller alone until it is asked again whether others want to run
	shy      int        // reads by a caller alone to park, because they did
	skip     int        // reads to park before the next try
	useless  int        // tries in a row that brought nothing
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
	spinReads  = 256                    // reads between two parks under pressure
	aloneReads = 32                     // reads alone between two questions whether others want to run
	othersRun  = 100 * time.Microsecond // giving way takes longer if they do; to wake an idle processor takes less
	othersSkip = 64                     // reads to park then
)

// attempt is one try to read without parking: how long it may take, and how many reads are left to park after useless ones: none
// after the first in a row, one after the second, and twice as many after each more. The zero attempt is not made.
type attempt struct {
	limit   time.Duration
	maxSkip int
}

var (
	pressed = attempt{100 * time.Microsecond, 8} // several round trips on a local network; a fiftieth of a long park
	lonely  = attempt{50 * time.Microsecond, 64}
)

// readSome reads what there is into buf, waiting for it if need be. The caller is the reader.
func (c *conn) readSome(buf []byte) (int, error) {
	s := &c.reader.spin
	if try := s.wanted(c); try.limit > 0 {
		if n := c.spinRead(buf, try.limit); n > 0 {
			s.useless = 0
			return n, nil
		}
		s.missed(try)
	}
	start := c.node.now()
	n, err := c.nc.Read(buf)
	s.parked(time.Duration(c.node.now() - start))
	return n, err
}

// wanted returns how the next read should be tried without parking.
func (s *spin) wanted(c *conn) attempt {
	switch {
	case s.socket == nil || s.pressure < underLoad && !c.owed.isOneCallers():
		return attempt{}
	case s.skip > 0:
		s.skip--
		return attempt{}
	case s.pressure < underLoad:
		return s.wantedAlone(c)
	}
	if s.left--; s.left <= 0 {
		return attempt{}
	}
	return pressed
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
	if took := time.Duration(c.node.now() - start); took >= othersRun {
		s.shy = othersSkip
		s.parked(took) // as good as
		return attempt{}
	}
	return lonely
}

// missed takes note of an attempt that brought nothing.
func (s *spin) missed(try attempt) {
	s.useless = min(s.useless+1, maxUseless)
	s.skip = min(1<<s.useless>>2, try.maxSkip)
}

// parked takes note of how long a park took.
func (s *spin) parked(took time.Duration) {
	switch {
	case took >= longPark:
		s.pressure = min(s.pressure+longWeight, maxPressure)
	case s.left == 0:
		s.pressure = max(s.pressure-sampleWeight, 0)
	default:
		s.pressure = max(s.pressure-1, 0)
	}
	if s.left <= 0 {
		s.left = spinReads
	}
}

// spinRead tries to read without parking; 0 means that nothing came.
func (c *conn) spinRead(buf []byte, limit time.Duration) int {
	socket, end := c.reader.spin.socket, c.node.now()+int64(limit)
	for c.node.now() < end {
		if n := socket.tryRead(buf); n > 0 {
			return n
		}
		yieldThread()
	}
	return 0
}

// newSpin returns a spin for nc.
func newSpin(nc net.Conn) spin { return spin{socket: newRawSocket(nc)} }
