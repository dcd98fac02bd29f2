package pool

import (
	"net"
	"sync/atomic"
	"time"
)

// hold keeps requests back for a moment while the replies to many are under way. Replies come in pieces, so the callers
// that a piece has woken would write a few requests at a time, each piece a system call here and at the node for ever
// after. Held back until the pieces before them are in, they go out together. It is Nagle's idea (RFC 896), with a bound in
// time and only where much is under way: measured with 64 and 512 goroutines, writes carry 1.5 to 6 times as many requests
// and a request takes 10 to 25 % less time.
//
// What is under way to a node on another machine is mostly on the network and not about to arrive, so there nothing is held:
// with 64 goroutines and half a millisecond to the node and back a request would take a quarter longer, with one millisecond
// a third.
type hold struct {
	on    atomic.Bool // something is held; the reader writes it when it is due
	since int64       // Node.now when the oldest request that is not written was queued
	most  int64       // nanoseconds for which a request is held; 0: never
}

const (
	holdFloor = 8                      // with fewer requests under way, nothing is held
	holdTime  = 100 * time.Microsecond // the most, while the connection is in use
)

// holdFor returns how long requests on nc are held at most.
func holdFor(nc net.Conn) int64 {
	if isNear(nc) {
		return int64(holdTime)
	}
	return 0
}

// due reports whether what is queued should be written now. Under the connection's lock.
func (c *conn) due(now int64) bool {
	underWay := c.sentTail.Load() - c.owed.head.Load()
	return underWay < holdFloor || now-c.hold.since >= c.hold.most
}

// takeFlushing makes the caller the flusher if there is none and something is due. Under the connection's lock.
func (c *conn) takeFlushing(now int64) bool {
	if c.flushing || c.queued == 0 || c.err != nil {
		return false
	}
	if !c.due(now) {
		c.hold.on.Store(true)
		return false
	}
	c.flushing = true
	return true
}

// flushHeld writes what is held, if it is due. The caller is the reader: it knows first when less is under way. What the kernel
// may not take at once it leaves to another goroutine: the node may read no more until somebody reads what it answers, and
// over TLS a write cannot be interrupted.
func (c *conn) flushHeld() {
	if !c.hold.on.Load() {
		return
	}
	c.mu.Lock()
	mine, heavy := c.takeFlushing(c.node.now()), len(c.wbuf) > promptWrite
	c.mu.Unlock()
	switch {
	case !mine:
	case c.tls || heavy:
		c.leaveFlushing()
	default:
		c.flush()
	}
}
