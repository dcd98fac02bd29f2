package pool

import (
	"iter"
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram is a snapshot of durations: how many fell into each of its buckets. Buckets are a quarter of a power of two wide,
// so a quantile is right to within an eighth of itself, from 1 µs to 34 s.
type Histogram struct {
	Counts [HistogramBuckets]uint64
	Sum    time.Duration // of all durations
}

// HistogramBuckets is the number of buckets: one below 1.024 µs, four for each of 25 powers of two, one for all above.
const HistogramBuckets = 1 + 4*(maxBits-minBits) + 1

const minBits, maxBits = 10, 35 // of nanoseconds

// bucketOf returns the bucket that d falls into.
func bucketOf(d time.Duration) int {
	top := bits.Len64(uint64(max(d, 0))) - 1
	switch {
	case top < minBits:
		return 0
	case top >= maxBits:
		return HistogramBuckets - 1
	}
	return 1 + 4*(top-minBits) + int(d>>(top-2)&3)
}

// upperBound returns the duration that bucket i ends below; the last has no end.
func upperBound(i int) time.Duration {
	i--
	if i < 0 {
		return 1 << minBits
	}
	return time.Duration(5+i%4) << (i/4 + minBits - 2)
}

// All yields each bucket that ends: the duration below which it ends, and its count. What is left of Count was longer.
func (h *Histogram) All() iter.Seq2[time.Duration, uint64] {
	return func(yield func(time.Duration, uint64) bool) {
		for i, n := range h.Counts[:HistogramBuckets-1] {
			if !yield(upperBound(i), n) {
				return
			}
		}
	}
}

// Count returns how many durations there were.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Mean returns the mean, 0 of no durations.
func (h *Histogram) Mean() time.Duration {
	n := h.Count()
	if n == 0 {
		return 0
	}
	return h.Sum / time.Duration(n)
}

// Quantile returns the duration that a part q of all, 0 to 1, did not exceed: the middle of the bucket that it falls into.
// Of no durations it is 0.
func (h *Histogram) Quantile(q float64) time.Duration {
	n := h.Count()
	rank := uint64(q * float64(n))
	var seen uint64
	for i, c := range h.Counts {
		if seen += c; c > 0 && (seen > rank || seen == n) {
			return middle(i)
		}
	}
	return 0
}

func middle(i int) time.Duration {
	if i == 0 {
		return upperBound(0) / 2
	}
	return (upperBound(i-1) + upperBound(min(i, HistogramBuckets-2))) / 2
}

// Add adds what another histogram has counted.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range o.Counts {
		h.Counts[i] += n
	}
	h.Sum += o.Sum
}

// histogram is the live one of a node.
type histogram struct {
	counts [HistogramBuckets]atomic.Uint64
	sum    atomic.Int64
}

func (h *histogram) snapshot() (s Histogram) {
	for i := range h.counts {
		s.Counts[i] = h.counts[i].Load()
	}
	s.Sum = time.Duration(h.sum.Load())
	return s
}
