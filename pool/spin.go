package pool

import (
	"net"
	"time"
)

// spin decides how the reader waits. Normally it parks: the runtime wakes it when the socket has something. Where other
// goroutines compute on every processor, that costs a turn in the scheduler's queue, 10 ms and more, for a reply that is
// there after some 20 µs, and all callers of the connection wait with the reader. So after parks that took long the
// reader tries for a moment to read without parking, letting other threads run between the tries. Where that brings
// nothing it is tried less and less, and once in a while the reader parks to see whether the pressure is over.
//
// Measured with two computing goroutines on two processors and 8 callers (bench, workload busy-8): 1.2 to 1.5 times the
// throughput of gomemcache, which has a connection for each caller; 0.2 to 0.9 without it.
type spin struct {
	socket   *rawSocket // nil: cannot be read without parking
	pressure int        // rises with long parks, falls with short ones
	left     int        // reads to go before the next park
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

	spinTime   = 100 * time.Microsecond // of one try; several round trips on a local network
	spinReads  = 256                    // reads between two parks under pressure
	maxUseless = 3                      // useless tries in a row skip 2, 4, 8 reads: a try costs a fiftieth of a long park at most
)

// readSome reads what there is into buf, waiting for it if need be. The caller is the reader.
func (c *conn) readSome(buf []byte) (int, error) {
	s := &c.reader.spin
	if s.wanted() {
		if n := c.spinRead(buf); n > 0 {
			s.useless = 0
			return n, nil
		}
		s.useless = min(s.useless+1, maxUseless)
		s.skip = 1 << s.useless
	}
	start := c.node.now()
	n, err := c.nc.Read(buf)
	s.parked(time.Duration(c.node.now() - start))
	return n, err
}

// wanted reports whether the next read should be tried without parking.
func (s *spin) wanted() bool {
	switch {
	case s.pressure < underLoad || s.socket == nil:
		return false
	case s.skip > 0:
		s.skip--
		return false
	}
	s.left--
	return s.left > 0
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
func (c *conn) spinRead(buf []byte) int {
	socket, end := c.reader.spin.socket, c.node.now()+int64(spinTime)
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
