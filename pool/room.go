package pool

import (
	"context"
	"slices"
	"time"
)

// waiter is a caller that found no room on the connection.
type waiter struct{ room chan struct{} }

// waitRoom waits until the connection may have room or has broken, or op's try is over.
func (c *conn) waitRoom(ctx context.Context, op *Op) error {
	w := &waiter{make(chan struct{}, 1)}
	if !c.join(w) {
		return op.over(ctx)
	}
	timer := time.NewTimer(time.Duration(op.expires - op.Node.now()))
	defer timer.Stop()
	select {
	case <-w.room:
		return nil
	case <-ctx.Done():
		c.part(w)
		return ctx.Err()
	case <-timer.C:
		c.part(w)
		return ErrTimeout
	}
}

// join queues w; false means that there is no need to.
func (c *conn) join(w *waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	// Set first: either the reader, which makes room and then looks at it, sees it, or the room is seen here.
	c.crowded.Store(true)
	if c.err != nil || c.hasRoom() {
		c.crowded.Store(len(c.crowd) > 0)
		return false
	}
	c.crowd = append(c.crowd, w)
	return true
}

// part takes w off. If it was woken in the same moment, the next one is woken in its place.
func (c *conn) part(w *waiter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.crowd, w); i >= 0 {
		c.crowd = slices.Delete(c.crowd, i, i+1)
		return
	}
	c.wakeCrowd(1)
}

func (c *conn) hasRoom() bool {
	return c.owed.len() < c.node.cfg.MaxOwed && len(c.wbuf) <= c.node.cfg.MaxQueued
}

// admit wakes as many waiting callers as there is room for.
func (c *conn) admit() {
	if !c.crowded.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hasRoom() {
		c.wakeCrowd(c.node.cfg.MaxOwed - c.owed.len())
	}
}

// wakeCrowd wakes the first n that wait. Under the connection's lock.
func (c *conn) wakeCrowd(n int) {
	n = min(n, len(c.crowd))
	for _, w := range c.crowd[:n] {
		w.room <- struct{}{}
	}
	c.crowd = slices.Delete(c.crowd, 0, n)
	c.crowded.Store(len(c.crowd) > 0)
}
