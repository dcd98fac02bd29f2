package pool

import (
	"cmp"
	"time"

	"github.com/nohop/memcache/protocol"
)

// meet takes in what the node has said of itself on a new connection. The connection serves nobody yet.
func (n *Node) meet(seen sighting) {
	q := &n.quarantine
	switch {
	case n.cfg.Quarantine > 0:
		if _, known := n.Generation(); n.cfg.Joined && !known {
			n.holdOff()
		}
	case !n.cfg.Generations:
		return
	}
	n.takeIn(seen)
	q.keepOn(n.keepMark, n.cfg.keepPause())
}

// takeIn begins the way into the view as far as the node has come on it. Of a life that is known already, nothing changes.
func (n *Node) takeIn(seen sighting) {
	old := n.quarantine.mark.Load()
	if n.cfg.Quarantine > 0 {
		n.quarantine.take(seen, n.now())
	} else {
		n.quarantine.mark.Store(seen.mark)
	}
	if old != nil && seen.mark != nil && old.generation != seen.mark.generation {
		n.tell(Event{Kind: Renewed})
	}
}

// take notes what was seen, and begins the steps of a life that is new.
func (q *quarantine) take(seen sighting, now int64) {
	if seen.joining > 0 {
		q.extend(now + int64(seen.joining))
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	last := q.mark.Swap(seen.mark)
	if last != nil && seen.mark != nil && last.generation == seen.mark.generation {
		return
	}
	if until := q.until.Load(); last != nil && seen.serves() && until != forever {
		q.until.CompareAndSwap(until, 0)
	}
	since := now + int64(seen.joining-seen.serving)
	if until := q.until.Load(); until != 0 && until != forever { // longer than the mark says, or it leaves
		since = max(since, until)
	}
	q.since.Store(cmp.Or(since, -1))
	q.walks.Store(forever)
}

// keepPause is the time between two looks at the mark.
func (c *Config) keepPause() time.Duration {
	if c.Quarantine > 0 {
		return min(c.Quarantine, keepEvery)
	}
	return keepEvery
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

	// keepEvery is how often the mark is read at least and, where it is gone, written. It is read every D if that is
	// shorter: who finds another life's goes by that before anybody who wrote it stores what the node had (Returning).
	keepEvery = 30 * time.Second
)

// keepOn has f called after each pause, beginning now, unless it is to be already.
func (q *quarantine) keepOn(f func(), pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.keep == nil {
		q.keep = time.AfterFunc(pause, f)
	}
}

func (q *quarantine) keepAgain(pause time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.keep.Reset(pause)
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
		n.quarantine.keepAgain(n.cfg.keepPause())
	})
}

// renewMark writes the mark where it is gone, and takes over what it finds. A connection never outlives the node's life, so
// what was known on it still holds there; if another life has been met meanwhile, that one counts.
//
// While the node is joining it is only read: that mark may have been lost before all had seen it, and there may be those who
// use the node and know it by an older one, which they write again. Then the node serves, and is waited for no longer.
func (n *Node) renewMark() {
	known := n.quarantine.mark.Load()
	if known == nil {
		return
	}
	add := Op{Request: known.add(), repairs: true}
	read := Op{Request: protocol.Request{Command: protocol.Get, Key: markKey}, repairs: true}
	stats := Op{Request: protocol.Request{Command: protocol.Stats}, repairs: true}
	ops, waits := []*Op{&add, &read}, n.Joining()
	if waits {
		ops = ops[1:]
	}
	n.Do(n.ctx, ops)
	found := parseMark(string(read.Value))
	if !waits && (add.Err != nil || add.Token != read.Token) || read.Err != nil || found == nil || found.generation == known.generation {
		return
	}
	n.Do(n.ctx, []*Op{&stats})
	of := life{uptime: -1}
	for _, line := range stats.Stats {
		of.read(line.Name, line.Value)
	}
	if stats.Err == nil && stats.Token == read.Token && of.uptime >= 0 && n.quarantine.mark.Load() == known {
		m := marker{seconds: markSeconds(n.cfg.Quarantine)}
		n.takeIn(m.sight(found, of.uptime))
	}
}
