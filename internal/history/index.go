package history

import (
	"cmp"
	"fmt"
	"slices"
)

// index is a history in the order in which the checks ask for it.
type index struct {
	bounds  Bounds
	writers map[Value]*Op
	keys    map[string]*keyHistory
	events  map[EventKind][]*Event // by Start
	deaths  map[Client]Time
}

// keyHistory is what happened to one key.
type keyHistory struct {
	*index
	key    string
	writes []*Op // by Call
	reads  []*Op // by Call
	dumps  []*Dump
}

func newIndex(h *History, b Bounds) (*index, error) {
	x := &index{
		bounds: b, writers: map[Value]*Op{}, keys: map[string]*keyHistory{},
		events: map[EventKind][]*Event{}, deaths: map[Client]Time{},
	}
	for i := range h.Ops {
		if err := x.addOp(&h.Ops[i]); err != nil {
			return nil, err
		}
	}
	for i := range h.Dumps {
		k := x.of(h.Dumps[i].Key)
		k.dumps = append(k.dumps, &h.Dumps[i])
	}
	for i := range h.Events {
		e := &h.Events[i]
		x.events[e.Kind] = append(x.events[e.Kind], e)
		if e.Kind == Death {
			x.deaths[e.Client] = e.Start
		}
	}
	for _, list := range x.events {
		slices.SortStableFunc(list, func(a, b *Event) int { return cmp.Compare(a.Start, b.Start) })
	}
	x.events[Heal] = slices.DeleteFunc(x.events[Heal], x.isBrokenAgain)
	return x, nil
}

// isBrokenAgain reports whether the node that was healed broke again before all could have repaired it: to reach it in between
// takes luck.
func (x *index) isBrokenAgain(heal *Event) bool {
	breaks := x.events[Break]
	first, _ := slices.BinarySearchFunc(breaks, heal.Start, func(e *Event, t Time) int { return cmp.Compare(e.Start, t) })
	return slices.ContainsFunc(breaks[first:], func(e *Event) bool {
		return e.Node == heal.Node && e.Start < heal.End.add(x.bounds.Repair)
	})
}

func (x *index) addOp(op *Op) error {
	if op.Return < op.Call {
		return fmt.Errorf("history: an operation returned before it was called: %v", op)
	}
	k := x.of(op.Key)
	if op.isRead() {
		k.reads = append(k.reads, op)
		return nil
	}
	if op.Value == 0 || op.Value == Torn {
		return fmt.Errorf("history: a write has no name: %v", op)
	}
	if other := x.writers[op.Value]; other != nil {
		return fmt.Errorf("history: two writes have one name: %v; %v", other, op)
	}
	x.writers[op.Value] = op
	k.writes = append(k.writes, op)
	return nil
}

func (x *index) of(key string) *keyHistory {
	k := x.keys[key]
	if k == nil {
		k = &keyHistory{index: x, key: key}
		x.keys[key] = k
	}
	return k
}

func (k *keyHistory) sort() {
	byCall := func(a, b *Op) int { return cmp.Compare(a.Call, b.Call) }
	slices.SortStableFunc(k.writes, byCall)
	slices.SortStableFunc(k.reads, byCall)
}

// writer returns the write of this key that v names, nil if there is none: I1 reports that, and the other checks have
// nothing to compare.
func (k *keyHistory) writer(v Value) *Op {
	if w := k.writers[v]; w != nil && w.Key == k.key {
		return w
	}
	return nil
}

// end returns from when on w can no longer take effect anywhere. That is its return if all nodes answered. A node that
// kept silent may still hold the request: w ends when such a node has been reached again, by all clients, after the
// client gave up, and the time for repairs is over. Until then w is concurrent with everything after its call.
//
// What was loaded is as old as the beginning of its load.
func (x *index) end(w *Op) Time {
	if w.Command == Load {
		return w.Call
	}
	if w.Outcome != Ambiguous && w.Outcome != Partial || w.Return == Never {
		return w.Return
	}
	if len(w.Nodes) == 0 {
		return Never
	}
	end := w.Return
	for _, n := range w.Nodes {
		if n.Outcome == Ambiguous {
			end = max(end, x.healed(n.Node, w.Return))
		}
	}
	return end
}

// healed returns when a node that failed at t counts as repaired: when it was healed and left alone for so long.
func (x *index) healed(node string, t Time) Time {
	for _, e := range x.events[Heal] {
		if e.Node == node && e.Start >= t {
			return e.End.add(x.bounds.Repair)
		}
	}
	return Never
}

// seen returns everything of this key that shows that a value existed: hits and dumps.
func (k *keyHistory) seen() []sighting {
	var all []sighting
	for _, r := range k.reads {
		if r.isHit() {
			all = append(all, sighting{r.Value, r.Return, r})
		}
	}
	for _, d := range k.dumps {
		if d.Value != 0 {
			all = append(all, sighting{d.Value, d.At, d})
		}
	}
	return all
}

// sighting is a value that somebody saw.
type sighting struct {
	value  Value
	before Time // it existed before this
	record fmt.Stringer
}

func (k *keyHistory) violation(invariant, what string, evidence ...fmt.Stringer) Violation {
	return Violation{Invariant: invariant, Key: k.key, What: what, Evidence: evidence}
}
