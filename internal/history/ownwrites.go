package history

// ownWrites checks I2: after a client's write returned, and at least one replica had acknowledged it, the same client
// reads nothing older than that write. Of its own writes, older is what returned before that one was called, even if it
// timed out: a client keeps the order of what it sends.
func (k *keyHistory) ownWrites() []Violation {
	writes, reads := byClient(k.writes), byClient(k.reads)
	const what = "a client read what is older than its own write"
	var found []Violation
	for client, own := range writes {
		var list []barrier
		for _, w := range own {
			if w.isFullyAcked() || w.Outcome == Partial {
				list = append(list, barrier{w.Return, w.Call, w})
			}
		}
		b := newBarriers(list)
		found = append(found, k.stale("I2", what, reads[client], b)...)
		found = append(found, k.reordered(what, reads[client], b)...)
	}
	return found
}

// reordered returns a violation for each read of an own write that had timed out before the write that forbids it was
// called. Those that had ended by then are found by stale.
func (k *keyHistory) reordered(what string, reads []*Op, b barriers) []Violation {
	var found []Violation
	for _, r := range reads {
		old, strictest := k.writer(r.Value), b.at(r.Call)
		if !r.isHit() || old == nil || strictest == nil || old.Client != r.Client {
			continue
		}
		if old.Return < strictest.call && k.end(old) >= strictest.call {
			found = append(found, k.violation("I2", what, old, strictest.why, r))
		}
	}
	return found
}

func byClient(ops []*Op) map[Client][]*Op {
	lists := map[Client][]*Op{}
	for _, op := range ops {
		lists[op.Client] = append(lists[op.Client], op)
	}
	return lists
}
