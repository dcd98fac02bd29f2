package main

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/nohop/memcache/internal/history"
)

// registerName stands where an invariant's name does.
const registerName = "register"

// registerTimeout bounds the check of one key: it is exponential in the worst case.
const registerTimeout = 20 * time.Second

// register is the model of a key at a single node: a register that may lose its value at any moment. A loss is not an
// operation; it shows in a miss, which is legal in any state and leaves nothing. What fails for certain leaves all as it is.
//
// After an ambiguous outcome the operation may have happened at any time after its call, or never, which is the same as
// at the very end.
var register = porcupine.Model{
	Init:  func() any { return history.Value(0) },
	Step:  stepRegister,
	Equal: func(a, b any) bool { return a == b },
}

func stepRegister(state, input, _ any) (legal bool, next any) {
	value, op := state.(history.Value), input.(*history.Op)
	switch {
	case op.Command == history.Get && op.Outcome == history.OK:
		return value == op.Value, value
	case op.Outcome == history.Miss, op.Command == history.Delete:
		return true, history.Value(0)
	case op.Command == history.CompareAndSwap && op.Old != 0 && op.Outcome == history.OK:
		return value == op.Old, op.Value
	}
	return true, op.Value
}

// linearize checks the history of each key of a single node with porcupine (Athalye; the algorithm is Lowe's "Testing for
// linearizability"), but for keys that are loaded on a miss: who loads returns what perhaps is never stored.
func (r *report) linearize(h *history.History) []history.Violation {
	byKey, loaded := map[string][]*history.Op{}, map[string]bool{}
	for i := range h.Ops {
		op := &h.Ops[i]
		byKey[op.Key] = append(byKey[op.Key], op)
		loaded[op.Key] = loaded[op.Key] || op.Command == history.Load
	}
	maps.DeleteFunc(byKey, func(key string, _ []*history.Op) bool { return loaded[key] })
	var found []history.Violation
	for key, ops := range byKey {
		ops = relevant(ops)
		switch result, order := checkRegister(ops); result {
		case porcupine.Illegal:
			found = append(found, illegal(key, ops, order))
		case porcupine.Unknown:
			r.undecided++
		}
	}
	slices.SortFunc(found, func(a, b history.Violation) int { return cmp.Compare(a.Key, b.Key) })
	return found
}

// checkRegister also returns the longest order of ops that was found, as indexes of them.
func checkRegister(ops []*history.Op) (result porcupine.CheckResult, order []int) {
	list := make([]porcupine.Operation, len(ops))
	for i, op := range ops {
		end := int64(op.Return)
		if op.Outcome == history.Ambiguous {
			end = math.MaxInt64
		}
		list[i] = porcupine.Operation{ClientId: int(op.Client), Input: op, Call: int64(op.Call), Return: end}
	}
	result, info := porcupine.CheckOperationsVerbose(register, list, registerTimeout)
	for _, partition := range info.PartialLinearizations() {
		for _, o := range partition {
			if len(o) > len(order) {
				order = o
			}
		}
	}
	return result, order
}

// relevant leaves out what says nothing: failed reads, writes that did not happen, and writes that perhaps happened and
// that nobody saw: at the very end they are in nobody's way.
func relevant(ops []*history.Op) []*history.Op {
	read := map[history.Value]bool{}
	for _, op := range ops {
		if op.Command == history.Get || op.Command == history.CompareAndSwap {
			read[op.Value], read[op.Old] = true, true
		}
	}
	return slices.DeleteFunc(ops, func(op *history.Op) bool {
		switch op.Outcome {
		case history.OK, history.Miss:
			return false
		case history.Ambiguous:
			return op.Command == history.Get || op.Command == history.Delete || !read[op.Value]
		}
		return true
	})
}

// illegal shows the end of the longest order, and what should come next and cannot.
func illegal(key string, ops []*history.Op, order []int) history.Violation {
	v := history.Violation{
		Invariant: registerName, Key: key,
		What: "no order explains the operations on " + key + "; after the first of these, the last cannot be",
	}
	for _, i := range order[max(0, len(order)-5):] {
		v.Evidence = append(v.Evidence, ops[i])
	}
	var next *history.Op
	for i, op := range ops {
		if !slices.Contains(order, i) && (next == nil || op.Return < next.Return) {
			next = op
		}
	}
	if next != nil {
		v.Evidence = append(v.Evidence, next)
	}
	return v
}
