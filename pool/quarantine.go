package pool

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/protocol"
)

// quarantine keeps a node from being read before every process writes to it. What it closes: one process knows of a new
// node and stores there, another does not yet, so its newer write misses the node, and whoever reads there reads the older
// value until its TTL ends. The same happens, the other way round, while a node leaves.
//
// D is the longest that the views of two processes differ (Config.Quarantine). For D after the first process has met the
// node, it is joining: processes delete there what they write and read nothing. So whatever the node holds was stored when
// all processes that live wrote to it. When that time is over is told by a mark on the node itself (mark.go), so that the
// processes' clocks need not agree and one that started a second ago knows it too.
type quarantine struct {
	until atomic.Int64         // Node.now until which the node is joining or leaving; 0: it serves
	mark  atomic.Pointer[mark] // that of the last connection; nil: there was none

	walks   atomic.Int64 // 0: the node is at no step but Serving (step.go)
	since   atomic.Int64 // Node.now from which on it is used, which may be before this process began; 0: not known
	retired atomic.Int64 // Node.now of Retire; 0: the node stays

	mu   sync.Mutex // guards keep, and writes that bring more than what is there: until later, another mark
	keep *time.Timer
}

// forever is the until of a node that leaves.
const forever = math.MaxInt64

// extend has the node be joining until then, at least.
func (q *quarantine) extend(until int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.until.Store(max(q.until.Load(), until))
}

// Joining reports whether the node is not to be read or stored to now, because other processes may not know of it yet, or
// because it leaves. Before the first connection that is not known and the answer is no, unless the node has Config.Joined.
// It takes no lock.
func (n *Node) Joining() bool {
	q := &n.quarantine
	until := q.until.Load()
	if until == 0 {
		return false
	}
	if n.now() < until {
		return true
	}
	q.until.CompareAndSwap(until, 0)
	return false
}

// Generation returns a number that stands for this life of the node, the same for every process, and whether it is known:
// after the first connection, with Config.Quarantine or Config.Generations. A node that restarted has another one. One that lost its mark by a
// flush or an eviction has one, too, if a process connects before another that is connected has restored the mark.
func (n *Node) Generation() (uint64, bool) {
	if k := n.quarantine.mark.Load(); k != nil {
		return k.generation, true
	}
	return 0, false
}

// Leave is the first step of taking the node out of the view: nothing is read or stored here any more, but what is written
// is deleted, since other processes may still read the node. After twice D it can be forgotten and closed: nobody reads it
// by then, or it has come back so soon that another process has not noticed. There is no way back. If the node returns, a
// new Node with Config.Joined takes the place of this one, also before that time is over: a process that started while the
// node was away has written without it.
func (n *Node) Leave() {
	n.quarantine.extend(forever)
	n.quarantine.walks.Store(forever)
}

// entry is what becomes of a request to a node that is joining.
type entry uint8

const (
	passes  entry = iota
	refused       // ErrJoining: there is nothing to be read or changed
	cleared       // a whole Set, which stores nothing and deletes
)

// entryOf says what becomes of op while the node is joining.
func entryOf(op *Op) entry {
	switch r := &op.Request; {
	case op.repairs || op.Inspect || !r.Command.IsKeyed() || r.Command == protocol.Delete:
		return passes
	case isWholeWrite(r):
		return cleared
	}
	return refused
}

// clearOf makes of a whole Set the Delete that stands for it.
func clearOf(r *protocol.Request) protocol.Request {
	return protocol.Request{Command: protocol.Delete, Key: r.Key, Meta: r.Meta & protocol.BinaryKey}
}
