package pool

import "github.com/nohop/memcache/protocol"

// block is a data block that is too large to wait for in the read buffer. It is read straight to where it is wanted:
// into the caller's memory if the reader itself wants it, else into the call's. Memory grows with what has come, never
// with what was announced.
type block struct {
	call  *call // whose reply it is; nil: there is none
	op    *Op   // the reader's own op, if it reads into its caller's memory
	reply protocol.Reply
	base  int    // bytes of dst that were there before
	dst   []byte // len is base plus the room made so far; nil: drop what comes
	got   int
}

const (
	directSize = 8 << 10  // bytes from which an incomplete block is read directly
	tailSize   = 1 << 10  // the end of a block comes through the buffer, together with what follows it
	growAhead  = 64 << 10 // bytes of memory beyond what has come
)

// takeBlock delivers a reply and its data block, if it has one. False means that the block is not complete.
func (c *conn) takeBlock(k *call, reply *protocol.Reply, size int, op *Op) (more bool, err error) {
	r := &c.reader
	if reply.Block < 0 {
		r.r += size
		c.complete(k, reply)
		return true, nil
	}
	if reply.Block > c.node.cfg.MaxValue {
		return false, c.refuseBlock(k)
	}
	start := r.r + size
	end := start + reply.Block
	if r.w-start < reply.Block+2 { // end may be too large for an int
		if reply.Block < directSize {
			return false, nil
		}
		return c.startBlock(k, reply, size, op)
	}
	if r.buf[end] != '\r' || r.buf[end+1] != '\n' {
		return false, errBlock
	}
	c.takeValue(k, r.buf[start:end])
	r.r = end + 2
	c.complete(k, reply)
	return true, nil
}

// refuseBlock fails the call whose value is too large, and with it the connection: what is announced may never end. The
// call gets an error of its own, so that it is not among those that are sent again.
func (c *conn) refuseBlock(k *call) error {
	c.failHead(k, ErrTooLarge)
	return ErrTooLarge
}

// complete pops the head and publishes its reply.
func (c *conn) complete(k *call, reply *protocol.Reply) {
	c.reader.owesEnd = k.form == protocol.FormLine && k.endsGroup
	c.count(k, reply.Status, max(reply.Block, 0))
	k.reply = *reply
	k.reply.Key = nil // it lay in the read buffer
	c.owed.pop()
	c.deliver(k)
}

// startBlock begins to read a large block. If its caller is another one that waits, it gets the role, so that the value
// need not be copied.
func (c *conn) startBlock(k *call, reply *protocol.Reply, size int, op *Op) (more bool, err error) {
	own := op != nil && op.call == k
	if !own && k.state.CompareAndSwap(parked, pending) {
		c.reader.tally.hand(c.node)
		k.baton = true
		k.wake <- struct{}{}
		return false, errHandedOver
	}
	c.reader.r += size
	c.reader.size = minReadBuf
	b := &c.reader.block
	*b = block{call: k, reply: *reply}
	b.reply.Key = nil
	switch {
	case own:
		b.op, b.base, b.dst = op, len(op.Dst), op.Dst
	case k.state.Load() != abandoned:
		b.dst = k.buf[:0]
	}
	return c.continueBlock()
}

// continueBlock takes what the buffer holds of the block and, once it is complete, delivers it.
func (c *conn) continueBlock() (complete bool, err error) {
	r, b := &c.reader, &c.reader.block
	n := min(b.reply.Block-b.got, r.w-r.r)
	b.take(r.buf[r.r : r.r+n])
	r.r += n
	if b.got < b.reply.Block || r.w-r.r < 2 {
		return false, nil
	}
	if r.buf[r.r] != '\r' || r.buf[r.r+1] != '\n' {
		return false, errBlock
	}
	r.r += 2
	k := b.call
	k.buf, k.given = b.dst, b.op != nil || k.fresh
	reply := b.reply
	*b = block{}
	c.complete(k, &reply)
	return true, nil
}

// take adds what has come through the buffer.
func (b *block) take(data []byte) {
	if b.discards() {
		b.got += len(data)
		return
	}
	have := b.base + b.got
	if cap(b.dst) < have+len(data) {
		b.grow(have)
	}
	b.dst = append(b.dst[:have], data...)
	b.got += len(data)
}

func (b *block) discards() bool { return b.call.state.Load() == abandoned }

// room returns where the next read should go, or nil if it should go through the buffer.
func (b *block) room() []byte {
	if b.call == nil || b.reply.Block-b.got <= tailSize || b.discards() {
		return nil
	}
	have := b.base + b.got
	if cap(b.dst) == have {
		b.grow(have)
	}
	end := min(cap(b.dst), b.base+b.reply.Block-tailSize)
	if end <= have {
		return nil
	}
	b.dst = b.dst[:end]
	return b.dst[have:end]
}

// grow makes room for as much again as has come, at least growAhead, at most the block.
func (b *block) grow(have int) {
	left := b.reply.Block - b.got
	dst := make([]byte, have, have+min(left, max(b.got, growAhead)))
	copy(dst, b.dst[:have])
	b.dst = dst
}

// disown lets go of the caller's memory: op was given up.
func (b *block) disown(op *Op) {
	if b.op == op {
		b.op, b.dst, b.base = nil, nil, 0
	}
}
