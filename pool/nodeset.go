package pool

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// NodeSet is what the nodes of a client have in common: how many of them are refused requests at a time, which are slow
// compared with the others (slow.go), and how their flushers take turns (yield.go). Safe for concurrent use; no request waits
// for a lock of it.
//
// A node that is suspect or down is ejected: its callers fail at once. But when many nodes fall silent at once, the fault is
// more likely here or on the network, and to refuse them all would empty the cache. So past a limit those that are suspect stay
// in use: a request is tried and costs its timeout at most. Envoy calls this fail open and its limit max_ejection_percent. A
// node that is down counts, but past the limit it is refused all the same: there is no connection to try, and as it is dialed
// every quarter of a second, to wait would gain little and, with all nodes cut off, make every request slow.
type NodeSet struct {
	turns  turns
	share  float64
	factor float64
	born   time.Time // now counts from here

	limit   atomic.Int64 // nodes that may be ejected at once
	ejected atomic.Int64 // nodes that are
	nodes   atomic.Pointer[[]*Node]

	due   atomic.Int64 // now at which nodes are compared next
	slow  atomic.Pointer[SlowNodes]
	mu    sync.Mutex // held by who compares; requests try it and do not wait
	paces []int64    // of the comparison under way; guarded by mu
}

// NodeSetConfig says when nodes are refused and when they are slow. The zero value means the defaults.
type NodeSetConfig struct {
	MaxEjected float64 // share of the nodes that may be ejected at once, up to 1; one always may. 0: all but one
	SlowFactor float64 // how many times as slow as the middle of all a slow node is; 0: 4. +Inf: none ever is
}

// NewNodeSet returns a set without nodes.
func NewNodeSet(cfg NodeSetConfig) *NodeSet {
	setDefault(&cfg.SlowFactor, defaultSlowFactor)
	s := &NodeSet{share: cfg.MaxEjected, factor: cfg.SlowFactor, born: time.Now()}
	s.Replace(nil)
	return s
}

// Replace says which nodes there are now. They must have the set as their Config.NodeSet. Nodes that have left keep counting
// as ejected until they are closed or answer.
func (s *NodeSet) Replace(nodes []*Node) {
	nodes = slices.Clone(nodes)
	s.limit.Store(maxEjected(len(nodes), s.share))
	s.nodes.Store(&nodes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slow.Store(slowOf(nodes))
}

// maxEjected returns how many of so many nodes may be ejected at once.
func maxEjected(nodes int, share float64) int64 {
	if share == 0 {
		return int64(max(nodes-1, 1))
	}
	return max(int64(share*float64(nodes)+1e-9), 1)
}

// take counts one more node as ejected, if the limit allows.
func (s *NodeSet) take() bool {
	for {
		n := s.ejected.Load()
		if n >= s.limit.Load() {
			return false
		}
		if s.ejected.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *NodeSet) giveBack() { s.ejected.Add(-1) }
