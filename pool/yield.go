package pool

import (
	"runtime"
	"sync/atomic"
	"time"
)

// yield decides whether a flusher lets others run first. The goroutines that a batch of replies has just woken add
// their next requests if they get to run, and share one write; measured with 64 goroutines, that is worth more
// than everything else together. But giving way costs a turn in the scheduler's queue, which is long where goroutines
// compute, so it is tried less and less while it is slow or brings nothing.
type yield struct {
	last    int // requests in the last write
	skip    int // flushes to go before the next try
	slow    int // tries in a row that took longer than they saved
	useless int // tries in a row that brought nothing
}

// turns is what the flushers of a client's nodes know of each other. Callers that were woken at one node go on to others,
// so what giving way brings is counted at all of them: a turn that was long because others wrote much was well spent.
// And while one flusher gives way, so do the others, or a caller alone at its node would go round and round before those
// that wait for their turn. Measured with 64 callers of 3 nodes on one CPU: writes carry 3 times as many requests, and
// there are 1.5 times as many.
type turns struct {
	giving  atomic.Int32  // flushers that give way now
	written atomic.Uint64 // requests
}

const (
	worthPerRequest  = 20 * time.Microsecond // what sharing a write saves, the node's and the kernel's part included
	maxSlow          = 5                     // slow tries in a row skip 4, 16 … 1024 flushes
	maxUselessYields = 6                     // useless ones, which cost little, 2, 4 … 64
)

// wanted reports whether a batch is likely: several requests were in the last write, or replies are owed to others, or
// somebody else gives way.
func (y *yield) wanted(c *conn) bool {
	if y.last <= 1 && c.owed.len() <= 1 && c.node.turns.giving.Load() == 0 {
		return false
	}
	if y.skip > 0 {
		y.skip--
		return false
	}
	return true
}

// give lets other goroutines run, twice, unless they compute, since those that run first wake others, and judges what it
// brought.
func (y *yield) give(c *conn) {
	t := c.node.turns
	queued, written, start := c.owed.tail.Load(), t.written.Load(), c.node.now()
	t.giving.Add(1)
	runtime.Gosched()
	if time.Duration(c.node.now()-start) < longPark {
		runtime.Gosched()
	}
	t.giving.Add(-1)
	gained := time.Duration(c.owed.tail.Load()-queued) + time.Duration(t.written.Load()-written)
	took := time.Duration(c.node.now() - start)
	switch {
	case took > worthPerRequest*(gained+1):
		y.slow = min(y.slow+1, maxSlow)
		y.skip = 1 << (2 * y.slow)
	case gained == 0:
		y.useless = min(y.useless+1, maxUselessYields)
		y.skip = 1 << y.useless
	default:
		y.slow, y.useless = 0, 0
	}
}
