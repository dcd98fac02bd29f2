package route

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// A former replica of a key is a node that had the key before one that is ahead of it in the key's order joined. It may
// hold what the key was then, for keys that nobody has used while they moved: nothing moves what nobody asks for. If it
// were left there, it would be read, and be old, when the nodes ahead leave, die or restart and the key comes back. So
// writes delete there too, at the same time; who has never written a key since it moved has left what is still true.
//
// That is done until nothing of then can be left, which is as long after the change as the longest TTL: for ever, if there
// is none. A former replica that cannot be reached does not make a write a partial one; its journal keeps the key.

// formerSlack is by how much two processes' ideas of when a node began to be used may differ.
const formerSlack = time.Second

// isFormer reports whether the last of a key's nodes may hold what the key was before some of the others joined. ages are
// how long the nodes have been used, home first, 0 for those that are not.
func isFormer(ages []time.Duration, replicas int, memory time.Duration) bool {
	ahead, age := ages[:len(ages)-1], ages[len(ages)-1]
	if age == 0 || len(ahead) < replicas {
		return false
	}
	complete := nthLargest(ahead, replicas) // since when there were enough without it
	return age+formerSlack > complete && (memory == 0 || complete < memory)
}

// nthLargest returns the n-th largest of a few values.
func nthLargest(values []time.Duration, n int) time.Duration {
	var few [16]time.Duration
	sorted := few[:0]
	for _, v := range values {
		at, _ := slices.BinarySearchFunc(sorted, v, func(a, b time.Duration) int { return cmp.Compare(b, a) })
		sorted = slices.Insert(sorted, at, v)
	}
	return sorted[n-1]
}

// unmetAge is what counts as the age of a node that is not known: it may be older than all others.
const unmetAge = 1 << 62

// formers appends the ranks of nodes that are former replicas, those before from left out.
func (m *Moving) formers(ranks []int, from int) []int {
	if from >= len(m.nodes) {
		return ranks
	}
	known := m.known.Load()
	if now := time.Now(); known == nil || now.Sub(known.at) > formersFor {
		known = m.look(now)
		m.known.Store(known)
	}
	for _, i := range known.ranks {
		if i >= from && !slices.Contains(m.nodes[:m.pinned], m.nodes[i]) { // what a pin's nodes need, the plan says
			ranks = append(ranks, i)
		}
	}
	return ranks
}

// formersFor is how long what is known of former replicas is good for: less than a step.
const formersFor = time.Second

// knownFormers are the ranks of former replicas, when they were looked at.
type knownFormers struct {
	at    time.Time
	ranks []int
}

func (m *Moving) look(now time.Time) *knownFormers {
	known := &knownFormers{at: now}
	var ages []time.Duration
	for i, n := range m.nodes[m.pinned:] {
		if ages = append(ages, usedFor(n, now)); isFormer(ages, m.replicas, m.memory) {
			known.ranks = append(known.ranks, m.pinned+i)
		}
	}
	return known
}

func usedFor(n *pool.Node, now time.Time) time.Duration {
	since, ok := n.ServingSince()
	switch {
	case ok:
		return max(now.Sub(since), 1)
	case n.Step() == pool.Unmet:
		return unmetAge
	}
	return 0
}

// formerAt returns the former replica of that rank, always the same one.
func (m *Moving) formerAt(rank int) Route { return &m.asFormer[rank] }

// former is a former replica as one of a key's replicas: as one that is joining, at which whole Sets are deletes.
type former struct{ node *pool.Node }

func (*former) Joining() bool { return true }

func (f *former) Do(ctx context.Context, ops []*Op) {
	whole := filter(ops, isWholeWrite)
	clears := make([]*Op, len(whole))
	for i, op := range whole {
		clears[i] = &Op{Request: *clearOf(op), Hash: op.Hash}
	}
	f.node.Do(ctx, clears)
	noteMissed(clears)
	for _, op := range ops {
		settleJoining(op)
	}
	for i, op := range whole {
		if op.Request.Command == protocol.Delete && isHit(clears[i]) {
			op.Reply.Status = protocol.OK
		}
	}
}

func (f *former) Explain(op *Op) Step {
	return Step{Route: "former replica", Why: "deleted at, since it may hold what the key was", Next: []Step{Explain(f.node, op)}}
}
