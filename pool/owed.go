package pool

import (
	"sync/atomic"
	"time"
)

// ringSize is the most replies that one connection can owe; a power of two.
const ringSize = 1024

// owedQueue is the queue of owed replies, oldest first. Memcached answers a connection in order, so the head is
// always the call whose reply comes next. Callers push under the connection's lock; only the reader takes.
type owedQueue struct {
	calls [ringSize]*call
	ends  [ringSize]int64 // when each call's try is over; under the connection's lock
	head  atomic.Uint32   // advanced by the reader
	tail  atomic.Uint32   // advanced by pushers
	batch atomic.Uint64   // where the last push of several calls began, and where it ended, in 32 bits each
}

// len may be one moment old for who neither reads nor holds the connection's lock. The head is loaded first, so that it
// is never ahead of the tail.
func (q *owedQueue) len() int {
	head := q.head.Load()
	return int(q.tail.Load() - head)
}

// push adds a call. The caller holds the connection's lock and has seen room.
func (q *owedQueue) push(c *call, ends int64) {
	t := q.tail.Load()
	q.calls[t%ringSize], q.ends[t%ringSize] = c, ends
	q.tail.Store(t + 1)
}

// noteBatch notes that the calls from first on are of one caller. Under the connection's lock.
func (q *owedQueue) noteBatch(first uint32) {
	q.batch.Store(uint64(first)<<32 | uint64(q.tail.Load()))
}

// isOneCallers reports whether all calls are of one caller. For the reader.
func (q *owedQueue) isOneCallers() bool {
	head, tail, batch := q.head.Load(), q.tail.Load(), q.batch.Load()
	return tail-head <= 1 || uint32(batch) == tail && int32(head-uint32(batch>>32)) >= 0
}

// peek returns the i-th owed call, nil if there are fewer. For the reader.
func (q *owedQueue) peek(i uint32) *call {
	h := q.head.Load() + i
	if int32(q.tail.Load()-h) <= 0 {
		return nil
	}
	return q.calls[h%ringSize]
}

// began returns when the try of the head began, on condition that it ends as late as tries may. For the reader.
func (q *owedQueue) began(timeout time.Duration) int64 {
	return q.ends[q.head.Load()%ringSize] - int64(timeout)
}

// pop takes the head off. For the reader.
func (q *owedQueue) pop() { q.head.Add(1) }
