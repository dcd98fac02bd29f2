package main

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"
)

// pace is how often a kind of fault comes. Those of the network come often. Those by which a node begins a new life, or
// leaves, come seldom (-life-gap): it is not read for some seconds afterwards, and if all nodes were in that state there
// would be nothing to see.
type pace uint8

const (
	often pace = iota
	seldom
	steady
)

const (
	faultGap  = 700 * time.Millisecond // longest time between the beginnings of two faults
	faultHold = 900 * time.Millisecond // longest fault
	pinGap    = 1500 * time.Millisecond
	leaveHold = 4 * time.Second // longest absence: some are shorter than a node is on its way out, some longer
)

// step is one fault of a round.
type step struct {
	at   time.Duration // after the beginning
	kind faultKind
	node int
	hold time.Duration
	seed uint64 // of what the fault leaves to chance
}

// schedule returns the faults of a round, as rnd decides.
func (c *config) schedule(rnd *rand.Rand, kinds []faultKind, nodes int, length time.Duration) []step {
	var steps []step
	for p, gap := range [...]time.Duration{often: faultGap, seldom: c.lifeGap, steady: pinGap} {
		of := slices.DeleteFunc(slices.Clone(kinds), func(k faultKind) bool { return k.pace != pace(p) })
		steps = append(steps, sequence(rnd, of, gap, nodes, length)...)
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	return steps
}

// sequence returns faults of kinds, at most gap apart.
func sequence(rnd *rand.Rand, kinds []faultKind, gap time.Duration, nodes int, length time.Duration) (steps []step) {
	if len(kinds) == 0 {
		return nil
	}
	for at := upTo(rnd, gap); at < length; at += upTo(rnd, gap) {
		k := kinds[rnd.IntN(len(kinds))]
		steps = append(steps, step{at: at, kind: k, node: rnd.IntN(nodes), hold: upTo(rnd, k.longest()), seed: rnd.Uint64()})
	}
	return steps
}

func (k *faultKind) longest() time.Duration {
	if k.name == "leave" {
		return leaveHold
	}
	return faultHold
}

func upTo(rnd *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rnd.Int64N(int64(most)))
}
