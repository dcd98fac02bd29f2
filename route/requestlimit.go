package route

import (
	"errors"
	"math"
	"sync"
)

// RequestLimit is a token bucket that is filled by requests, not by time: each adds a part of a token, so that what it
// allows is a share of the traffic however much that is. Safe for concurrent use.
type RequestLimit struct {
	rate, burst float64

	mu     sync.Mutex
	tokens float64
}

// ErrRequestLimit means that a rate is not between 0 and 1, or a burst is below 1.
var ErrRequestLimit = errors.New("memcache: a limit by requests needs a rate between 0 and 1 and a burst of at least 1")

// NewRequestLimit returns a full bucket: rate tokens come with each request, and up to burst are kept. With a rate of 0
// there is never a token.
func NewRequestLimit(rate, burst float64) (*RequestLimit, error) {
	if !isFraction(rate) || !(burst >= 1) || math.IsInf(burst, 0) {
		return nil, ErrRequestLimit
	}
	l := &RequestLimit{rate: rate, burst: burst}
	if rate > 0 {
		l.tokens = burst
	}
	return l, nil
}

// count adds what n requests bring. A nil limit is none.
func (l *RequestLimit) count(n int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = min(l.burst, l.tokens+l.rate*float64(n))
}

// take takes a token, if there is one.
func (l *RequestLimit) take() bool { return l.takeAll(1) }

// takeAll takes n tokens, or none if there are not so many.
func (l *RequestLimit) takeAll(n int) bool {
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tokens < float64(n) {
		return false
	}
	l.tokens -= float64(n)
	return true
}
