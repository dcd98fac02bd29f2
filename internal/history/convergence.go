package history

// convergence checks I5: after the last write of a key, if all its replicas acknowledged that, they hold the same value
// or none, and it is one of the last. Writes are last if no fully acknowledged one began after their end; so there may be
// several. Where one of those failed somewhere, I4 speaks, not I5.
func (k *keyHistory) convergence() []Violation {
	last, settled := k.lastWrites()
	if !settled {
		return nil
	}
	var found []Violation
	var first *Dump
	for _, d := range k.dumps {
		switch {
		case d.Value == 0 || d.At < k.quietFrom(last):
		case k.writer(d.Value) != nil && !last[d.Value]:
			found = append(found, k.violation("I5", "a replica holds an old value at the end", k.writer(d.Value), k.newest(last), d))
		case first == nil:
			first = d
		case d.Value != first.Value:
			found = append(found, k.violation("I5", "replicas hold different values at the end", first, d))
		}
	}
	return found
}

// lastWrites returns the writes that may be the last ones, and whether all of them were fully acknowledged.
func (k *keyHistory) lastWrites() (last map[Value]bool, settled bool) {
	var newest Time = -1
	for _, w := range k.writes {
		if w.isFullyAcked() {
			newest = max(newest, w.Call)
		}
	}
	last, settled = map[Value]bool{}, newest >= 0
	for _, w := range k.writes {
		if w.hadNoEffect() || k.end(w) < newest {
			continue
		}
		last[w.Value] = true
		if !w.isFullyAcked() {
			settled = false
		}
	}
	return last, settled
}

// newest returns the last write that was called.
func (k *keyHistory) newest(last map[Value]bool) *Op {
	for i := len(k.writes) - 1; i >= 0; i-- {
		if last[k.writes[i].Value] {
			return k.writes[i]
		}
	}
	return nil
}

// quietFrom returns from when on the replicas must agree.
func (k *keyHistory) quietFrom(last map[Value]bool) Time {
	var end Time
	for v := range last {
		end = max(end, k.writers[v].Return)
	}
	return end.add(k.bounds.Converge)
}
