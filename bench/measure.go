package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// timeEvery is how many operations of a closed loop share one measured latency, so that measuring costs little.
	timeEvery = 8
	// maxLatencies bounds the latencies kept in a slice, over all goroutines.
	maxLatencies = 1 << 16
	// hangLimit is how long after a slice's end its last operations may take; every client's timeout is far below.
	hangLimit = 5 * timeout
)

// errHung means that goroutines of a client never came back. Nothing can be measured in the process after that.
var errHung = errors.New("operations hang")

// sample is what one client did in one slice.
type sample struct {
	opsPerSecond         float64
	p50Micros, p99Micros float64
	cpuMicros            float64 // user and system time of this process per operation
	allocs, allocBytes   float64 // per operation

	ops, failed int
	firstError  error
}

// recorder collects what one goroutine did in one slice.
type recorder struct {
	ops, failed int
	firstError  error
	latencies   []time.Duration // never grows beyond its capacity
	_           [64]byte        // keeps the counters of two goroutines off one cache line
}

// newRecorders makes one recorder per goroutine. All clients of a workload use the same ones, in turn, so that they
// run beside a heap of the same size.
func newRecorders(goroutines int) []recorder {
	all := make([]recorder, goroutines)
	for i := range all {
		all[i].latencies = make([]time.Duration, 0, maxLatencies/goroutines)
	}
	return all
}

func (r *recorder) reset() {
	*r = recorder{latencies: r.latencies[:0]}
}

func (r *recorder) count(err error) {
	r.ops++
	if err == nil {
		return
	}
	r.failed++
	if r.firstError == nil {
		r.firstError = err
	}
}

func (r *recorder) observe(latency time.Duration) {
	if len(r.latencies) < cap(r.latencies) {
		r.latencies = append(r.latencies, latency)
	}
}

// closedLoop runs one operation after the other until stop.
func closedLoop(step func() error, stop *atomic.Bool, r *recorder) {
	for !stop.Load() {
		if r.ops%timeEvery != 0 {
			r.count(step())
			continue
		}
		begin := time.Now()
		err := step()
		r.observe(time.Since(begin))
		r.count(err)
	}
}

// openLoop runs operations at random moments, on average one in every interval, until deadline, and times each.
// An operation that is due while the one before it is still under way is timed from when it was due. If the goroutine
// was merely woken late by its timer, the client is not charged for that.
func openLoop(step func() error, interval time.Duration, deadline time.Time, random *rand.Rand, r *recorder) {
	due := time.Now()
	for {
		due = due.Add(time.Duration(random.ExpFloat64() * float64(interval)))
		if due.After(deadline) {
			return
		}
		begin := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait) // the pace of the load, not a wait for something
			begin = time.Now()
		}
		err := step()
		r.observe(time.Since(begin))
		r.count(err)
	}
}

// runSlice lets steps, one goroutine each, run for d and returns what they did. The round seeds the random moments of
// a workload with a fixed rate: in one round all clients see the same ones. The only error is errHung.
func runSlice(w workload, steps []func() error, recorders []recorder, d time.Duration, round int) (sample, error) {
	for i := range recorders {
		recorders[i].reset()
	}
	runtime.GC() // nobody pays for the garbage of the one before
	stopBurners := startBurners(w.burners)
	defer stopBurners()

	before := readUsage()
	var stop atomic.Bool
	var running sync.WaitGroup
	for i, step := range steps {
		running.Go(func() {
			if w.rate == 0 {
				closedLoop(step, &stop, &recorders[i])
				return
			}
			random := rand.New(rand.NewPCG(uint64(round), uint64(i)))
			openLoop(step, w.interval(), before.at.Add(d), random, &recorders[i])
		})
	}
	<-time.After(d)
	stop.Store(true)
	if err := waitFor(&running, hangLimit); err != nil {
		return sample{}, err
	}
	return summarize(recorders, before, readUsage()), nil
}

// waitFor waits for the goroutines of a slice. If they hang it prints what all goroutines do.
func waitFor(running *sync.WaitGroup, limit time.Duration) error {
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 1) // what cannot be printed is only missing from the explanation
		return fmt.Errorf("%w: some are under way %v after the end of the slice", errHung, limit)
	}
}

func summarize(recorders []recorder, before, after usage) sample {
	var s sample
	var latencies []time.Duration
	for i := range recorders {
		r := &recorders[i]
		s.ops += r.ops
		s.failed += r.failed
		if s.firstError == nil {
			s.firstError = r.firstError
		}
		latencies = append(latencies, r.latencies...)
	}
	slices.Sort(latencies)
	ops := float64(s.ops)
	s.opsPerSecond = ops / after.at.Sub(before.at).Seconds()
	s.p50Micros = percentile(latencies, 50) / 1e3
	s.p99Micros = percentile(latencies, 99) / 1e3
	s.cpuMicros = float64((after.cpu - before.cpu).Nanoseconds()) / 1e3 / ops
	s.allocs = float64(after.allocs-before.allocs) / ops
	s.allocBytes = float64(after.allocBytes-before.allocBytes) / ops
	return s
}

// usage is what this process has used up to a moment.
type usage struct {
	at                 time.Time
	cpu                time.Duration
	allocs, allocBytes uint64
}

func readUsage() usage {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		panic(err) // cannot fail for the own process with a valid pointer (getrusage(2))
	}
	return usage{
		at:     time.Now(),
		cpu:    time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		allocs: memory.Mallocs, allocBytes: memory.TotalAlloc,
	}
}

// startBurners starts goroutines that compute without pause, as a busy application does, until the returned function
// is called.
func startBurners(count int) (stop func()) {
	var over atomic.Bool
	var running sync.WaitGroup
	for range count {
		running.Go(func() {
			for x := uint64(1); !over.Load(); {
				x = spin(1000, x)
			}
		})
	}
	return func() {
		over.Store(true)
		running.Wait()
	}
}

// spin computes for a time proportional to turns (xorshift64).
//
//go:noinline
func spin(turns int, x uint64) uint64 {
	for range turns {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// turnsIn returns how many turns of spin take d when nobody else wants the CPU: the fastest of some tries. A loop that
// watches the clock instead would count the time in which other goroutines run as its own.
func turnsIn(d time.Duration) int {
	const turns = 20_000
	fastest := time.Duration(1 << 62)
	for range 50 {
		begin := time.Now()
		_ = spin(turns, 1)
		fastest = min(fastest, time.Since(begin))
	}
	return int(float64(turns) * float64(d) / float64(max(fastest, 1)))
}
