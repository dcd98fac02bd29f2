package route

import (
	"errors"
	"sync/atomic"
)

// ErrFraction means that a fraction is not between 0 and 1, or a range of them ends before it begins.
var ErrFraction = errors.New("memcache: a fraction is not between 0 and 1")

// isFraction is false for what is not a number.
func isFraction(f float64) bool { return f >= 0 && f <= 1 }

// coin decides by chance. Every coin falls in the same order, so that tests can tell what happens. The zero value is
// ready; it is safe for concurrent use.
type coin struct{ thrown atomic.Uint64 }

// falls is true for that fraction of the calls.
func (c *coin) falls(fraction float64) bool { return unit(mix(c.thrown.Add(1))) < fraction }

// unit makes a number in [0,1) of a hash.
func unit(hash uint64) float64 { return float64(hash>>11) / (1 << 53) }
