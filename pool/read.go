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
	size int // of buf that is read into; it falls where large blocks begin, which are better not read into buf
	r, w int // buf[r:w] is read and not decoded

	reply   protocol.Reply // the line decoded last
	owesEnd bool           // the last key of a line has hit: END is still to come
	block   block          // the large data block that is being read
	arena   arena
	spin    spin
	tally   tally

	refusals refusals
}

// Who reads, for those that come to wait. A caller parks first and then looks whether there is somebody; one who leaves
// nobody looks then for callers that are parked. So none is overlooked, though callers park without the lock.
const (
	nobody     uint32 = iota
	theFlusher        // not yet: when it has written, it will
	somebody
)

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
	if ctx.Err() != nil || c.watch.last.Load() >= op.expires {
		return false
	}
	if c.reads.Load() == nobody && c.beginReading(ctx, op) {
		c.read(ctx, op)
	} else if c.park(ctx, k); k.baton {
		k.baton = false
		c.mu.Lock()
		c.watch.setReader(ctx, op)
		c.mu.Unlock()
		c.read(ctx, op)
	}
	return op.phase == settled || k.state.Load() == done
}

// beginReading makes op's caller the reader, unless there is one, or nothing to read until the flusher has written: whoever
// reads now only goes to sleep and is woken by the reply, and the flusher is awake and may find it at once. Measured with
// 8 callers on two processors, to leave it to the flusher makes a seventh more requests. Where others give way as well,
// its turn comes later than it pays to wait.
func (c *conn) beginReading(ctx context.Context, op *Op) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.reads.Load() != nobody || op.call.state.Load() == done:
		return false
	case c.flushing && c.sentTail.Load() == c.owed.head.Load() && c.node.turns.giving.Load() <= 1:
		c.reads.Store(theFlusher)
		return false
	}
	c.reads.Store(somebody)
	c.watch.setReader(ctx, op)
	return true
}

// park waits for a token, unless k is answered, or nobody reads any more.
func (c *conn) park(ctx context.Context, k *call) {
	if k.state.CompareAndSwap(pending, parked) && (c.reads.Load() != nobody || !k.state.CompareAndSwap(parked, pending)) {
		k.park(ctx)
	}
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
	r := &c.reader
	if dst := r.block.room(); dst != nil {
		n, err := c.readSome(dst, r.buf[:r.size])
		direct := min(n, len(dst))
		r.block.got += direct
		r.r, r.w = 0, n-direct // all before was of the block
		return c.filled(n, err)
	}
	if err := r.makeRoom(); err != nil {
		return false, err
	}
	n, err := c.readSome(r.buf[r.w:r.size], nil)
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

// makeRoom moves what is undecoded to the front, of a buffer of twice the size if it was read full.
func (r *reader) makeRoom() error {
	into := r.buf
	if r.w == r.size {
		r.size = min(2*r.size, maxReadBuf)
	}
	if r.size > len(r.buf) {
		into = make([]byte, r.size)
	}
	r.w = copy(into, r.buf[r.r:r.w])
	r.r, r.buf = 0, into
	if r.w == r.size {
		return errLine
	}
	return nil
}

// handReading has one of those read who counted on the flusher for it, if nobody does. The caller will not, and may have been
// the flusher.
func (c *conn) handReading() {
	if c.reads.Load() == nobody {
		c.passFrom(nobody)
	}
}

// passReading hands the role on. The caller is the reader.
func (c *conn) passReading() { c.passFrom(somebody) }

// passFrom makes the first caller that is parked the reader, unless who reads is not who that was. With none, nobody is: the
// next that comes to wait will be, or if none comes the watch sees to it.
func (c *conn) passFrom(who uint32) {
	if heir := c.heirOf(who); heir != nil {
		heir.wake <- struct{}{} // not under the lock: to wake a processor takes long
	}
}

func (c *conn) heirOf(who uint32) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.reads.Load() != who:
		return nil
	case c.err != nil: // fail has left the rest to the reader
		c.abort()
		return nil
	}
	c.watch.reader = nil
	c.reads.Store(nobody)
	for i := range uint32(c.owed.len()) {
		if k := c.owed.peek(i); k.state.CompareAndSwap(parked, pending) {
			c.reads.Store(somebody)
			k.baton = true
			return k
		}
	}
	return nil
}

// drain reads for nobody until a caller waits or nothing is owed. The caller has set reading.
func (c *conn) drain() { c.read(context.Background(), nil) }
