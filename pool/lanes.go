package pool

import (
	"sync/atomic"

	"github.com/nohop/memcache/protocol"
)

// lanes decides whether single reads are spread over a second connection. With one, the callers that a batch of replies has
// woken all write again before anybody reads: the node waits for the client, then the client for the node. With two, one
// half of the callers writes while the node answers the other half. That pays where client and node have processors of
// their own, or where values are large. Elsewhere, or where other nodes are asked meanwhile, it only costs a second system
// call for each batch. So it is tried, and kept while the node answers more. Measured with 64 callers that read on two
// processors (bench, free): 1.3 to 1.4 times the reads of one node, at a third less CPU time each; with all on one
// processor, or with three nodes, it would be a fifth less, and one connection is used.
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
	return op.Request.Command == protocol.Get && !op.Request.Mutates() && !op.passesFence()
}

// trial compares both ways by turns and chooses. Only the tick of the first connection touches it.
type trial struct {
	at   int64   // Node.now at the last tick
	seen traffic // until then

	chosen bool // two was better the last time
	idle   int  // ticks in a row with little to do
	busy   int  // ticks with much to do since the last trial
	pause  int  // how many there must be before the next
	lacked bool // there was no second connection when it was last asked for
	left   int  // ticks of the trial under way; 0: there is none
	of     [2]rate
}

// traffic is what the node's connections have carried.
type traffic struct {
	requests, writes uint64
	received         uint64 // bytes
	singles          uint64 // requests that came alone, on the first connection
}

// demand is how much there was to do in a tick.
type demand uint8

const (
	low  demand = iota // one connection does
	fair               // two are worth keeping
	high               // two may be better
)

// demand says how much there was to do, by what was carried and by how many replies are owed on the first connection. With
// two in use, half of the single requests are not among those counted.
func (d traffic) demand(owed int) demand {
	shared, large := d.singles/max(d.writes, 1), d.received >= muchReceived && 4*d.singles >= d.requests
	switch {
	case shared >= muchShared || large && owed >= muchOwed:
		return high
	case shared >= muchShared/4 || large && owed >= muchOwed/2:
		return fair
	}
	return low
}

// rate is how many requests were sent in how long.
type rate struct {
	requests uint64
	time     int64
}

func (r rate) perSecond() float64 { return float64(r.requests) / float64(max(r.time, 1)) }

const (
	muchShared   = 16        // single requests in a write
	muchReceived = 256 << 10 // bytes in a tick: large values stand in each other's way, where
	muchOwed     = 4         // callers wait for them
	firstPause   = 20        // ticks of high demand before the first trial
	rarer        = 4         // times as many before the one after, if they end alike
	longestPause = 2000      // at most: 10 s
	longestIdle  = 10        // ticks of low demand until two become one
	turnTicks    = 5         // ticks of a turn in a trial, of which the first does not count
	trialTicks   = 8 * turnTicks
	worthTwo     = 1.05     // times the requests that two must bring
	staleTick    = 4 * tick // a tick that comes so late says nothing of what happened since the one before
)

// tickLanes goes on with the trial, or begins one. first is the node's first connection, which is in use.
func (n *Node) tickLanes(first *conn, now int64) {
	if n.cfg.Conns != 0 || n.streams[0].Load() != first {
		return
	}
	l, c := &n.lanes, &n.count
	carried, time := l.trial.tick(now, traffic{c.requests.Load(), c.writes.Load(), c.bytesIn.Load(), first.singles})
	if carried.requests == 0 {
		return
	}
	if l.trial.left == 0 && l.trial.due(carried.demand(first.owed.len())) && n.hasSecond(first) {
		l.trial.begin()
		return
	}
	l.two.Store(l.trial.next(rate{carried.requests, time}, l.two.Load()))
}

// tick returns what was carried since the last tick, and how long ago that was; nothing if it was too long.
func (t *trial) tick(now int64, all traffic) (carried traffic, time int64) {
	was := t.seen
	was.singles = min(was.singles, all.singles) // the first connection may be another one
	carried = traffic{all.requests - was.requests, all.writes - was.writes, all.received - was.received, all.singles - was.singles}
	time = now - t.at
	t.at, t.seen = now, all
	if time >= int64(staleTick) {
		return traffic{}, 0
	}
	return carried, time
}

// due reports whether it is time for a trial, after a tick of such demand.
func (t *trial) due(d demand) bool {
	t.pause = max(t.pause, firstPause)
	switch {
	case d == high || d == fair && t.chosen:
		t.idle = 0
		t.busy++
	case t.idle < longestIdle:
		t.idle++
	case t.chosen:
		t.chosen, t.pause = false, firstPause
	}
	return t.busy >= t.pause
}

func (t *trial) begin() { t.left, t.of = trialTicks, [2]rate{} }

// next adds what a tick of the trial has brought, with two connections or not, and returns which way comes next. Without a
// trial that is what was chosen.
func (t *trial) next(sent rate, two bool) bool {
	if t.left == 0 {
		return t.chosen
	}
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
		t.lacked = false
		return true
	case second.owed.len() == 0:
		n.spawn(func() { second.fail(ErrClosed) })
	}
	if t.busy = 0; t.lacked {
		t.pause = min(rarer*t.pause, longestPause)
	}
	t.lacked = true
	return false
}

// isSpare reports whether the node can do without that connection.
func (n *Node) isSpare(stream int) bool { return stream == 1 && n.cfg.Conns == 0 }
