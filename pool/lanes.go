package pool

import (
	"sync/atomic"

	"github.com/nohop/memcache/protocol"
)

// lanes decides whether single reads are spread over a second connection. With one, the callers that a batch of replies has
// woken all write again before anybody reads: the node waits for the client, then the client for the node. With two, one
// half of the callers writes while the node answers the other half. That pays where client and node have processors of
// their own, and costs a second system call for each batch where they have not, or where other nodes are asked meanwhile;
// so it is tried, and kept while the node answers more. Measured with 64 callers that read on two processors (bench, free):
// 1.3 to 1.4 times the reads of one node at a third less CPU time each; with all on one processor, or with three nodes, it
// would be a fifth less, and one connection is used.
//
// Mutations always take the first connection, and so do reads while the journal holds a key: where it matters that
// one request comes after another, they take the same one.
type lanes struct {
	two   atomic.Bool // reads are spread now
	trial trial
}

// spread returns the stream that op takes: the second one or, mostly, the first. The second connection is never older than
// the first: a compare-and-swap takes the first, which must not be younger than the one of the read before it (conn.honours).
func (n *Node) spread(op *Op) int {
	if op.Hash&1 == 0 || !op.isPlainRead() || n.journal.active.Load() {
		return 0
	}
	second := n.streams[1].Load()
	if first := n.streams[0].Load(); second == nil || first == nil || second.id < first.id {
		return 0
	}
	return 1
}

func (op *Op) isPlainRead() bool {
	return op.Request.Command == protocol.Get && !op.Request.Mutates() && !op.Inspect && !op.repairs
}

// trial compares both ways by turns and chooses. Only the tick of the first connection touches it.
type trial struct {
	at       int64  // Node.now at the last tick
	requests uint64 // until then, as the next two
	singles  uint64 // requests that came alone, on the first connection
	writes   uint64

	chosen bool // two was better the last time
	idle   int  // ticks in a row with little to do
	busy   int  // ticks with much to do since the last trial
	pause  int  // how many there must be before the next
	dials  int  // times that there was no second connection for a trial
	left   int  // ticks of the trial under way; 0: there is none
	of     [2]rate
}

// rate is how many requests were sent in how long.
type rate struct {
	requests uint64
	time     int64
}

func (r rate) perSecond() float64 { return float64(r.requests) / float64(max(r.time, 1)) }

const (
	muchShared   = 16   // requests in a write from which two connections may be better
	littleShared = 6    // the same, below which one is, with two in use
	firstPause   = 20   // ticks with much to do before the first trial
	rarer        = 4    // times as many before the one after, if they end alike
	longestPause = 2000 // at most: 10 s
	longestIdle  = 10   // ticks with little to do until two become one
	turnTicks    = 5    // ticks of a turn in a trial, of which the first does not count
	trialTicks   = 8 * turnTicks
	worthTwo     = 1.05     // times the requests that two must bring
	staleTick    = 4 * tick // a tick that comes so late says nothing of what happened since the one before
)

// tickLanes goes on with the trial, or begins one. first is the node's first connection, which is in use.
func (n *Node) tickLanes(first *conn, now int64) {
	if n.cfg.Conns != 0 || n.streams[0].Load() != first {
		return
	}
	t := &n.lanes.trial
	sent, shared := t.tick(now, n.count.requests.Load(), first.singles, n.count.writes.Load())
	switch {
	case sent.requests == 0:
	case t.left > 0:
		n.lanes.two.Store(t.count(sent, n.lanes.two.Load()))
	case t.due(shared) && n.hasSecond(first):
		t.left, t.of = trialTicks, [2]rate{}
	default:
		n.lanes.two.Store(t.chosen)
	}
}

// tick returns what was sent since the last tick, and how many single requests shared a write; nothing if that was too long ago.
func (t *trial) tick(now int64, requests, singles, writes uint64) (sent rate, shared uint64) {
	sent = rate{requests - t.requests, now - t.at}
	shared = (singles - t.singles) / max(writes-t.writes, 1)
	t.at, t.requests, t.singles, t.writes = now, requests, singles, writes
	if sent.time >= int64(staleTick) {
		return rate{}, 0
	}
	return sent, shared
}

// due reports whether it is time for a trial, after a tick in which so many single requests shared a write.
func (t *trial) due(shared uint64) bool {
	t.pause = max(t.pause, firstPause)
	switch {
	case shared >= muchShared || t.chosen && shared >= littleShared:
		t.idle = 0
		t.busy++
	case t.idle < longestIdle:
		t.idle++
	case t.chosen:
		t.chosen, t.pause = false, firstPause
	}
	return t.busy >= t.pause
}

// count adds what a tick of the trial has brought, with two connections or not, and returns which way comes next.
func (t *trial) count(sent rate, two bool) bool {
	if t.left%turnTicks != 0 {
		of := &t.of[0]
		if two {
			of = &t.of[1]
		}
		of.requests += sent.requests
		of.time += sent.time
	}
	switch t.left--; {
	case t.left == 0:
		return t.choose()
	case t.left%turnTicks == 0:
		return !two
	}
	return two
}

// choose ends the trial. Trials that end alike become rare.
func (t *trial) choose() bool {
	least := worthTwo
	if t.chosen {
		least = 1
	}
	better := t.of[1].perSecond() > least*t.of[0].perSecond()
	if t.pause = min(rarer*t.pause, longestPause); better != t.chosen {
		t.pause = firstPause
	}
	t.chosen, t.busy = better, 0
	return better
}

// hasSecond reports whether the second connection can be used. If not, it is dialed, but not again and again.
func (n *Node) hasSecond(first *conn) bool {
	second, t := n.streams[1].Load(), &n.lanes.trial
	switch {
	case second == nil:
		n.ready(1)
	case second.id > first.id:
		t.dials = 0
		return true
	default:
		n.spawn(func() { second.fail(ErrClosed) })
	}
	if t.busy = 0; t.dials > 0 {
		t.pause = min(rarer*t.pause, longestPause)
	}
	t.dials++
	return false
}

// isSpare reports whether the node can do without that connection.
func (n *Node) isSpare(stream int) bool { return stream == 1 && n.cfg.Conns == 0 }
