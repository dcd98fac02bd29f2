package route

import (
	"sync/atomic"
	"time"
)

// slowness follows the time that 95 of 100 reads stay within. It need not know how long a read took, only whether that
// was longer than the present estimate: a read that was hedged is given up when the second one wins, so its time would
// never be known. Each longer one raises the estimate by 19 steps and each shorter one lowers it by one, so it comes to rest
// where one read in 20 is longer.
//
// Source: H. Robbins and S. Monro, "A Stochastic Approximation Method", Ann. Math. Statist. 22(3), 1951.
type slowness struct{ delay atomic.Int64 }

const (
	startDelay = 10 * time.Millisecond
	minDelay   = 200 * time.Microsecond
	maxDelay   = time.Second

	// A step is this part of the estimate. 140 shorter reads halve it, and seven longer ones double it.
	stepsPerDelay = 200
)

// note takes in one read. Of two at the same time, one may be lost.
func (s *slowness) note(longer bool) {
	delay := s.delay.Load()
	step := delay / stepsPerDelay
	next := delay - step
	if longer {
		next = delay + 19*step
	}
	s.delay.CompareAndSwap(delay, min(max(next, int64(minDelay)), int64(maxDelay)))
}
