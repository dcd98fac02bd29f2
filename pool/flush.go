package pool

import (
	"errors"
	"os"
	"runtime"
	"time"
)

// flusher is the state of the combining write: of all callers that have queued requests, one writes them all, again
// and again until nothing is left. The others only append.
type flusher struct {
	rest  []byte // what an interrupted write left over
	sent  uint32 // conn.sentTail before the write under way
	spare []byte // the buffer to swap for wbuf
	yield yield
}

// maxKeptWriteBuf bounds the write buffers that a connection keeps.
const maxKeptWriteBuf = 512 << 10

// flush writes until nothing is queued, then gives the role back. The caller is the flusher.
func (c *conn) flush() {
	f := &c.flusher
	if len(f.rest) == 0 && f.yield.wanted(c.owed.len()) {
		f.yield.give(c)
	}
	for {
		buf := c.takeQueued()
		if buf == nil {
			return
		}
		if !c.write(buf) {
			return
		}
		if cap(buf) <= maxKeptWriteBuf {
			f.spare = buf[:0]
		}
	}
}

// takeQueued takes what is to be written. With nothing there that is due, or on a broken connection, it gives the role
// back and returns nil.
func (c *conn) takeQueued() []byte {
	f := &c.flusher
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushing = false
	if c.err != nil || len(f.rest) == 0 && !c.takeFlushing(c.node.now()) {
		c.watch.writing, c.watch.relieved = 0, false
		return nil
	}
	c.flushing = true
	c.watch.writing = 1
	f.sent = c.sentTail.Load()
	if buf := f.rest; len(buf) > 0 {
		f.rest = nil
		return buf
	}
	c.closeLine()
	buf := c.wbuf
	c.wbuf, f.spare = f.spare[:0], nil
	c.sentTail.Store(c.owed.tail.Load())
	f.yield.wrote(int(c.queued))
	c.node.count.requests.Add(uint64(c.queued))
	c.node.count.writes.Add(1)
	c.queued = 0
	c.hold.on.Store(false)
	return buf
}

// write writes buf. False means that the role is gone: the connection broke, or the write took long and another
// goroutine goes on with it.
func (c *conn) write(buf []byte) bool {
	n, err := c.nc.Write(buf)
	c.node.count.bytesOut.Add(uint64(n))
	if err == nil {
		return true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && !c.tls {
		c.relieve(buf[n:])
		return false
	}
	if n == 0 {
		c.sentTail.Store(c.flusher.sent)
	}
	c.fail(err)
	c.takeQueued()
	return false
}

// relieve lets the flusher return to its caller: a goroutine of the connection's own takes the role. It ends when the
// node reads again or the connection breaks.
func (c *conn) relieve(rest []byte) {
	c.flusher.rest = append([]byte(nil), rest...)
	c.mu.Lock()
	c.watch.relieved = true
	c.mu.Unlock()
	c.nc.SetWriteDeadline(time.Time{})
	if !c.node.spawn(c.flush) {
		c.fail(ErrClosed)
	}
}

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

const (
	worthPerRequest  = 20 * time.Microsecond // what sharing a write saves, the node's and the kernel's part included
	maxSlow          = 5                     // slow tries in a row skip 4, 16 … 1024 flushes
	maxUselessYields = 6                     // useless ones, which cost little, 2, 4 … 64
)

// wanted reports whether a batch is likely: several requests were in the last write, or replies are owed to others.
func (y *yield) wanted(owed int) bool {
	if y.last <= 1 && owed <= 1 {
		return false
	}
	if y.skip > 0 {
		y.skip--
		return false
	}
	return true
}

// give lets other goroutines run once and judges what it brought.
func (y *yield) give(c *conn) {
	before, start := c.owed.tail.Load(), c.node.now()
	runtime.Gosched()
	gained := time.Duration(c.owed.tail.Load() - before)
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

func (y *yield) wrote(requests int) { y.last = requests }
