package main

import (
	"math"
	"slices"
)

// median returns the middle of values, the mean of the middle two if their number is even, and NaN if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// percentile returns the smallest of sorted that at least p percent of them do not exceed (nearest rank), and NaN if
// there are none.
func percentile[T ~int64](sorted []T, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := int(math.Ceil(p / 100 * float64(len(sorted))))
	return float64(sorted[max(rank, 1)-1])
}

// metric is one number of a sample.
type metric struct {
	name string
	of   func(sample) float64
}

var (
	throughput = metric{"ops/s", func(s sample) float64 { return s.opsPerSecond }}
	latency50  = metric{"p50", func(s sample) float64 { return s.p50Micros }}
	latency99  = metric{"p99", func(s sample) float64 { return s.p99Micros }}
	cpuPerOp   = metric{"CPU", func(s sample) float64 { return s.cpuMicros }}
	allocs     = metric{"allocs/op", func(s sample) float64 { return s.allocs }}
	allocBytes = metric{"B/op", func(s sample) float64 { return s.allocBytes }}
)

// medianOf returns the median of m over the rounds.
func medianOf(samples []sample, m metric) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = m.of(s)
	}
	return median(values)
}

// medianRatio divides m of the two clients round by round and returns the median of the ratios, or NaN if they did not
// run the same rounds.
func medianRatio(samples, base []sample, m metric) float64 {
	if len(samples) != len(base) {
		return math.NaN()
	}
	ratios := make([]float64, len(samples))
	for i := range samples {
		ratios[i] = m.of(samples[i]) / m.of(base[i])
	}
	return median(ratios)
}
