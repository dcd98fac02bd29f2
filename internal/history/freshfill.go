package history

import "slices"

// freshFill checks I6: what was loaded on a miss is never read after a write that all replicas had acknowledged before the
// read, if its load had begun before that write was sent. It is I3 for values that come from loads.
func (k *keyHistory) freshFill() []Violation {
	notLoaded := func(r *Op) bool { return !k.sawLoad(r) }
	const what = "a read returned what was loaded before a fully acknowledged write"
	return k.stale("I6", what, slices.DeleteFunc(k.settledReads(), notLoaded), k.acknowledged())
}

// sawLoad reports whether r brought a value that was loaded.
func (k *keyHistory) sawLoad(r *Op) bool {
	w := k.writer(r.Value)
	return r.isHit() && w != nil && w.Command == Load
}
