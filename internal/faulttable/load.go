package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// workers is how many goroutines of a load work at a time, each on its next operation as soon as the last has returned.
const workers = 64

// load is operations under way, until stop.
type load struct {
	began   time.Time
	running sync.WaitGroup
	over    atomic.Bool
	samples [workers][]sample
}

// sample is one operation.
type sample struct {
	at, took time.Duration // at is when it was called, from the load's beginning
	key      int32
	failed   bool
}

// begin starts a load of do, which is called with a random one of keys.
func begin(keys int, do func(key int) error) *load {
	l := &load{began: time.Now()}
	for w := range workers {
		rnd := rand.New(rand.NewPCG(uint64(w), 0))
		l.running.Go(func() { l.work(w, rnd, keys, do) })
	}
	return l
}

func (l *load) work(worker int, rnd *rand.Rand, keys int, do func(key int) error) {
	for !l.over.Load() {
		key := rnd.IntN(keys)
		called := time.Now()
		err := do(key)
		took := time.Since(called)
		l.samples[worker] = append(l.samples[worker], sample{called.Sub(l.began), took, int32(key), err != nil})
	}
}

// now is a time within the load.
func (l *load) now() time.Duration { return time.Since(l.began) }

// span is a time within a load.
type span struct{ from, to time.Duration }

// span returns the last part of what do takes, of that length.
func (l *load) span(length time.Duration, do func()) span {
	do()
	to := l.now()
	return span{to - length, to}
}

// during returns the operations that were called in a span.
func (l *load) during(s span, want func(int) bool) window { return l.between(s.from, s.to, want) }

// stop ends the load and returns when the last operation has returned.
func (l *load) stop() {
	l.over.Store(true)
	l.running.Wait()
}

// window is what the operations came to that were called within a time.
type window struct {
	good, failed int
	seconds      float64
	took         []time.Duration // ascending
}

// between returns the operations that were called from one time to another, those of keys that want reports true for; nil
// wants all. The load must have been stopped.
func (l *load) between(from, to time.Duration, want func(key int) bool) window {
	w := window{seconds: (to - from).Seconds()}
	for _, samples := range l.samples {
		for _, s := range samples {
			if s.at < from || s.at >= to || want != nil && !want(int(s.key)) {
				continue
			}
			w.took = append(w.took, s.took)
			if s.failed {
				w.failed++
			} else {
				w.good++
			}
		}
	}
	slices.Sort(w.took)
	return w
}

// rate is good operations per second.
func (w *window) rate() float64 { return float64(w.good) / w.seconds }

// errors is failed operations per second.
func (w *window) errors() float64 { return float64(w.failed) / w.seconds }

// p99 is the time that 99 of 100 operations do not exceed.
func (w *window) p99() time.Duration { return percentile(w.took, 99) }

// percentile returns the smallest of sorted that at least p percent do not exceed, 0 if there are none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(int(math.Ceil(p/100*float64(len(sorted)))), 1)-1]
}

// failures returns how many operations failed that returned from one time to another.
func (l *load) failures(from, to time.Duration) (failed int) {
	for _, samples := range l.samples {
		for _, s := range samples {
			if ended := s.at + s.took; s.failed && ended >= from && ended < to {
				failed++
			}
		}
	}
	return failed
}

// firstGood returns when the first operation that was called after from, and was good, had returned; 0 if none was.
func (l *load) firstGood(from time.Duration, want func(key int) bool) (first time.Duration) {
	for _, samples := range l.samples {
		for _, s := range samples {
			if s.at >= from && !s.failed && want(int(s.key)) && (first == 0 || s.at+s.took < first) {
				first = s.at + s.took
			}
		}
	}
	return first
}
