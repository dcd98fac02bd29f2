package route

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/protocol"
)

// Rate is how many ops a second may pass. The zero Rate is no limit.
type Rate struct {
	PerSecond float64
	Burst     float64 // ops that may pass at once after a pause, 1 or more; 0 means PerSecond, at least 1
}

// RateLimitOptions are the limits of operation groups, as ByGroup has them. What is in none of these is not limited.
type RateLimitOptions struct {
	Gets    Rate
	Sets    Rate // all stores
	Deletes Rate
	Over    Route // serves what is over a limit; nil: Null
}

// ErrRate means that a rate or a burst is not a number, negative, infinite, or a burst is less than one op.
var ErrRate = errors.New("memcache: rate or burst of a limit")

// rateLimit sends ops to child while there are tokens.
type rateLimit struct {
	child, over Route
	buckets     [operationCount]*rateBucket // nil: no limit
}

// RateLimit sends each op to child while its group keeps within its rate, and else to Over, which by default answers as
// Null does. Each op costs a token, one of a batch too; tokens come by the clock, up to Burst, and there are none at the
// start. Nothing waits. It is no Selector, because selecting must have no effect. Numbers out of range are ErrRate;
// without child the error is ErrNoPart.
func RateLimit(child Route, o RateLimitOptions) (Route, error) {
	if child == nil {
		return nil, ErrNoPart
	}
	if o.Over == nil {
		o.Over = Null()
	}
	l := &rateLimit{child: child, over: o.Over}
	for _, group := range []struct {
		rate    Rate
		members []protocol.Command
	}{{o.Gets, getGroup}, {o.Sets, updateGroup}, {o.Deletes, deleteGroup}} {
		b, err := newRateBucket(group.rate)
		if err != nil {
			return nil, err
		}
		for _, c := range group.members {
			l.buckets[c] = b
		}
	}
	return l, nil
}

func (l *rateLimit) choose(op *Op) Route {
	if b := l.buckets[OperationOf(op)]; b != nil && !b.take() {
		return l.over
	}
	return l.child
}

func (l *rateLimit) Do(ctx context.Context, ops []*Op) { doEach(ctx, ops, l.choose) }

func (l *rateLimit) Explain(op *Op) Step {
	s := Step{Route: "rate limit", Why: "not limited", Next: []Step{Explain(l.child, op)}}
	if b := l.buckets[OperationOf(op)]; b != nil {
		s.Why = fmt.Sprintf("%g a second, at most %g at once", b.rate.PerSecond, b.rate.Burst)
		s.Next = append(s.Next, Step{Route: "over the limit", Next: []Step{Explain(l.over, op)}})
	}
	return s
}

// rateBucket holds tokens that come by the clock. Its state is the time at which it was empty last, if its tokens had come
// since: taking one moves that on by what a token takes to come.
type rateBucket struct {
	rate     Rate
	born     time.Time // times count from here
	perToken int64     // nanoseconds
	full     int64     // nanoseconds from empty to full
	empty    atomic.Int64
}

// longest is the longest time that a bucket counts, some 146 years, and keeps sums of two in range.
const longest = math.MaxInt64 / 2

// newRateBucket returns nil for the zero Rate.
func newRateBucket(r Rate) (*rateBucket, error) {
	if r == (Rate{}) {
		return nil, nil
	}
	if r.Burst == 0 {
		r.Burst = max(r.PerSecond, 1)
	}
	if !(r.PerSecond > 0 && r.Burst >= 1) || math.IsInf(r.PerSecond, 0) || math.IsInf(r.Burst, 0) {
		return nil, fmt.Errorf("%w: %g a second, at most %g at once", ErrRate, r.PerSecond, r.Burst)
	}
	perToken := max(float64(time.Second)/r.PerSecond, 1)
	return &rateBucket{
		rate: r, born: time.Now(),
		perToken: int64(min(perToken, longest)),
		full:     int64(min(perToken*r.Burst, longest)),
	}, nil
}

func (b *rateBucket) take() bool {
	now := int64(time.Since(b.born))
	for {
		was := b.empty.Load()
		empty := max(was, now-b.full) + b.perToken
		if empty > now {
			return false
		}
		if b.empty.CompareAndSwap(was, empty) {
			return true
		}
	}
}
