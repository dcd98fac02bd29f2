package hotkey

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lab is a detector under a simulated clock: ops come at an even rate, and ticks when they are due.
type lab struct {
	*Detector
	sampler *Sampler
	events  *subscription
	now     time.Duration // since epoch
	perOp   time.Duration
	nextAt  time.Duration // of the next tick
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// newLab starts at a tick.
func newLab(t testing.TB, o Options, opsPerSecond int) *lab {
	d, err := New(o)
	require.NoError(t, err)
	l := &lab{Detector: d, sampler: d.NewSampler(), events: d.stream.subscribe()}
	l.perOp = time.Second / time.Duration(opsPerSecond)
	l.nextAt = TickInterval
	d.Tick(epoch)
	return l
}

// step lets the time of one op pass.
func (l *lab) step() (ticked bool) {
	l.now += l.perOp
	if l.now < l.nextAt {
		return false
	}
	l.Tick(epoch.Add(l.now))
	l.nextAt += TickInterval
	return true
}

// run sends ops for a while.
func (l *lab) run(d time.Duration, op func()) {
	for end := l.now + d; l.now < end; {
		op()
		l.step()
	}
}

// happened returns the events since the last call.
func (l *lab) happened() (events []Event) {
	for len(l.events.events) > 0 {
		events = append(events, <-l.events.events)
	}
	return events
}

func kinds(events []Event) (kinds []EventKind) {
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// zipf draws ranks 0 to n-1 with weights 1/(rank+1)^alpha.
type zipf struct {
	sums []float64
	rng  *rand.Rand
}

func newZipf(n int, alpha float64, seed uint64) *zipf {
	z := &zipf{sums: make([]float64, n), rng: rand.New(rand.NewPCG(seed, 1))}
	sum := 0.0
	for i := range z.sums {
		sum += math.Pow(float64(i+1), -alpha)
		z.sums[i] = sum
	}
	return z
}

func (z *zipf) total() float64 { return z.sums[len(z.sums)-1] }

func (z *zipf) next() int { return sort.SearchFloat64s(z.sums, z.rng.Float64()*z.total()) }

// share is that of a rank.
func (z *zipf) share(rank int) float64 {
	if rank == 0 {
		return z.sums[0] / z.total()
	}
	return (z.sums[rank] - z.sums[rank-1]) / z.total()
}

func keyName(i int) string { return fmt.Sprintf("key:%d", i) }

func keyHash(i int) uint64 { return mix(uint64(i) + 1) }

// quantile returns the q-th part of list.
func quantile(list []time.Duration, q float64) time.Duration {
	list = slices.Sorted(slices.Values(list))
	return list[min(len(list)-1, int(q*float64(len(list))))]
}
