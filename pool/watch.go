package pool

import (
	"context"
	"sync/atomic"
	"time"
)

// watch is the timer of a connection. It ticks only while replies are owed, and does for callers what they cannot do
// while they wait without a timer of their own: it ends their tries, interrupts a reader or a flusher, has somebody read
// where nobody does, and notices that the node has gone silent. All fields but heard and last are under the connection's lock.
type watch struct {
	timer    *time.Timer
	armed    bool
	heard    atomic.Uint32 // reads that brought something
	seen     uint32        // heard at the last tick
	last     atomic.Int64  // Node.now of the last tick
	silent   int64         // Node.now since when nothing has come
	reader   context.Context
	ends     int64 // when the reader's try is over
	writing  int   // ticks since the flusher began to write, counted from 1; 0: it does not
	flushing int   // ticks since it took the role, likewise
	relieved bool  // the flusher is a goroutine of the connection's own, which may wait
}

// tick is how late, at most, a waiting caller learns that its try is over or that its context was cancelled.
const tick = 5 * time.Millisecond

// past is a deadline that interrupts a read or a write at once.
var past = time.Unix(1, 0)

// arm starts the timer, if it does not run.
func (w *watch) arm(c *conn) {
	if w.armed {
		return
	}
	w.armed = true
	w.silent = c.lastPush
	w.last.Store(c.lastPush)
	if w.timer == nil {
		w.timer = time.AfterFunc(tick, c.tick)
		return
	}
	w.timer.Reset(tick)
}

func (w *watch) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}

// setReader notes whose try may end while it reads.
func (w *watch) setReader(ctx context.Context, op *Op) { w.reader, w.ends = ctx, op.expires }

// tick looks after everybody once.
func (c *conn) tick() {
	if err := c.look(c.node.now()); err != nil {
		c.fail(err)
	}
}

// look returns an error if the connection has to be closed.
func (c *conn) look(now int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	if err := c.judge(now); err != nil { // before anybody wakes: they shall find the node suspect
		return err
	}
	c.watch.last.Store(now)
	c.node.tickLanes(c, now)
	c.expire(now)
	c.interruptReader(now)
	if err := c.interruptWriter(); err != nil {
		return err
	}
	if c.takeFlushing(now) && !c.node.spawn(c.flushAside) {
		return ErrClosed
	}
	if c.owed.len() == 0 && !c.flushing {
		c.watch.armed = false
		c.node.nothingOwed(c)
		return nil
	}
	c.watch.timer.Reset(tick)
	return nil
}

// expire wakes the waiting callers whose try is over. A call that the reader takes off meanwhile may be in use again, even
// on another connection: its caller then wakes, finds nothing to do and waits on.
func (c *conn) expire(now int64) {
	q := &c.owed
	for i := q.head.Load(); i != q.tail.Load(); i++ {
		if q.ends[i%ringSize] <= now {
			q.calls[i%ringSize].signal()
		}
	}
}

// LookNow has callers that read from the node's connections look now whether their contexts have ended, and not at the next
// tick. It is for who has ended one; a caller that does not read notices by itself.
func (n *Node) LookNow() {
	for i := range n.streams {
		if c := n.streams[i].Load(); c != nil {
			c.mu.Lock()
			c.interruptReader(n.now())
			c.mu.Unlock()
		}
	}
}

func (c *conn) interruptReader(now int64) {
	w := &c.watch
	if w.reader != nil && (w.ends <= now || w.reader.Err() != nil) {
		c.nc.SetReadDeadline(past)
	}
}

// interruptWriter relieves a caller that has been writing for a whole tick. Over TLS a write cannot be continued, so
// there the connection ends when it has been writing for the length of a try.
func (c *conn) interruptWriter() error {
	w := &c.watch
	if w.writing == 0 || w.relieved {
		return nil
	}
	w.flushing++
	if w.writing++; w.writing <= 2 {
		return nil
	}
	if !c.tls {
		return c.nc.SetWriteDeadline(past)
	}
	if time.Duration(w.writing)*tick > c.node.cfg.Timeout {
		return ErrTimeout
	}
	return nil
}

// isLong reports whether a caller has been the flusher for a whole tick.
func (w *watch) isLong() bool { return w.flushing > 2 && !w.relieved }

// stalled is how much of the time between two ticks counts as silence at most. A tick that comes later tells that this
// process has stood still, and of the node it tells nothing.
const stalled = 5 * tick

// judge tells the node that it has been silent for the length of a try, and ends a connection that stays silent, or that is
// stuck: the node answers on others.
func (c *conn) judge(now int64) error {
	w := &c.watch
	heard := w.heard.Load()
	switch {
	case c.owed.len() == 0:
		w.seen, w.silent = heard, now
		return nil
	case heard != w.seen:
		w.seen, w.silent = heard, max(w.last.Load(), now-int64(stalled)) // it may have been silent since then
		return nil
	}
	w.silent += max(now-w.last.Load()-int64(stalled), 0)
	if c.reads.Load() != somebody { // silence means nothing where nobody listens
		c.attend()
		return nil
	}
	silence := time.Duration(now - w.silent)
	if silence >= c.node.cfg.MaxStall {
		return ErrTimeout
	}
	if silence < c.node.cfg.Timeout {
		return nil
	}
	if spoke := c.node.spokeSince(w.silent); spoke > 0 {
		return c.stuck(now - spoke)
	}
	c.node.suspect(c, ErrTimeout)
	if w.heard.Load() != heard { // in this moment: the reader may have looked before there was a suspicion
		c.node.alive()
	}
	c.node.probeIfDue(now, silence)
	return nil
}

// attend has a goroutine read where nobody has done so for a tick: those who wait here have all given up, or their
// callers wait at other nodes first. So the replies are heard, and the connection stays in use.
func (c *conn) attend() {
	c.watch.reader = nil
	c.reads.Store(somebody)
	if !c.node.spawn(c.drain) {
		c.reads.Store(nobody)
	}
}
