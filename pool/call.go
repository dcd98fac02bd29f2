package pool

import (
	"context"
	"sync/atomic"

	"github.com/nohop/memcache/protocol"
)

// call is one owed reply: what must come, and what came. It belongs to the connection's queue until the reply is
// delivered, and to the op's goroutine after that. A call whose caller gave up stays in the queue, so that its late
// reply is taken off by position; then the reader puts it back for use.
type call struct {
	state atomic.Uint32
	wake  chan struct{} // capacity 1: one token for each change from parked to another state by somebody else
	baton bool          // written before the token, read after it: the caller has become the reader

	// What is owed; written before the call is queued.
	command   protocol.Command
	form      protocol.Form
	key       string
	binary    bool
	opaque    uint32 // sent if not 0
	endsGroup bool   // the last of its group: END or MN follows
	sampled   bool   // the connection's sampler is to be told
	hash      uint64 // of the key
	size      int    // of the value that is sent
	fresh     bool   // the value that comes gets new memory
	batch     uint32 // what was queued together with it; 0: nothing was

	// What came; written by the reader before it sets done.
	reply protocol.Reply
	buf   []byte // the value
	stats []Stat
	err   error
	sent  bool // with err: some byte of the request may have been written
	given bool // buf is the caller's: its own memory, or new
}

// The states of a call. Only its own goroutine parks and abandons it; only the reader makes it done.
const (
	pending   uint32 = iota // its goroutine is not waiting for a token
	parked                  // its goroutine waits for a token
	done                    // the reply or an error is there
	abandoned               // its goroutine is gone; the reply will be dropped
)

// maxKeptBuf bounds the value buffer that a call keeps for its next use.
const maxKeptBuf = 4 << 10

// signal wakes the call's goroutine if it is parked, and reports whether it was.
func (c *call) signal() bool {
	if !c.state.CompareAndSwap(parked, pending) {
		return false
	}
	c.wake <- struct{}{}
	return true
}

// finish publishes the result. It reports false if nobody wants it any more.
func (c *call) finish() bool {
	switch c.state.Swap(done) {
	case abandoned:
		return false
	case parked:
		c.wake <- struct{}{}
	}
	return true
}

func (c *call) reset() {
	if cap(c.buf) > maxKeptBuf {
		c.buf = nil
	}
	c.state.Store(pending) // not by assignment: a tick may still look at a call that was just taken off (watch.expire)
	c.baton, c.sent, c.given, c.endsGroup, c.sampled = false, false, false, false, false
	c.command, c.form, c.key, c.binary, c.opaque = 0, 0, "", false, 0
	c.buf, c.stats, c.err = c.buf[:0], nil, nil // reply is written whole before it is read
}

// park waits for a token or for ctx. Whoever takes a call out of the parked state owes it one token, so one that is
// under way is always taken.
func (c *call) park(ctx context.Context) {
	if stop := ctx.Done(); stop != nil {
		c.parkUntil(stop)
		return
	}
	<-c.wake
}

func (c *call) parkUntil(stop <-chan struct{}) {
	select {
	case <-c.wake:
	case <-stop:
		if !c.state.CompareAndSwap(parked, pending) {
			<-c.wake
		}
	}
}
