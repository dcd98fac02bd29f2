package pool

import (
	"time"

	"github.com/nohop/memcache/protocol"
)

// Sampler is told of the requests that a node has answered, so that hot and missed keys can be found; *hotkey.Sampler is
// one. hash is the op's, size the bytes of key and value that the request moved, in either direction.
type Sampler interface {
	Read(key string, hash uint64, size int)  // a read that found its key
	Write(key string, hash uint64, size int) // whatever changes its key, or tries to
	Miss(key string, hash uint64)            // a read that did not
}

// tally is what the reader of a connection counts of the replies that it delivers. It is the reader's own; the node's
// counters get it once for each batch of replies.
type tally struct {
	now          int64 // Node.now of the batch; 0: the clock was not read yet
	hits, misses uint64
	replies      int64
	latency      int64 // sum
	bucket       int   // of the histogram: that of the last replies
	inBucket     uint64
	sampler      Sampler // nil: there is none
}

// count counts the head of the queue, which is answered with status and has moved a value of that size.
func (c *conn) count(k *call, status protocol.Status, size int) {
	t := &c.reader.tally
	if t.now == 0 {
		t.now = c.node.now()
	}
	took := t.now - c.owed.began(c.node.cfg.Timeout)
	if bucket := bucketOf(time.Duration(took)); bucket != t.bucket {
		t.handBucket(c.node)
		t.bucket = bucket
	}
	t.inBucket++
	t.latency += took
	t.replies++
	isRead := k.command == protocol.Get || k.command == protocol.GetAndTouch
	if isRead && status == protocol.Miss {
		t.misses++
	} else if isRead {
		t.hits++
	}
	if k.sampled {
		t.sample(k, status, size)
	}
}

func (t *tally) sample(k *call, status protocol.Status, size int) {
	size += len(k.key)
	switch {
	case k.command != protocol.Get:
		t.sampler.Write(k.key, k.hash, size+k.size)
	case status == protocol.Miss:
		t.sampler.Miss(k.key, k.hash)
	default:
		t.sampler.Read(k.key, k.hash, size)
	}
}

// hand gives the node's counters what was counted of a batch.
func (t *tally) hand(n *Node) {
	if t.now == 0 {
		return
	}
	t.handBucket(n)
	n.latency.sum.Add(t.latency)
	n.notePace(t.latency/t.replies, t.now)
	if t.hits > 0 {
		n.count.hits.Add(t.hits)
	}
	if t.misses > 0 {
		n.count.misses.Add(t.misses)
	}
	t.now, t.hits, t.misses, t.replies, t.latency = 0, 0, 0, 0, 0
}

func (t *tally) handBucket(n *Node) {
	if t.inBucket > 0 {
		n.latency.counts[t.bucket].Add(t.inBucket)
		t.inBucket = 0
	}
}
