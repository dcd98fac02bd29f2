package history

import "slices"

// epochs checks I7: what was stored before a flush or a join does not come back. It needs the events of the run. Three
// things are violations:
//
//   - after all nodes were flushed (or the one that answered), a value whose write had ended before the flush;
//   - a read answered by a node within Bounds.Quarantine of its join;
//   - after a node began to join, a value older than a write that all replicas acknowledged while the node was away or
//     joining: the writer may not have known it. That is a case of I3, reported here as well because of its cause.
//
// Where the node that answered is known, only its own events count.
func (k *keyHistory) epochs() []Violation {
	found := k.afterFlush()
	found = append(found, k.whileWarming()...)
	return append(found, k.afterJoin()...)
}

func (k *keyHistory) afterFlush() []Violation {
	var everywhere []barrier
	atNode := map[string][]barrier{}
	for _, e := range k.events[Flush] {
		b := barrier{e.End, e.Start, e}
		if e.Node == "" {
			everywhere = append(everywhere, b)
		} else {
			atNode[e.Node] = append(atNode[e.Node], b)
		}
	}
	const what = "a read returned what a flush had removed"
	found := k.stale("I7", what, k.reads, newBarriers(everywhere))
	for node, list := range atNode {
		found = append(found, k.stale("I7", what, k.answeredBy(node), newBarriers(list))...)
	}
	return found
}

func (k *keyHistory) whileWarming() []Violation {
	if k.bounds.Quarantine == 0 {
		return nil
	}
	var found []Violation
	for _, e := range k.events[Join] {
		if k.mayBeInUse(e) {
			continue
		}
		for _, r := range k.answeredBy(e.Node) {
			if r.Call > e.Start && r.Return < e.Start.add(k.bounds.Quarantine) {
				found = append(found, k.violation("I7", "a read was answered by a node that had just joined", e, r))
			}
		}
	}
	return found
}

// mayBeInUse reports whether the node has left so shortly before its join that some may not have stopped reading it.
func (k *keyHistory) mayBeInUse(join *Event) bool {
	return slices.ContainsFunc(k.events[Leave], func(e *Event) bool {
		return e.Node == join.Node && e.Start < join.Start && join.Start < e.End.add(k.bounds.Leaving)
	})
}

// answeredBy returns the reads that node is known to have answered.
func (k *keyHistory) answeredBy(node string) []*Op {
	var list []*Op
	for _, r := range k.reads {
		if r.Node == node {
			list = append(list, r)
		}
	}
	return list
}

func (k *keyHistory) afterJoin() []Violation {
	var anywhere []barrier
	atNode := map[string][]barrier{}
	for _, e := range k.events[Join] {
		missed := k.missedBy(e)
		anywhere = append(anywhere, missed...)
		atNode[e.Node] = append(atNode[e.Node], missed...)
	}
	unknown := newBarriers(anywhere)
	nodes := map[string]barriers{}
	for node, list := range atNode {
		nodes[node] = newBarriers(list)
	}
	const what = "a read returned what is older than a write made while a node was away or joining"
	var found []Violation
	for _, r := range k.settledReads() {
		b := unknown
		if r.Node != "" {
			b = nodes[r.Node]
		}
		found = append(found, k.stale("I7", what, []*Op{r}, b)...)
	}
	return found
}

// missedBy returns the barriers of the fully acknowledged writes that were under way between the node's last leave, or
// the beginning, and the end of its join.
func (k *keyHistory) missedBy(join *Event) []barrier {
	var away Time
	for _, leave := range k.events[Leave] {
		if leave.Node == join.Node && leave.Start < join.Start {
			away = leave.Start
		}
	}
	var list []barrier
	for _, w := range k.writes {
		if w.isFullyAcked() && w.Return >= away && w.Call <= join.End {
			list = append(list, barrier{max(w.Return, join.Start), w.Call, w})
		}
	}
	return list
}
