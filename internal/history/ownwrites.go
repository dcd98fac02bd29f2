package history

// ownWrites checks I2: after a client's write returned, and at least one replica had acknowledged it, the same client
// reads nothing older than that write.
func (k *keyHistory) ownWrites() []Violation {
	writes, reads := byClient(k.writes), byClient(k.reads)
	var found []Violation
	for client, own := range writes {
		var list []barrier
		for _, w := range own {
			if w.isFullyAcked() || w.Outcome == Partial {
				list = append(list, barrier{w.Return, w.Call, w})
			}
		}
		found = append(found, k.stale("I2", "a client read what is older than its own write", reads[client], newBarriers(list))...)
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
