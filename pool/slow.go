package pool

import (
	"slices"
	"sync/atomic"
	"time"
)

// A node that is much slower than the others but does answer is not suspect. It is slow: where a key has another replica,
// routes read it last (route.SlowLast). It stays in use for all else, writes above all.
//
// What is compared is each node's recent latency, an average over batches of replies in which one batch counts for a
// sixteenth. A node becomes slow when, at three comparisons in a row a tenth of a second apart, that was more than four times
// (NodeSetConfig.SlowFactor) the median of all nodes, and more than a twentieth of its timeout, so that nothing is made of
// differences that nobody feels. It is slow for five seconds at least, and until it is below half of both bounds, or was
// not heard of for as long: then it is taken for a node like others again, or one that is only read would never be. As the median
// is the lower one, no more than half of the nodes can be slow at once, and a fault that slows all makes none slow.
const (
	defaultSlowFactor = 4.0
	slowFloor         = 20 // part of the timeout

	compareEvery = 100 * time.Millisecond
	slowAfter    = 3 // comparisons in a row
	slowFor      = 5 * time.Second
	paceWeight   = 16 // of all before, relative to one batch
)

// pace is how fast a node answers.
type pace struct {
	average atomic.Int64 // nanoseconds; 0: not known
	heard   atomic.Int64 // NodeSet.now of the last batch

	// Guarded by NodeSet.mu.
	judged int64 // heard at the last comparison
	above  int   // comparisons in a row
	since  int64 // NodeSet.now since when the node is slow; 0: it is not
}

func (p *pace) recent() time.Duration { return time.Duration(p.average.Load()) }

// note takes in the mean latency of a batch. Of two at the same time, one may be lost.
func (p *pace) note(mean, now int64) {
	if was := p.average.Load(); was > 0 && !p.isOld(now) {
		mean = was + (mean-was)/paceWeight
	}
	p.average.Store(max(mean, 1))
	p.heard.Store(now)
}

// notePace notes a batch of replies that the node's reader has delivered at now, and has the nodes compared, if that is due.
func (n *Node) notePace(mean, now int64) {
	set := n.cfg.NodeSet
	if set == nil {
		return
	}
	now += int64(n.born.Sub(set.born))
	n.pace.note(mean, now)
	if now >= set.due.Load() {
		set.compare(now)
	}
}

// compare finds out which nodes are slow, unless somebody does.
func (s *NodeSet) compare(now int64) {
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	s.due.Store(now + int64(compareEvery))
	nodes := *s.nodes.Load()
	median := s.median(nodes, now)
	changed := false
	for _, n := range nodes {
		was := n.pace.since
		n.pace.judge(s.bound(median, n.cfg.Timeout), now)
		changed = changed || (was > 0) != (n.pace.since > 0)
	}
	if changed {
		s.slow.Store(slowOf(nodes))
	}
}

// median returns the lower median of the latencies that are known; 0: none is.
func (s *NodeSet) median(nodes []*Node, now int64) int64 {
	s.paces = s.paces[:0]
	for _, n := range nodes {
		if average := n.pace.average.Load(); average > 0 && !n.pace.isOld(now) {
			s.paces = append(s.paces, average)
		}
	}
	if len(s.paces) == 0 {
		return 0
	}
	slices.Sort(s.paces)
	return s.paces[(len(s.paces)-1)/2]
}

// bound returns the latency above which a node of that timeout is slow.
func (s *NodeSet) bound(median int64, timeout time.Duration) float64 {
	return max(s.factor*float64(median), float64(timeout/slowFloor))
}

// isOld reports whether what is known of the node is too old to count.
func (p *pace) isOld(now int64) bool { return now-p.heard.Load() >= int64(slowFor) }

// judge decides whether the node is slow from now on.
func (p *pace) judge(bound float64, now int64) {
	average, heard := float64(p.average.Load()), p.heard.Load()
	switch {
	case p.since > 0:
		if p.isOld(now) || average < bound/2 && now-p.since >= int64(slowFor) {
			p.since, p.above = 0, 0
		}
	case heard == p.judged: // nothing new
	case average > bound:
		if p.above++; p.above == slowAfter {
			p.since = now
		}
	default:
		p.above = 0
	}
	p.judged = heard
}

// SlowNodes are the nodes of a set that are slow at one moment. It does not change. A nil one has none.
type SlowNodes struct{ nodes map[*Node]bool }

// Has reports whether n is slow.
func (s *SlowNodes) Has(n *Node) bool { return s != nil && s.nodes[n] }

// Slow returns the nodes that are slow now: nil, and that is nearly always, if none is. A nil set has none.
func (s *NodeSet) Slow() *SlowNodes {
	if s == nil {
		return nil
	}
	return s.slow.Load()
}

func slowOf(nodes []*Node) *SlowNodes {
	slow := make(map[*Node]bool)
	for _, n := range nodes {
		if n.pace.since > 0 {
			slow[n] = true
		}
	}
	if len(slow) == 0 {
		return nil
	}
	return &SlowNodes{slow}
}
