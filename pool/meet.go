package pool

import (
	"time"

	"github.com/nohop/memcache/protocol"
)

// meet takes in what the node has said of itself on a new connection. The connection serves nobody yet.
func (n *Node) meet(seen sighting) {
	q := &n.quarantine
	switch {
	case n.cfg.Quarantine > 0:
		n.meetJoining(seen)
	case !n.cfg.Generations:
		return
	}
	if old := q.mark.Swap(seen.mark); old != nil && seen.mark != nil && old.generation != seen.mark.generation {
		n.tell(Event{Kind: Renewed})
	}
	q.keepOn(n.keepMark)
}

// meetJoining has the node be joining for as long as it is.
func (n *Node) meetJoining(seen sighting) {
	if _, known := n.Generation(); n.cfg.Joined && !known {
		n.holdOff()
	}
	if seen.joining > 0 {
		n.quarantine.extend(n.now() + int64(seen.joining))
	}
}

// holdOff has the node be joining for D, whatever it says: it may have been in the view of others before, and those flush
// it first.
func (n *Node) holdOff() { n.quarantine.extend(n.now() + int64(n.cfg.Quarantine+time.Second)) }

// hasReturned reports whether the node has been away from the view and holds what it held: see mark.go. Once it has been
// met, that is over. Of a node that the process knows nothing of, it can be told only soon after it has come into the view:
// later, another process may have flushed and marked it, and that mark has run out as well.
func (n *Node) hasReturned(seen sighting) bool {
	_, met := n.Generation()
	switch known := n.cfg.KnownGeneration; {
	case met || !n.cfg.Joined || n.cfg.Quarantine == 0:
		return false
	case known != 0:
		return seen.mark.generation == known
	}
	return seen.joining == 0 && n.now() < int64(enteredLately)
}

// enteredLately is shorter than what a mark lives longer than D.
const enteredLately = time.Second

// enter connects to a node that has joined: where it must be flushed, other processes count on that within D.
func (n *Node) enter() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for n.streams[0].Load() == nil {
		select {
		case <-n.ctx.Done():
			return
		case <-pause.C:
		}
		n.Do(n.ctx, []*Op{{Request: protocol.Request{Command: protocol.Noop}}})
		pause.Reset(enterPause)
	}
}

const (
	enterPause = 50 * time.Millisecond // between tries to reach a node that has joined; dials have their own backoff
	keepEvery  = 30 * time.Second      // how often the mark is read and, where it is gone, written
)

// keepOn has f called after keepEvery, unless it is to be already.
func (q *quarantine) keepOn(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.keep == nil {
		q.keep = time.AfterFunc(keepEvery, f)
	}
}

func (q *quarantine) keepAgain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.keep.Reset(keepEvery)
}

// stop ends what keepOn has begun. What is running ends with the node's context.
func (q *quarantine) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.keep != nil {
		q.keep.Stop()
	}
}

// keepMark keeps the mark at the node: see mark.go.
func (n *Node) keepMark() {
	n.spawn(func() {
		if n.streams[0].Load() != nil {
			n.renewMark()
		}
		n.quarantine.keepAgain()
	})
}

// renewMark writes the mark where it is gone, and takes over what it finds. A connection never outlives the node's life, so
// what was known on it still holds there; if another life has been met meanwhile, that one counts.
func (n *Node) renewMark() {
	known := n.quarantine.mark.Load()
	if known == nil {
		return
	}
	add := Op{Request: known.add(), repairs: true}
	read := Op{Request: protocol.Request{Command: protocol.Get, Key: markKey}, repairs: true}
	n.Do(n.ctx, []*Op{&add, &read})
	if add.Err != nil || read.Err != nil || add.Token != read.Token {
		return
	}
	if found := parseMark(string(read.Value)); found != nil {
		n.quarantine.mark.CompareAndSwap(known, found)
	}
}
