package history

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// barrier is the promise behind I2, I3, I4 and I7: a read that starts at from or later returns no value whose write had
// ended before call. Those invariants differ only in which writes and events make a barrier, when, and for whom.
type barrier struct {
	from, call Time
	why        fmt.Stringer
}

// barriers are ordered by from; latest[i] is the one of the first i+1 with the highest call.
type barriers struct {
	list   []barrier
	latest []int
}

func newBarriers(list []barrier) barriers {
	slices.SortStableFunc(list, func(a, b barrier) int { return cmp.Compare(a.from, b.from) })
	b := barriers{list: list, latest: make([]int, len(list))}
	for i := range list {
		b.latest[i] = i
		if i > 0 && list[b.latest[i-1]].call >= list[i].call {
			b.latest[i] = b.latest[i-1]
		}
	}
	return b
}

// at returns the strictest barrier for what starts at t, nil if there is none.
func (b barriers) at(t Time) *barrier {
	i := sort.Search(len(b.list), func(i int) bool { return b.list[i].from > t })
	if i == 0 {
		return nil
	}
	return &b.list[b.latest[i-1]]
}

// stale returns a violation for each hit in reads that breaks a barrier, with the old write, the barrier and the read.
func (k *keyHistory) stale(invariant, what string, reads []*Op, b barriers) []Violation {
	var found []Violation
	for _, r := range reads {
		if !r.isHit() {
			continue
		}
		if old, broken := k.breaks(r.Value, r.Call, b); broken != nil {
			found = append(found, k.violation(invariant, what, old, broken.why, r))
		}
	}
	return found
}

// breaks returns the write of v, and the barrier that forbids to see v from t on, nil if none does.
func (k *keyHistory) breaks(v Value, t Time, b barriers) (*Op, *barrier) {
	old, strictest := k.writer(v), b.at(t)
	if old == nil || strictest == nil || k.end(old) >= strictest.call {
		return old, nil
	}
	return old, strictest
}

// settledReads returns the reads whose client's view had the age that Bounds asks for.
func (k *keyHistory) settledReads() []*Op {
	var list []*Op
	for _, r := range k.reads {
		if r.ViewAge >= k.bounds.ViewAge {
			list = append(list, r)
		}
	}
	return list
}
