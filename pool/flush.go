package pool

import (
	"errors"
	"os"
	"time"
)

// flusher is the state of the combining write: of all callers that have queued requests, one writes them all, again
// and again until nothing is left. The others only append.
type flusher struct {
	rest  []byte // what an interrupted write left over
	sent  uint32 // conn.sentTail before the write under way
	ends  []int  // of records in it
	spare []byte // the buffer to swap for wbuf
	yield yield
}

// maxKeptWriteBuf bounds the write buffers that a connection keeps.
const maxKeptWriteBuf = 512 << 10

// promptWrite is what the kernel takes at once.
const promptWrite = 64 << 10

// flush writes until nothing is queued, then gives the role back. The caller is the flusher.
func (c *conn) flush() {
	f := &c.flusher
	if len(f.rest) == 0 && f.yield.wanted(c) {
		f.yield.give(c)
	}
	for {
		buf := c.takeQueued()
		if buf == nil {
			return
		}
		if len(buf) > promptWrite { // the node may stop reading until somebody reads what it answers
			c.passFrom(theFlusher)
		}
		if !c.write(buf) {
			return
		}
		if cap(buf) <= maxKeptWriteBuf {
			f.spare = buf[:0]
		}
	}
}

// flushAside is flush on a goroutine of the connection's own.
func (c *conn) flushAside() {
	c.flush()
	c.handReading()
}

// takeQueued takes what is to be written. With nothing there that is due, or on a broken connection, it gives the role
// back and returns nil. A caller that has written for others for a whole tick gives it to a goroutine of the connection's own.
func (c *conn) takeQueued() []byte {
	f := &c.flusher
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushing = false
	if c.err != nil || len(f.rest) == 0 && !c.takeFlushing(c.node.now()) {
		c.watch.writing, c.watch.flushing, c.watch.relieved = 0, 0, false
		c.reads.CompareAndSwap(theFlusher, nobody)
		return nil
	}
	c.flushing = true
	if c.watch.isLong() && c.node.spawn(c.flushAside) {
		c.watch.relieved = true
		return nil
	}
	c.watch.writing, c.watch.flushing = 1, max(c.watch.flushing, 1)
	f.sent = c.sentTail.Load()
	if buf := f.rest; len(buf) > 0 {
		f.rest = nil
		return buf
	}
	c.closeGroup()
	buf := c.wbuf
	c.wbuf, f.spare = f.spare[:0], nil
	f.ends = c.records.take(f.ends)
	c.sentTail.Store(c.owed.tail.Load())
	f.yield.last = int(c.queued)
	c.node.turns.written.Add(uint64(c.queued))
	c.node.count.requests.Add(uint64(c.queued))
	c.node.count.writes.Add(1)
	c.queued = 0
	c.hold.on.Store(false)
	return buf
}

// write writes buf. False means that the role is gone: the connection broke, or the write took long and another
// goroutine goes on with it.
func (c *conn) write(buf []byte) bool {
	n, err := c.writeRecords(buf)
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
	c.leaveFlushing()
}

// leaveFlushing gives the role to a goroutine of the connection's own. The caller is the flusher.
func (c *conn) leaveFlushing() {
	if !c.node.spawn(c.flushAside) {
		c.fail(ErrClosed)
	}
}
