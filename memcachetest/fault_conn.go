package memcachetest

import (
	"errors"
	"net"
	"time"
)

// errInjected ends a connection that a fault has closed.
var errInjected = errors.New("closed by a fault")

// hang waits while the connection may not read.
func (c *conn) hang() {
	for c.faults.refresh(); c.faults.find(faultHang) != nil; c.faults.refresh() {
		if !c.untilHealed() {
			return
		}
	}
}

// untilHealed returns true after Heal, false if the connection has ended.
func (c *conn) untilHealed() bool {
	select {
	case <-c.faults.healed:
		return true
	case <-c.link.done:
		return false
	}
}

// wait lets d pass, unless Heal or the connection's end comes first.
func (c *conn) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.faults.healed:
	case <-c.link.done:
	}
}

// commitThroughFaults commits the queued replies one by one as the faults leave
// them, and stays where a fault stops the connection.
func (c *conn) commitThroughFaults() {
	queue, ends := c.out.takeQueue()
	c.out.buf = append(c.out.buf, c.faults.late...)
	c.faults.late = nil
	start := 0
	for _, end := range ends {
		c.commitReplyThroughFaults(queue[start:end])
		if c.err != nil {
			return
		}
		start = end
	}
	c.out.commit()
}

func (c *conn) commitReplyThroughFaults(reply []byte) {
	if len(reply) == 0 {
		return
	}
	for c.faults.stalled() {
		c.out.commit()
		c.write()
		if !c.untilHealed() {
			c.err = net.ErrClosed
			return
		}
		c.faults.refresh()
	}
	c.out.buf = append(c.out.buf, c.faults.pass(reply)...)
	if f := c.faults.find(faultEndless); f != nil && f.item != nil {
		c.sendEndless(f)
	}
}

// sendEndless repeats an item until Heal or until the peer has gone.
func (c *conn) sendEndless(f *armedFault) {
	c.out.commit()
	c.write()
	for c.err == nil && c.faults.find(faultEndless) == f {
		c.err = c.send(f.item)
		c.faults.refresh()
	}
	c.out.buf = append(c.out.buf, f.end...)
}

// sendThroughFaults writes bytes as slowly as the faults say, up to where they
// end the connection.
func (c *conn) sendThroughFaults(b []byte) error {
	for _, f := range c.faults.armed {
		if f.kind == faultDelay {
			c.wait(f.pause)
		}
	}
	for len(b) > 0 {
		n, err := c.sendPiece(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// sendPiece writes the next bytes of b, as many as the faults allow at once.
func (c *conn) sendPiece(b []byte) (int, error) {
	size := len(b)
	for _, f := range c.faults.armed {
		switch f.kind {
		case faultDrip:
			c.wait(f.pause)
			size = min(size, f.size)
		case faultReset, faultClose:
			size = min(size, f.at-f.sent)
		}
	}
	if err := c.put(b[:size]); err != nil {
		return 0, err
	}
	return size, c.cut(size)
}

// cut counts bytes and ends the connection if it may not send one more.
func (c *conn) cut(size int) error {
	for _, f := range c.faults.armed {
		f.sent += size
		switch {
		case f.sent < f.at:
		case f.kind == faultReset:
			c.link.reset()
			return errInjected
		case f.kind == faultClose:
			c.net.Close()
			return errInjected
		}
	}
	return nil
}
