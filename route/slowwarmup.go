package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/nohop/memcache/protocol"
)

// SlowWarmUpOptions say when a target is cold, and how much it gets then. For each field, 0 means the default.
type SlowWarmUpOptions struct {
	Enable      float64 // the target is cold when its hit rate falls below this; 0.7
	Disable     float64 // and warm again when it reaches this; 0.9
	Start       float64 // the fraction of gets that a cold target is sent at a hit rate of 0; 0.1
	Step        float64 // what a hit rate of 1 adds to that; 1.0
	MinRequests int     // with fewer gets than this the hit rate is not known, and the target taken to be warm; 100
}

// ErrSlowWarmUp means that the options make no sense: a number is negative, a threshold not between 0 and 1, Enable above
// Disable, or MinRequests above a million.
var ErrSlowWarmUp = errors.New("memcache: thresholds of a slow warm-up")

const maxMinRequests = 1_000_000

func (o SlowWarmUpOptions) withDefaults() SlowWarmUpOptions {
	return SlowWarmUpOptions{
		Enable: cmp.Or(o.Enable, 0.7), Disable: cmp.Or(o.Disable, 0.9),
		Start: cmp.Or(o.Start, 0.1), Step: cmp.Or(o.Step, 1.0),
		MinRequests: cmp.Or(o.MinRequests, 100),
	}
}

func (o SlowWarmUpOptions) valid() bool {
	return isFraction(o.Enable) && isFraction(o.Disable) && o.Enable <= o.Disable && isFraction(o.Start) && o.Step >= 0 &&
		o.MinRequests >= 1 && o.MinRequests <= maxMinRequests
}

type slowWarmUp struct {
	target, fallback Route
	options          SlowWarmUpOptions
	recent           hitRate // of the gets that target answered
	cold             atomic.Bool
	coin             coin
}

// SlowWarmUp spares a target that restarted empty: while its hit rate is low, only the fraction Start + Step * hit rate of
// the gets goes to it, and the others to fallback; the reply or error of the one asked is the answer. The hit rate is that
// of the latest gets which this route sent to the target, at least five times MinRequests of them once there were so many.
//
// All writes go to target alone, read-modify-writes among them, as do gets for update, leases and get-and-touch. So
// fallback must get writes and deletes on a way of its own, or what it returns is old.
func SlowWarmUp(target, fallback Route, o SlowWarmUpOptions) (Route, error) {
	if err := checkChildren(target, fallback); err != nil {
		return nil, err
	}
	if o = o.withDefaults(); !o.valid() {
		return nil, ErrSlowWarmUp
	}
	return &slowWarmUp{target: target, fallback: fallback, options: o, recent: hitRate{window: 10 * uint64(o.MinRequests)}}, nil
}

func (s *slowWarmUp) toTarget(*Op) Route { return s.target }

func (s *slowWarmUp) Do(ctx context.Context, ops []*Op) {
	if !s.isCold() {
		doEach(ctx, ops, s.toTarget)
		s.count(ops)
		return
	}
	fraction := s.fraction()
	sent := make([]*Op, 0, len(ops))
	doEach(ctx, ops, func(op *Op) Route {
		if isPlainGet(op) && !s.coin.falls(fraction) {
			return s.fallback
		}
		sent = append(sent, op)
		return s.target
	})
	s.count(sent)
}

// isPlainGet reports whether op only reads, and for no more than the value.
func isPlainGet(op *Op) bool { return OperationOf(op) == protocol.Get && !op.Request.Mutates() }

// isCold says what the target is by its hit rate now. Of several at once the last to decide wins; the next get decides
// again.
func (s *slowWarmUp) isCold() bool {
	was := s.cold.Load()
	now := s.coldAfter(was)
	if now != was {
		s.cold.Store(now)
	}
	return now
}

func (s *slowWarmUp) coldAfter(wasCold bool) bool {
	rate, known := s.rate()
	if wasCold {
		return known && rate < s.options.Disable
	}
	return known && rate < s.options.Enable
}

func (s *slowWarmUp) rate() (rate float64, known bool) {
	hits, gets := s.recent.counts()
	if gets < uint64(s.options.MinRequests) {
		return 0, false
	}
	return float64(hits) / float64(gets), true
}

// fraction is what share of the gets goes to a cold target.
func (s *slowWarmUp) fraction() float64 {
	rate, _ := s.rate()
	return min(s.options.Start+s.options.Step*rate, 1)
}

// count notes what the target answered; a failure is neither a hit nor a miss.
func (s *slowWarmUp) count(ops []*Op) {
	var hits, gets uint64
	for _, op := range ops {
		if OperationOf(op) != protocol.Get && OperationOf(op) != protocol.GetAndTouch && OperationOf(op) != GetForUpdate {
			continue
		}
		switch {
		case isMiss(op) || isNewStub(op):
			gets++
		case isHit(op):
			hits, gets = hits+1, gets+1
		}
	}
	s.recent.add(hits, gets)
}

func (s *slowWarmUp) Explain(op *Op) Step {
	rate, known := s.rate()
	step := Step{Route: "slow warm-up", Next: []Step{Explain(s.target, op)}}
	switch {
	case !isPlainGet(op):
		step.Why = operationName(OperationOf(op)) + ": the target alone"
	case !known:
		step.Why = "the target's hit rate is not known yet"
	case !s.coldAfter(s.cold.Load()):
		step.Why = fmt.Sprintf("the target is warm: hit rate %.2f", rate)
	default:
		step.Why = fmt.Sprintf("the target is cold: hit rate %.2f, it gets %.0f %% of the gets", rate, 100*s.fraction())
		step.Next = append(step.Next, Explain(s.fallback, op))
	}
	return step
}

// hitRate counts hits among the latest gets. When it has counted window gets it halves what it knows.
type hitRate struct {
	window uint64        // below 1<<31
	packed atomic.Uint64 // hits in the upper half, gets in the lower: both change at once
}

const lowHalf = 1<<32 - 1

func (h *hitRate) counts() (hits, gets uint64) {
	p := h.packed.Load()
	return p >> 32, p & lowHalf
}

// add counts. Batches are far smaller than what is left of 32 bits above the window.
func (h *hitRate) add(hits, gets uint64) {
	if gets == 0 {
		return
	}
	for {
		was := h.packed.Load()
		sumHits, sumGets := was>>32+hits, was&lowHalf+gets
		for sumGets >= h.window {
			sumHits, sumGets = sumHits/2, sumGets/2
		}
		if h.packed.CompareAndSwap(was, sumHits<<32|sumGets) {
			return
		}
	}
}
