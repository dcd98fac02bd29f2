package pool

import (
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/protocol"
)

// State is what a node's callers meet.
type State uint8

// The states of a node.
const (
	Idle    State = iota // no connection; the next request dials
	Up                   // connected, answering
	Suspect              // connected, silent for a try's length; requests fail at once until it answers, see Stats.Ejected
	Down                 // the last dial failed; requests fail at once while dials go on, for a minute after the last request
	Joining              // connected, answering; for a time nothing is read or stored, and what is written is deleted here
	Leaving              // the same, because the node is leaving the view
)

var stateNames = [...]string{"idle", "up", "suspect", "down", "joining", "leaving"}

// String returns the state in a word.
func (s State) String() string { return stateNames[s] }

// Stats is a snapshot of a node. Numbers count from the node's start.
type Stats struct {
	Name, Addr string
	State      State
	Step       Step             // of its way in or out
	Reason     error            // of Suspect and Down, else nil
	Ejected    bool             // requests fail at once: Down, or Suspect while not too many nodes are ejected (NodeSet)
	Slow       bool             // compared with the others (NodeSet): it is read last
	Recent     time.Duration    // average latency, the older the less; what Slow goes by. 0: not known
	Dialect    protocol.Dialect // of a live connection, else Unknown
	Generation uint64           // of the node's life; 0: not known

	Conns      int // live connections
	Owed       int // replies owed to this process now, late ones to callers that gave up included
	Requests   uint64
	Hits       uint64 // reads that found their key
	Misses     uint64 // reads that did not
	Failovers  uint64 // requests that failed here and were moved on to another replica
	Retries    uint64 // requests sent again: a connection broke, or an empty value could be the stub of a lease
	Writes     uint64 // writes to a socket; Requests/Writes is how well writes are shared
	Reads      uint64 // reads from a socket that brought something
	BytesOut   uint64
	BytesIn    uint64
	Dials      uint64
	DialErrors uint64
	Broken     uint64    // connections that broke
	Suspected  uint64    // times that the node became suspect
	Probes     uint64    // dials, not among Dials, that asked whether a suspect node answers on another connection
	Missed     int       // keys in the journal: of writes that the node may have missed, or may do late
	MissedAll  bool      // the journal overflowed: nothing is read here until the node was flushed
	Repaired   uint64    // keys deleted, and flushes, because the node had missed writes
	Latency    Histogram // of requests answered, from the call to the reply; a connection's dial counts for those that wait for it
}

type counters struct {
	requests, retries, writes, reads, bytesOut, bytesIn, dials, dialErrors, broken, suspected, probes, hits, misses, failovers atomic.Uint64
}

// Stats returns a snapshot.
func (n *Node) Stats() Stats {
	c := &n.count
	s := Stats{
		Name: n.cfg.Name, Addr: n.cfg.Addr,
		Requests: c.requests.Load(), Retries: c.retries.Load(), Writes: c.writes.Load(), Reads: c.reads.Load(),
		BytesOut: c.bytesOut.Load(), BytesIn: c.bytesIn.Load(), Dials: c.dials.Load(), DialErrors: c.dialErrors.Load(),
		Broken: c.broken.Load(), Suspected: c.suspected.Load(), Probes: c.probes.Load(),
		Hits: c.hits.Load(), Misses: c.misses.Load(), Failovers: c.failovers.Load(), Latency: n.latency.snapshot(),
	}
	for i := range n.streams {
		if k := n.streams[i].Load(); k != nil {
			s.Conns++
			s.Owed += k.owed.len()
			s.Dialect = k.dialect
		}
	}
	s.Generation, _ = n.Generation()
	s.Step = n.Step()
	s.State, s.Reason = n.state(s.Conns)
	s.Ejected = n.isEjected(s.State)
	s.Slow, s.Recent = n.cfg.NodeSet.Slow().Has(n), n.pace.recent()
	s.Missed, s.MissedAll, s.Repaired = n.journal.size()
	return s
}

// Condition returns the state in a word or a few: with it, whether the node is ejected, and whether it is slow.
func (s *Stats) Condition() string {
	text := s.State.String()
	if s.Ejected {
		text += ", ejected"
	}
	if s.Slow {
		text += ", slow"
	}
	return text
}

// CountFailover counts a request that failed here and is moved on to another replica. It is for routes.
func (n *Node) CountFailover() { n.count.failovers.Add(1) }

// Owed returns Stats.Owed, for who needs it with every request: it takes no lock.
func (n *Node) Owed() (replies int) {
	for i := range n.streams {
		if c := n.streams[i].Load(); c != nil {
			replies += c.owed.len()
		}
	}
	return replies
}

// BytesIn returns Stats.BytesIn, as Owed does.
func (n *Node) BytesIn() uint64 { return n.count.bytesIn.Load() }

// state returns what the next request would meet.
func (n *Node) state(conns int) (State, error) {
	if err := n.health.reason(); err != nil {
		return Suspect, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case conns > 0 && n.quarantine.until.Load() == forever:
		return Leaving, nil
	case conns > 0 && n.Joining():
		return Joining, nil
	case conns > 0:
		return Up, nil
	case n.dial.fails > 0 && !n.dial.local:
		return Down, n.dial.err
	}
	return Idle, nil
}
