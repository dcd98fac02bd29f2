package history

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Bounds are the times that the promises name. The zero value asks for everything at once.
type Bounds struct {
	ViewAge    time.Duration // I3, I4, I7: a read is checked if its client's view was at least so old
	Repair     time.Duration // R of I4: how long after a heal a node may hold what it missed
	Converge   time.Duration // V of I5: how long after a key's last write replicas may differ
	Quarantine time.Duration // I7: how long after a join nothing is read from the node; 0: not checked
	Leaving    time.Duration // how long after a leave a node may still be read: a join in this time is not checked for Quarantine

	// Lossless says that no item was evicted, flushed or lost with a node, and none expired, and the nodes stayed the
	// same: then an acknowledged value must be there (I8).
	Lossless bool
}

// Violation is a promise that was broken, and the few records that show it.
type Violation struct {
	Invariant string // "I1" to "I8"
	Key       string // "" if it is about no key
	What      string
	Evidence  []fmt.Stringer // in the order of the reasoning: *Op, *Event, *Dump
}

func (v *Violation) String() string {
	text := v.Invariant + ": " + v.What
	for _, e := range v.Evidence {
		text += "\n    " + e.String()
	}
	return text
}

// invariants are the checks of one key.
var invariants = []func(*keyHistory) []Violation{
	(*keyHistory).integrity,
	(*keyHistory).ownWrites,
	(*keyHistory).fullAck,
	(*keyHistory).repair,
	(*keyHistory).convergence,
	(*keyHistory).freshFill,
	(*keyHistory).epochs,
	(*keyHistory).honesty,
}

// Check returns all violations in h, by invariant and key. The error is about a history that contradicts itself, as
// when two writes have one name: then nothing can be said.
//
// It needs memory for the history once more and O(n log n) time. h must not be changed meanwhile.
func Check(h *History, b Bounds) ([]Violation, error) {
	all, err := newIndex(h, b)
	if err != nil {
		return nil, err
	}
	var found []Violation
	for _, k := range all.keys {
		k.sort()
		for _, check := range invariants {
			found = append(found, check(k)...)
		}
	}
	slices.SortStableFunc(found, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Invariant, b.Invariant), cmp.Compare(a.Key, b.Key))
	})
	return found, nil
}

// Span returns the time from the first to the last of the operations among the evidence.
func (v *Violation) Span() Time {
	first, last := Never, Time(0)
	for _, e := range v.Evidence {
		if op, ok := e.(*Op); ok {
			first, last = min(first, op.Call), max(last, op.Call)
		}
	}
	return max(0, last-first)
}
