package main

import (
	"math/rand/v2"
	"time"
)

const (
	faultGap  = 700 * time.Millisecond // longest time between the beginnings of two faults
	faultHold = 900 * time.Millisecond // longest fault
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
func schedule(rnd *rand.Rand, kinds []faultKind, nodes int, length time.Duration) []step {
	if len(kinds) == 0 {
		return nil
	}
	var steps []step
	for at := upTo(rnd, faultGap); at < length; at += upTo(rnd, faultGap) {
		steps = append(steps, step{
			at: at, kind: kinds[rnd.IntN(len(kinds))], node: rnd.IntN(nodes), hold: upTo(rnd, faultHold), seed: rnd.Uint64(),
		})
	}
	return steps
}

func upTo(rnd *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(rnd.Int64N(int64(most)))
}
