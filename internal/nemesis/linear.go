package main

import (
	"cmp"
	"fmt"
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
// linearizability").
func (r *report) linearize(h *history.History) []history.Violation {
	byKey := map[string][]*history.Op{}
	for i := range h.Ops {
		op := &h.Ops[i]
		byKey[op.Key] = append(byKey[op.Key], op)
	}
	var found []history.Violation
	for key, ops := range byKey {
		switch result, depth := checkRegister(ops); result {
		case porcupine.Illegal:
			found = append(found, illegal(key, ops, depth))
		case porcupine.Unknown:
			r.undecided++
		}
	}
	slices.SortFunc(found, func(a, b history.Violation) int { return cmp.Compare(a.Key, b.Key) })
	return found
}

// checkRegister also returns how many operations the longest order that was found takes in.
func checkRegister(ops []*history.Op) (porcupine.CheckResult, int) {
	read := map[history.Value]bool{}
	for _, op := range ops {
		if op.Command == history.Get || op.Command == history.CompareAndSwap {
			read[op.Value], read[op.Old] = true, true
		}
	}
	var list []porcupine.Operation
	for _, op := range ops {
		if !matters(op, read) {
			continue
		}
		end := int64(op.Return)
		if op.Outcome == history.Ambiguous {
			end = math.MaxInt64
		}
		list = append(list, porcupine.Operation{ClientId: int(op.Client), Input: op, Call: int64(op.Call), Return: end})
	}
	result, info := porcupine.CheckOperationsVerbose(register, list, registerTimeout)
	return result, longest(info)
}

// matters leaves out what says nothing: failed reads, writes that did not happen, and writes that perhaps happened and
// that nobody saw: at the very end they are in nobody's way.
func matters(op *history.Op, read map[history.Value]bool) bool {
	switch op.Outcome {
	case history.OK, history.Miss:
		return true
	case history.Ambiguous:
		return op.Command != history.Get && op.Command != history.Delete && read[op.Value]
	}
	return false
}

func longest(info porcupine.LinearizationInfo) (n int) {
	for _, partition := range info.PartialLinearizations() {
		for _, order := range partition {
			n = max(n, len(order))
		}
	}
	return n
}

// illegal shows the operations around the place where no order goes on.
func illegal(key string, ops []*history.Op, depth int) history.Violation {
	slices.SortFunc(ops, func(a, b *history.Op) int { return cmp.Compare(a.Return, b.Return) })
	v := history.Violation{
		Invariant: registerName, Key: key,
		What: fmt.Sprintf("no order explains the operations on %s after the first %d, about here:", key, depth),
	}
	for _, op := range ops[max(0, min(depth, len(ops))-4):min(depth+4, len(ops))] {
		v.Evidence = append(v.Evidence, op)
	}
	return v
}
