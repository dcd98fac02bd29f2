package main

import (
	"fmt"
	"math"
)

// goal is a bound on one metric of one client, per mode.
type goal struct {
	client  string
	metric  metric
	against string // the client whose number is the unit; empty: the metric itself is bounded
	free    float64
	oneCPU  float64
}

// none stands for a mode in which a goal does not apply.
const none = -1

// allocSlack is what a slice may allocate per operation for itself, for starting its goroutines above all.
const allocSlack = 0.05

// speed is a goal for this client's throughput in units of the anchor's.
func speed(free, oneCPU float64) goal {
	return goal{client: nameNohop, metric: throughput, against: anchor, free: free, oneCPU: oneCPU}
}

func against(name string, g goal) goal { g.against = name; return g }
func of(client string, g goal) goal    { g.client = client; return g }
func measuredIn(m metric, g goal) goal { g.metric = m; return g }

func allocations(client string, most float64) goal {
	return goal{client: client, metric: allocs, free: most, oneCPU: most}
}

// goalsOf are the goals by name of the workload.
var goalsOf = map[string][]goal{
	"get-1": {speed(1.2, 1.05), allocations(nameNohop, 2), allocations(nameNohopAppend, 0)},
	"get-8": {speed(1.8, 4.4)},
	"get-64": {
		speed(5, 9), measuredIn(cpuPerOp, speed(0.18, 0.10)), measuredIn(latency99, speed(0.2, 0.13)),
		against(nameRueidis, speed(2.5, 2.8)), allocations(nameNohop, 2), allocations(nameNohopAppend, 0),
	},
	"get-512":         {speed(8, 10.5), against(nameRueidis, speed(2.2, 2.9))},
	"set-100-64":      {speed(7.2, 9), allocations(nameNohop, 0)},
	"set-4k-64":       {speed(4.2, 5)},
	"appendget-64k-1": {of(nameNohopAppend, speed(1.8, 1.8)), allocations(nameNohopAppend, 0)},
	"appendget-64k-8": {of(nameNohopAppend, speed(1.9, 3.3))},
	"getmulti-100-1":  {speed(1.6, none)},
	"getmulti-100-8":  {speed(2.2, 2.7)},
	"replset-1":       {speed(1.5, 1.3)},
	"replset-64":      {speed(9, 13), allocations(nameNohop, 0)},
	"zipf-64":         {speed(4.7, 4.4)},
	"work-64":         {speed(3.3, 4.5)},
	"large-64":        {speed(3.1, 3.2)},
	"rate-2k":         {measuredIn(latency99, speed(0.8, none))},
	"rate-15k":        {measuredIn(latency99, speed(0.6, none))},
	"busy-8":          {speed(1, 1)},
}

// check is a goal beside what was measured.
type check struct {
	workload, client, what string
	limit, measured        float64
	floor                  float64 // what the best of the floors came to; NaN if none ran
	atLeast                bool
}

// bound returns the goal's number in mode m.
func (g goal) bound(m mode) float64 {
	if m == modeOneCPU {
		return g.oneCPU
	}
	return g.free
}

// what names the measured quantity: "ops/s × bradfitz", "allocs/op".
func (g goal) what() string {
	if g.against == "" {
		return g.metric.name
	}
	return g.metric.name + " × " + g.against
}

// checkGoals measures the goals that result's workload has in mode m. One whose clients did not run is measured as
// NaN, which meets no goal.
func checkGoals(result result, m mode) []check {
	var checks []check
	for _, g := range result.workload.goals {
		row, ran := result.row(g.client)
		if g.bound(m) == none || !ran {
			continue
		}
		checks = append(checks, check{
			workload: result.workload.name, client: g.client, what: g.what(),
			limit: g.bound(m), measured: g.measure(row, result), floor: g.floor(result), atLeast: g.isMinimum(),
		})
	}
	return checks
}

func (g goal) measure(row row, result result) float64 {
	if g.against == "" {
		return medianOf(row.samples, g.metric)
	}
	base, ran := result.row(g.against)
	if !ran {
		return math.NaN()
	}
	return medianRatio(row.samples, base.samples, g.metric)
}

// floor measures the floors as if the goal were theirs, and returns the best. What a client allocates has none.
func (g goal) floor(result result) float64 {
	best := math.NaN()
	for _, p := range floors {
		row, ran := result.row(p.name)
		if !ran || g.against == "" {
			continue
		}
		if x := g.measure(row, result); math.IsNaN(best) || (x > best) == g.isMinimum() {
			best = x
		}
	}
	return best
}

// isMinimum reports whether more is better.
func (g goal) isMinimum() bool { return g.metric.name == throughput.name }

// verdict is "ok", "below" a goal that is a minimum, "above" one that is a maximum, or "not measured".
func (c check) verdict() string {
	switch {
	case math.IsNaN(c.measured):
		return "not measured"
	case c.atLeast && c.measured < c.limit:
		return "below"
	case !c.atLeast && c.measured > c.limit+c.slack():
		return "above"
	default:
		return "ok"
	}
}

func (c check) slack() float64 {
	if c.what == allocs.name {
		return allocSlack
	}
	return 0
}

func (c check) bound() string {
	if c.atLeast {
		return fmt.Sprintf(">= %g", c.limit)
	}
	return fmt.Sprintf("<= %g", c.limit)
}
