package history

import "slices"

// repair checks I4: a write that some replicas acknowledged and others missed is, within R after its client can reach
// those again, as good as one that all acknowledged: nobody reads what is older, and the replicas that missed it do not
// hold it. It needs Heal events, and a client that lives long enough to repair.
func (k *keyHistory) repair() []Violation {
	byNode := map[string]barriers{}
	at := func(node string) barriers {
		b, ok := byNode[node]
		if !ok {
			b = k.repaired(node)
			byNode[node] = b
		}
		return b
	}
	var found []Violation
	for _, r := range k.settledReads() {
		found = append(found, k.stale("I4", "a read returned what is older than a write that should be repaired", []*Op{r}, at(r.Node))...)
	}
	for _, d := range k.dumps {
		if old, broken := k.breaks(d.Value, d.At, at(d.Node)); broken != nil {
			found = append(found, k.violation("I4", "a replica holds what is older than a write that should be repaired", old, broken.why, d))
		}
	}
	return found
}

// repaired returns the barriers that repairs make, or if a node is named, those of what it had missed.
func (k *keyHistory) repaired(node string) barriers {
	var list []barrier
	for _, w := range k.writes {
		if w.Outcome != Partial || node != "" && !missedAt(w, node) {
			continue
		}
		from := k.repairTime(w)
		if died, dead := k.deaths[w.Client]; dead && died < from {
			continue
		}
		if from != Never {
			list = append(list, barrier{from, w.Call, w})
		}
	}
	return newBarriers(list)
}

func missedAt(w *Op, node string) bool {
	return slices.ContainsFunc(w.Nodes, func(n NodeOutcome) bool { return n.Node == node })
}

// repairTime returns when every replica that missed w must be repaired.
func (k *keyHistory) repairTime(w *Op) Time {
	from := w.Return
	for _, n := range w.Nodes {
		from = max(from, k.healed(n.Node, w.Return))
	}
	return from
}
