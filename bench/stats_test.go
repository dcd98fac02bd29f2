package main

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedian(t *testing.T) {
	tests := map[string]struct {
		values []float64
		want   float64
	}{
		"one":               {[]float64{3}, 3},
		"odd, out of order": {[]float64{9, 1, 5}, 5},
		"even":              {[]float64{4, 1, 3, 2}, 2.5},
		"one outlier":       {[]float64{2, 2, 1000}, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			values := append([]float64(nil), test.values...)
			require.Equal(t, test.want, median(values))
			require.Equal(t, test.values, values, "the caller's order stays")
		})
	}
	require.True(t, math.IsNaN(median(nil)))
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	hundred := make([]time.Duration, 100) // 1, 2, ... 100
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	tests := map[string]struct {
		sorted []time.Duration
		p      float64
		want   float64
	}{
		"middle of 100":      {hundred, 50, 50},
		"99 of 100":          {hundred, 99, 99},
		"all of 100":         {hundred, 100, 100},
		"none of 100":        {hundred, 0, 1},
		"99 of one":          {hundred[:1], 99, 1},
		"99 of ten, rounded": {hundred[:10], 99, 10},
		"50 of three":        {hundred[:3], 50, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, percentile(test.sorted, test.p))
		})
	}
	require.True(t, math.IsNaN(percentile([]time.Duration{}, 50)))
}

func throughputs(values ...float64) []sample {
	samples := make([]sample, len(values))
	for i, v := range values {
		samples[i].opsPerSecond = v
	}
	return samples
}

// The machine is ten times slower in the last two of five rounds, for both. The ratio of the medians would be 2.5, the
// median of the rounds' ratios is 3.
func TestMedianRatioComparesWithinARound(t *testing.T) {
	ours := throughputs(300, 310, 250, 30, 31)
	theirs := throughputs(100, 100, 100, 10, 10)
	require.Equal(t, 250.0, medianOf(ours, throughput))
	require.Equal(t, 100.0, medianOf(theirs, throughput))
	require.InDelta(t, 3, medianRatio(ours, theirs, throughput), 1e-9)
}

func TestMedianRatioOfDifferentRoundsIsNotANumber(t *testing.T) {
	require.True(t, math.IsNaN(medianRatio(throughputs(1, 2), throughputs(1), throughput)))
	require.True(t, math.IsNaN(medianRatio(nil, nil, throughput)))
}

func TestSummarize(t *testing.T) {
	start := time.Now()
	recorders := newRecorders(2)
	for range 3 {
		recorders[0].count(nil)
	}
	recorders[1].count(errMiss)
	recorders[0].observe(10 * time.Microsecond)
	recorders[1].observe(30 * time.Microsecond)
	before := usage{at: start, cpu: time.Second, allocs: 100, allocBytes: 1000}
	after := usage{at: start.Add(2 * time.Second), cpu: time.Second + 8*time.Microsecond, allocs: 108, allocBytes: 1400}

	require.Equal(t, sample{
		opsPerSecond: 2, p50Micros: 10, p99Micros: 30, cpuMicros: 2, allocs: 2, allocBytes: 100,
		ops: 4, failed: 1, firstError: errMiss,
	}, summarize(recorders, before, after))
}

func TestARecorderStaysWithinItsCapacity(t *testing.T) {
	r := newRecorders(512)[0]
	room := cap(r.latencies)
	require.Positive(t, room)
	for range room + 10 {
		r.observe(time.Second)
	}
	require.Len(t, r.latencies, room)
	require.Equal(t, room, cap(r.latencies))
}

func TestVerdicts(t *testing.T) {
	tests := map[string]struct {
		check check
		want  string
	}{
		"minimum met":             {check{limit: 5, measured: 5, atLeast: true}, "ok"},
		"minimum missed":          {check{limit: 5, measured: 4.99, atLeast: true}, "below"},
		"maximum met":             {check{limit: 0.2, measured: 0.2}, "ok"},
		"maximum missed":          {check{limit: 0.2, measured: 0.21}, "above"},
		"allocations of a slice":  {check{what: allocs.name, limit: 2, measured: 2.01}, "ok"},
		"one allocation more":     {check{what: allocs.name, limit: 2, measured: 3}, "above"},
		"a rival that is missing": {check{limit: 2, measured: math.NaN(), atLeast: true}, "not measured"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, test.want, test.check.verdict()) })
	}
}

func TestCheckGoals(t *testing.T) {
	res := result{
		workload: workload{name: "w", goals: []goal{
			speed(2, none), against(nameRueidis, speed(2, 3)), allocations(nameNohop, 1), allocations("absent", 1),
		}},
		rows: []row{
			{name: anchor, samples: throughputs(10)},
			{name: nameNohop, samples: throughputs(30)},
			{name: peerRaw.name, samples: throughputs(20)},
			{name: peerPipeline.name, samples: throughputs(40)},
			{name: nameRueidis, note: "NOT RUN"},
		},
	}
	free := checkGoals(res, modeFree)
	require.Len(t, free, 3, "a client that did not run has no goals to meet")
	require.Equal(t, check{
		workload: "w", client: nameNohop, what: "ops/s × bradfitz", limit: 2, measured: 3, floor: 4, atLeast: true,
	}, free[0])
	require.Equal(t, "not measured", free[1].verdict())
	require.Equal(t, "allocs/op", free[2].what)
	require.True(t, math.IsNaN(free[2].floor), "what a client allocates has no floor")
	require.Len(t, checkGoals(res, modeOneCPU), 2, "a goal that is none in this mode is left out")
}
