package route

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Background runs what no caller waits for: the copies of a shadow, the slower replicas of a write that returns with the
// first. It bounds how much of that there is. Safe for concurrent use.
type Background struct {
	room    chan struct{}
	dropped atomic.Uint64

	mu      sync.Mutex // guards closed, and wg against Add after Wait
	closed  bool
	running sync.WaitGroup
}

// DefaultBackground is a sensible number of batches to have under way in the background.
const DefaultBackground = 1000

// NewBackground returns a Background for up to limit batches at a time, at least one. What comes beyond it is dropped.
func NewBackground(limit int) *Background {
	return &Background{room: make(chan struct{}, max(limit, 1))}
}

// Do has r serve copies of ops, which it makes, and returns at once. The copies outlive ctx's end but keep its values;
// the nodes' timeouts bound them. If there is no room, or after Close, they are dropped and counted; it reports whether
// they were taken.
func (b *Background) Do(ctx context.Context, r Route, ops []*Op) bool {
	own := copies(ops) // now: when the caller returns, it may change its keys and values
	return b.Go(func() { r.Do(context.WithoutCancel(ctx), own) })
}

// Go runs f, which must end by itself, on a goroutine of its own, and reports whether it does: there may be no room.
func (b *Background) Go(f func()) bool {
	if !b.goIfRoom(f) {
		b.dropped.Add(1)
		return false
	}
	return true
}

// goIfRoom is Go for those who, if there is no room, do it themselves: nothing is dropped.
func (b *Background) goIfRoom(f func()) bool {
	if !b.take() {
		return false
	}
	go func() {
		defer b.give()
		f()
	}()
	return true
}

func (b *Background) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	select {
	case b.room <- struct{}{}:
		b.running.Add(1)
		return true
	default:
		return false
	}
}

func (b *Background) give() {
	<-b.room
	b.running.Done()
}

func (b *Background) isClosed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.closed
}

// Dropped returns how many batches were dropped.
func (b *Background) Dropped() uint64 { return b.dropped.Load() }

// Close refuses what is new and waits for what is under way. To have that end soon, close the nodes first.
func (b *Background) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.running.Wait()
}

// copies returns ops to be served apart from these: nothing that the caller may change is shared, and what comes of them
// stays with them.
func copies(ops []*Op) []*Op {
	block := make([]Op, len(ops))
	list := make([]*Op, len(ops))
	for i, op := range ops {
		c := &block[i]
		c.Request, c.Hash, c.Token, c.ForUpdate = op.Request, op.Hash, op.Token, op.ForUpdate
		c.Request.Value = slices.Clone(op.Request.Value)
		list[i] = c
	}
	return list
}
