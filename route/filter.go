package route

import "slices"

// filter returns the ops that keep holds for, in their order. The result may share memory with ops: it is not to be
// changed. It does not allocate where those ops stand together, as one op or all of them do.
func filter(ops []*Op, keep func(*Op) bool) []*Op {
	first := slices.IndexFunc(ops, keep)
	if first < 0 {
		return nil
	}
	i := first + 1
	for i < len(ops) && keep(ops[i]) {
		i++
	}
	kept := ops[first:i:i]
	for ; i < len(ops); i++ {
		if keep(ops[i]) {
			kept = append(kept, ops[i])
		}
	}
	return kept
}

// without returns the ops that drop does not hold for, as filter does.
func without(ops []*Op, drop func(*Op) bool) []*Op {
	return filter(ops, func(op *Op) bool { return !drop(op) })
}
