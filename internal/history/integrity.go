package history

// integrity checks I1: a read returns only what some write wrote for its key, whole, and not before it was written.
// This holds under every fault, a node that answers with another key's value included. What the nodes hold at the end
// is checked too.
func (k *keyHistory) integrity() []Violation {
	var found []Violation
	for _, s := range k.seen() {
		w := k.writers[s.value]
		switch {
		case s.value == Torn:
			found = append(found, k.violation("I1", "a value that nobody wrote as it is", s.record))
		case w == nil:
			found = append(found, k.violation("I1", "a value that nobody wrote", s.record))
		case w.Key != k.key:
			found = append(found, k.violation("I1", "a value that was written for another key", w, s.record))
		case w.Command == Delete:
			found = append(found, k.violation("I1", "a value with the name of a delete", w, s.record))
		case w.Call > s.before:
			found = append(found, k.violation("I1", "a value from before it was written", s.record, w))
		}
	}
	return found
}
