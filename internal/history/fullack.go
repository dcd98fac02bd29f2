package history

import "slices"

// fullAck checks I3: a read that starts after all replicas had acknowledged a write returns that write, a later or a
// concurrent one, or a miss. It holds for clients whose view has the age of Bounds.ViewAge.
func (k *keyHistory) fullAck() []Violation {
	const what = "a read returned what is older than a fully acknowledged write"
	return k.stale("I3", what, slices.DeleteFunc(k.settledReads(), k.sawLoad), k.acknowledged())
}

// acknowledged returns the barriers that fully acknowledged writes make.
func (k *keyHistory) acknowledged() barriers {
	var list []barrier
	for _, w := range k.writes {
		if w.isFullyAcked() {
			list = append(list, barrier{w.Return, w.Call, w})
		}
	}
	return newBarriers(list)
}
