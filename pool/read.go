package pool

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/nohop/memcache/protocol"
)

// reader is the state of the reading role. There is no reader goroutine: of the callers that wait, one reads from the
// socket, delivers the replies of the others, and when its own has come hands the role to the next that waits. A
// caller alone writes, reads and returns without a hand-over.
type reader struct {
	buf  []byte
	r, w int // buf[r:w] is read and not decoded

	reply   protocol.Reply // the line decoded last
	owesEnd bool           // the last key of a line has hit: END is still to come
	block   block          // the large data block that is being read
	spin    spin
	tally   tally
}

const (
	minReadBuf  = 16 << 10
	maxReadBuf  = 64 << 10
	maxLineSize = 2 << 10 // of a reply line; memcached's longest is below 600 bytes
)

var (
	errStray      = errors.New("memcache: reply to no request")
	errShifted    = errors.New("memcache: reply does not belong to its request")
	errLine       = errors.New("memcache: reply line too long or not ended by CR LF")
	errEndless    = errors.New("memcache: reply to stats does not end")
	errHandedOver = errors.New("memcache: the reading role went to another caller")
	errBlock      = errors.New("memcache: data block not ended by CR LF")
)

// await waits until op is answered or its try is over.
func (c *conn) await(ctx context.Context, op *Op) {
	k := op.call
	for !c.takeTurn(ctx, op) {
		if err := op.over(ctx); err != nil && op.abandon(err) {
			c.handReading()
			return
		}
	}
	if op.phase == flying {
		op.take(k)
	}
}

// takeTurn reads, if nobody else does, or waits for what the reader has to say. True means that op is answered or was
// given up. One whose try is over already does neither: of a batch, each would wait for a tick.
func (c *conn) takeTurn(ctx context.Context, op *Op) bool {
	k := op.call
	if k.state.Load() == done {
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	c.mu.Lock()
	if c.watch.last >= op.expires {
		c.mu.Unlock()
		return false
	}
	if !c.reading && k.state.Load() != done && !c.awaitsFlush() {
		c.reading, c.unread = true, false
		c.watch.setReader(ctx, op)
		c.mu.Unlock()
		c.read(ctx, op)
		return op.phase == settled || k.state.Load() == done
	}
	wait := k.state.CompareAndSwap(pending, parked)
	c.unread = c.unread || !c.reading
	c.mu.Unlock()
	if !wait {
		return true
	}
	k.park(ctx)
	if k.baton {
		k.baton = false
		c.mu.Lock()
		c.watch.setReader(ctx, op)
		c.mu.Unlock()
		c.read(ctx, op)
	}
	return op.phase == settled || k.state.Load() == done
}

// read holds the reading role until op is answered, its try is over, or the connection broke. op is nil for the
// goroutine that drains a silent connection. The caller is the reader; afterwards it is not.
func (c *conn) read(ctx context.Context, op *Op) {
	for {
		switch err := c.deliverBuffered(op); {
		case err == errHandedOver:
			return
		case err != nil:
			c.broke(err)
			return
		}
		if op.answered(c) {
			break
		}
		c.flushHeld()
		interrupted, err := c.fill()
		if err != nil {
			c.broke(err)
			return
		}
		if interrupted && c.leave(ctx, op) {
			break
		}
	}
	c.flushHeld()
	c.passReading()
}

// answered reports whether the reader's own call is done or, for the draining goroutine, whether somebody else can go
// on or nothing is left.
func (op *Op) answered(c *conn) bool {
	if op != nil {
		return op.call.state.Load() == done
	}
	k := c.owed.peek(0)
	return k == nil && !c.reader.owesEnd || k != nil && k.state.Load() == parked
}

// leave gives op up if its try is over. The rest of a block that was being read into the caller's memory will be
// dropped.
func (c *conn) leave(ctx context.Context, op *Op) bool {
	if op == nil {
		return false
	}
	err := op.over(ctx)
	if err == nil {
		return false
	}
	c.reader.block.disown(op)
	return op.abandon(err)
}

// broke ends the connection and the role.
func (c *conn) broke(err error) {
	c.reader.tally.hand(c.node)
	c.fail(err)
	c.abort()
}

// fill reads once. It reports whether the watch has interrupted the read.
func (c *conn) fill() (interrupted bool, err error) {
	dst := c.reader.block.room()
	if dst != nil {
		n, err := c.readSome(dst)
		c.reader.block.got += n
		return c.filled(n, err)
	}
	r := &c.reader
	if err := r.makeRoom(); err != nil {
		return false, err
	}
	n, err := c.readSome(r.buf[r.w:])
	r.w += n
	return c.filled(n, err)
}

func (c *conn) filled(n int, err error) (interrupted bool, _ error) {
	switch {
	case n > 0:
		c.heard(n)
		return false, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return true, c.nc.SetReadDeadline(time.Time{})
	case err == io.EOF:
		return false, io.ErrUnexpectedEOF
	}
	return false, err
}

// heard notes that the node has answered something.
func (c *conn) heard(n int) {
	c.watch.heard.Add(1)
	c.node.count.reads.Add(1)
	c.node.count.bytesIn.Add(uint64(n))
	c.node.alive()
}

// makeRoom moves what is undecoded to the front, and doubles a buffer that was read full.
func (r *reader) makeRoom() error {
	if r.r == r.w {
		full := r.w == len(r.buf)
		r.r, r.w = 0, 0
		if full && len(r.buf) < maxReadBuf {
			r.buf = make([]byte, 2*len(r.buf))
		}
		return nil
	}
	if r.r > 0 {
		r.w = copy(r.buf, r.buf[r.r:r.w])
		r.r = 0
	}
	if r.w < len(r.buf) {
		return nil
	}
	if len(r.buf) >= maxReadBuf {
		return errLine
	}
	r.buf = append(r.buf, make([]byte, len(r.buf))...)
	return nil
}

// awaitsFlush reports whether there is nothing to read until the flusher has written. Whoever reads now only goes to sleep,
// and is woken by the reply; the flusher is awake and may find it at once. Measured with 8 callers on two processors: a
// seventh more requests. Where others give way as well, the flusher's turn comes later than it pays to wait. Under the
// connection's lock.
func (c *conn) awaitsFlush() bool {
	return c.flushing && c.sentTail.Load() == c.owed.head.Load() && c.node.turns.giving.Load() <= 1
}

// handReading has one of those read who count on the flusher for it. The caller was the flusher and will not read.
func (c *conn) handReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unread && !c.reading {
		c.pass()
	}
}

// passReading hands the role on. The caller is the reader.
func (c *conn) passReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pass()
}

// pass makes the first caller that waits the reader. With none, nobody is: the next that comes to wait will be, or if none
// comes the watch sees to it. A caller parks under the same lock, and only if there is a reader or a flusher, so none can be
// overlooked. Under the connection's lock.
func (c *conn) pass() {
	c.watch.reader, c.unread = nil, false
	if c.err != nil { // fail has left the rest to the reader
		c.abort()
		return
	}
	for i := range uint32(c.owed.len()) {
		k := c.owed.peek(i)
		if k.state.CompareAndSwap(parked, pending) {
			c.reading = true
			k.baton = true
			k.wake <- struct{}{}
			return
		}
	}
	c.reading = false
}

// drain reads for nobody until a caller waits or nothing is owed. The caller has set reading.
func (c *conn) drain() { c.read(context.Background(), nil) }
