package history

import "slices"

// honesty checks I8: what a client says of a write is so. A write that was not sent, or refused, is never seen by
// anybody; the outcome of the whole fits those of the nodes; and in a run that loses nothing (Bounds.Lossless) a value
// that was acknowledged, and neither deleted nor in doubt, is found.
func (k *keyHistory) honesty() []Violation {
	var found []Violation
	for _, s := range k.seen() {
		if w := k.writer(s.value); w != nil && w.hadNoEffect() {
			found = append(found, k.violation("I8", "a value whose write was said not to have happened", w, s.record))
		}
	}
	for _, w := range k.writes {
		if !fits(w) {
			found = append(found, k.violation("I8", "an outcome that contradicts those of the nodes", w))
		}
	}
	if k.bounds.Lossless {
		found = append(found, k.lost()...)
	}
	return found
}

// fits reports whether the outcome of a write can follow from those of the nodes that did not acknowledge it.
func fits(w *Op) bool {
	has := func(o Outcome) bool {
		return slices.ContainsFunc(w.Nodes, func(n NodeOutcome) bool { return n.Outcome == o })
	}
	switch w.Outcome {
	case OK, Miss:
		return len(w.Nodes) == 0
	case NotSent:
		return !has(Ambiguous) && !has(Refused)
	case Refused:
		return !has(Ambiguous)
	case Partial:
		return len(w.Nodes) > 0
	}
	return len(w.Nodes) == 0 || has(Ambiguous)
}

// lost returns a violation for each miss that no write explains: one that was called before the miss returned, ended
// after the last acknowledged store was called, and is a delete or did not end well (a failed write may remove the item).
func (k *keyHistory) lost() []Violation {
	stores, removals := k.acknowledgedStores(), k.removals()
	var found []Violation
	for _, r := range k.reads {
		if r.Outcome != Miss {
			continue
		}
		w, removal := stores.at(r.Call), removals.at(r.Return)
		if w != nil && (removal == nil || removal.call < w.call) {
			found = append(found, k.violation("I8", "a value that was acknowledged is not there", w.why, r))
		}
	}
	return found
}

func (k *keyHistory) acknowledgedStores() barriers {
	var list []barrier
	for _, w := range k.writes {
		if w.isFullyAcked() && w.Command != Delete {
			list = append(list, barrier{w.Return, w.Call, w})
		}
	}
	return newBarriers(list)
}

// removals are what may have removed the item: call is until when. For what was called before t, the last of them is at(t).
func (k *keyHistory) removals() barriers {
	var list []barrier
	for _, w := range k.writes {
		if w.Outcome != NotSent && (w.Command == Delete || !w.isFullyAcked()) {
			list = append(list, barrier{w.Call, k.end(w), w})
		}
	}
	return newBarriers(list)
}
