package hotkey

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const labRate = 80_000 // ops per second: enough that one in 16 is more than the budget of samples

// onlyShare turns the absolute thresholds off.
var onlyShare = Options{BytesPerSecond: -1, MissesPerSecond: -1}

// A key that jumps to a multiple of the threshold is reported in time.
func TestTimeToDetect(t *testing.T) {
	seeds := 500
	if raceDetector || testing.Short() {
		seeds = 20
	}
	for _, goal := range []struct {
		share float64
		p99   time.Duration
	}{{0.02, 1200 * time.Millisecond}, {0.05, 750 * time.Millisecond}, {0.20, 400 * time.Millisecond}} {
		took := make([]time.Duration, seeds)
		for seed := range took {
			took[seed] = timeToDetect(t, goal.share, uint64(seed+1))
		}
		p99 := quantile(took, 0.99)
		t.Logf("share %.2f: p50 %v, p99 %v", goal.share, quantile(took, 0.5), p99)
		require.LessOrEqual(t, p99, goal.p99, "share %v", goal.share)
	}
}

func timeToDetect(t *testing.T, share float64, seed uint64) time.Duration {
	o := onlyShare
	o.seed = seed
	l := newLab(t, o, labRate)
	rng := rand.New(rand.NewPCG(seed, 2))
	cold := 0
	background := func() {
		cold++
		l.sampler.Read("cold", keyHash(cold), 100)
	}
	l.run(2*time.Second+time.Duration(rng.IntN(int(TickInterval))), background)
	require.Empty(t, l.happened())
	jumped := l.now
	for l.now < jumped+10*time.Second {
		if rng.Float64() < share {
			l.sampler.Read("hot", 7, 100)
		} else {
			background()
		}
		if !l.step() {
			continue
		}
		if events := l.happened(); len(events) > 0 {
			require.Equal(t, HotStart, events[0].Kind)
			require.Equal(t, "hot", events[0].Key.Name)
			return l.now - jumped
		}
	}
	t.Fatal("not detected within 10 s")
	return 0
}

// A key at half the threshold is not reported in an hour.
func TestHalfTheThresholdIsNotReported(t *testing.T) {
	duration := time.Hour
	if raceDetector || testing.Short() {
		duration = time.Minute
	}
	o := onlyShare
	o.seed = 5
	l := newLab(t, o, labRate)
	rng := rand.New(rand.NewPCG(1, 2))
	cold := 0
	l.run(duration, func() {
		if cold++; rng.Uint64() < math.MaxUint64/200 {
			l.sampler.Read("warm", 7, 100)
			return
		}
		l.sampler.Read("cold", uint64(cold)*0x9e3779b97f4a7c15, 100)
	})
	require.Empty(t, l.happened())
	require.InDelta(t, 0.005, l.Top(1)[0].Share, 0.003, "it was there")
}

// Estimates are unbiased, whatever the sizes, and whatever mean the samples were drawn with.
func TestEstimatesAreUnbiased(t *testing.T) {
	sums := map[string]*Key{}
	var share, rate float64
	runs := 60.0
	if raceDetector {
		runs = 20
	}
	for seed := range uint64(runs) {
		o := onlyShare
		o.seed = seed + 1
		l := newLab(t, o, 20_000+int(seed)*4_000)
		rng := rand.New(rand.NewPCG(seed, 3))
		l.run(2*time.Second, func() {
			switch n := rng.IntN(100); {
			case n < 5:
				l.sampler.Read("large", 1, 20_000)
			case n < 15:
				l.sampler.Write("written", 2, 10)
			default:
				l.sampler.Read("cold", rng.Uint64(), rng.IntN(2000))
			}
		})
		exact := l.Stats()
		for _, k := range l.Top(2) {
			s := sums[k.Name]
			if s == nil {
				s = &Key{}
				sums[k.Name] = s
			}
			s.OpsPerSecond += k.OpsPerSecond / exact.OpsPerSecond / runs
			s.BytesPerSecond += k.BytesPerSecond / exact.BytesPerSecond / runs
			s.Share += k.Share / runs
			s.WriteShare += k.WriteShare / runs
		}
		share += exact.OpsPerSecond / float64(20_000+int(seed)*4_000) / runs
		rate += float64(exact.Samples) / runs
	}
	perOp := 0.05*20_000 + 0.1*10 + 0.85*999.5 + framing
	require.InDelta(t, 0.05, sums["large"].OpsPerSecond, 0.001)
	require.InDelta(t, 0.10, sums["written"].OpsPerSecond, 0.004)
	require.InDelta(t, 0.05*(20_000+framing)/perOp, sums["large"].BytesPerSecond, 0.01)
	require.InDelta(t, 0.05*(20_000+framing+1024)/(perOp+1024), sums["large"].Share, 0.01)
	require.InDelta(t, 1, sums["written"].WriteShare, 1e-6)
	require.Zero(t, sums["large"].WriteShare)
	require.InDelta(t, 1, share, 0.01, "the totals are exact")
	require.Less(t, rate, 1.1*samplesPerSecond)
}

// After the hot set has moved, what is hot now is reported within two seconds, and nothing else is taken for hot. The
// smoothed shares find nearly all of the new top 32, of which the last differ by 3 of 100.
func TestShiftOfTheHotSet(t *testing.T) {
	const top = 32
	seeds := 3
	if raceDetector {
		seeds = 1
	}
	found := 0
	for seed := range uint64(seeds) {
		o := onlyShare
		o.seed, o.Nodes = seed+1, 100
		l := newLab(t, o, 262_144)
		z := newZipf(1_000_000, 1, seed)
		shift := 0
		op := func() {
			i := z.next() + shift
			l.sampler.Read(keyName(i), keyHash(i), 100)
		}
		l.run(2*time.Second, op)
		l.happened()
		shift = 2_000_000
		l.run(2*time.Second, op)
		requireHot(t, l, z, shift)
		l.run(4*time.Second, op)
		for _, r := range l.Remedies(Policy{}, nil)[:top] {
			for rank := range top {
				if r.Key.Hash == keyHash(shift+rank) {
					found++
				}
			}
		}
	}
	t.Logf("recall of the top %d after six seconds: %.2f", top, float64(found)/float64(seeds*top))
	require.GreaterOrEqual(t, found, seeds*top*88/100)
}

// requireHot requires that the events name each key above 1.5 times the threshold and none below half of it.
func requireHot(t *testing.T, l *lab, z *zipf, shift int) {
	reported := map[uint64]bool{}
	for _, e := range l.happened() {
		require.Equal(t, HotStart, e.Kind)
		reported[e.Key.Hash] = true
	}
	for rank := range 100 {
		switch share, hash := z.share(rank), keyHash(shift+rank); {
		case share >= 1.5*0.01:
			require.True(t, reported[hash], "rank %d", rank)
		case share <= 0.5*0.01:
			require.False(t, reported[hash], "rank %d", rank)
		}
	}
}

// A stall makes a longer window, in which nothing is lost.
func TestStall(t *testing.T) {
	o := onlyShare
	o.seed = 1
	l := newLab(t, o, labRate)
	l.run(2*time.Second, func() { l.sampler.Read("hot", 7, 100) })
	require.Equal(t, []EventKind{HotStart}, kinds(l.happened()))
	for range labRate * 5 { // the ticks of five seconds do not come
		l.now += l.perOp
		l.sampler.Read("other", 8, 100)
	}
	l.Tick(epoch.Add(l.now))
	require.Equal(t, []EventKind{HotStart}, kinds(l.happened()))
	top := l.Top(2)
	require.Equal(t, []string{"other", "hot"}, []string{top[0].Name, top[1].Name})
	require.InDelta(t, 5/5.75, top[0].Share, 0.02)
	require.InEpsilon(t, labRate, l.Stats().OpsPerSecond, 0.01)
	require.InEpsilon(t, labRate*5/5.75, top[0].OpsPerSecond, 0.03)

	before := l.Stats()
	l.Tick(epoch.Add(l.now + time.Millisecond)) // a ticker makes up for what it missed
	l.Tick(epoch.Add(-time.Hour))               // a clock is set
	require.Equal(t, before, l.Stats())
}

// What is on goes off when it has been cold for half a minute, and not because of a dip.
func TestHysteresis(t *testing.T) {
	o := onlyShare
	o.seed = 1
	o.Nodes = 10
	l := newLab(t, o, 10_000)
	cold := 0
	background := func() { cold++; l.sampler.Read("cold", keyHash(cold), 100) }
	mixed := func() {
		if background(); cold%5 == 0 {
			l.sampler.Read("hot", 7, 100)
		}
	}
	l.run(2*time.Second, mixed)
	require.Equal(t, []EventKind{HotStart}, kinds(l.happened()))
	require.Equal(t, 1, l.Stats().Acting)
	l.run(20*time.Second, background)
	l.run(time.Second, mixed)
	l.run(25*time.Second, background)
	require.Empty(t, l.happened())
	require.Equal(t, 1, l.Stats().Hot)
	l.run(10*time.Second, background)
	events := l.happened()
	require.Equal(t, []EventKind{HotEnd}, kinds(events))
	require.Equal(t, "hot", events[0].Key.Name)
	require.Zero(t, l.Stats().Hot+l.Stats().Acting)
}

// The absolute threshold finds a key that is hot by its bytes, though its share is small.
func TestBytesPerSecond(t *testing.T) {
	l := newLab(t, Options{Share: 0.5, seed: 1}, labRate)
	cold := 0
	l.run(3*time.Second, func() {
		cold++
		switch cold % 1000 {
		case 0:
			l.sampler.Read("large", 7, 50_000) // 4 MB per second, a third of all bytes
		case 1, 2:
			l.sampler.Read("small", 8, 100) // 16 kB per second
		default:
			l.sampler.Read("cold", keyHash(cold), 100)
		}
	})
	events := l.happened()
	require.Equal(t, []EventKind{HotStart}, kinds(events))
	require.Equal(t, "large", events[0].Key.Name)
	require.InEpsilon(t, 4e6, l.Top(1)[0].BytesPerSecond, 0.35)
	require.InDelta(t, 50_000, l.Top(1)[0].ItemSize, 2)
}

// With more candidates than places, the hottest are watched.
func TestWatchesTheHottest(t *testing.T) {
	o := onlyShare
	o.seed, o.Nodes = 1, 1000
	l := newLab(t, o, labRate)
	rng := rand.New(rand.NewPCG(1, 1))
	warm := func() {
		i := rng.IntN(600)
		l.sampler.Read(keyName(i), keyHash(i), 100)
	}
	l.run(5*time.Second, warm)
	require.Equal(t, maxWatched, l.Stats().Acting)
	l.run(2*time.Second, func() {
		if warm(); rng.IntN(50) == 0 {
			l.sampler.Read("hot", 7, 100)
		}
	})
	require.Equal(t, maxWatched, l.Stats().Acting)
	require.Equal(t, "hot", l.Remedies(Policy{}, nil)[0].Key.Name)
}

func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"nodes":          {Nodes: -1},
		"request cost":   {RequestCost: -1},
		"huge":           {RequestCost: maxRequestCost + 1},
		"share":          {Share: -0.1},
		"above all":      {Share: 1.1},
		"no share":       {Share: math.NaN()},
		"bytes":          {BytesPerSecond: math.NaN()},
		"misses":         {MissesPerSecond: math.NaN()},
		"share infinite": {Share: math.Inf(1)},
	} {
		_, err := New(o)
		require.ErrorIs(t, err, ErrBadOptions, name)
	}
}

// Nothing that samplers are told makes a detector fail.
func TestOddOps(t *testing.T) {
	l := newLab(t, Options{seed: 1}, labRate)
	l.SetNodes(0)
	long := strings.Repeat("x", 10_000)
	for i := range 1000 {
		l.sampler.Read("", 0, 0)
		l.sampler.Write(long, uint64(i%3), 1<<30)
		l.sampler.Miss(long, 1)
		l.sampler.Miss("", 0)
		l.sampler.Read("k", 5, math.MaxInt32)
	}
	l.sampler.Flush()
	l.run(3*time.Second, func() { l.sampler.Read("negative", 9, -5000) })
	l.Top(-1)
	require.Empty(t, l.Top(0))
	require.NotZero(t, l.Stats().Refused, "keys too long to be kept")
	for _, r := range l.Remedies(Policy{}, nil) {
		require.NotEmpty(t, r.Key.Name)
	}
}

// The memory is the same before and after whatever traffic.
func TestMemoryIsFixed(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's own memory counts")
	}
	before := heap()
	d, err := New(Options{Nodes: 100, seed: 1})
	require.NoError(t, err)
	s := d.NewSampler()
	fresh := heap() - before
	z := newZipf(10_000, 0.9, 1)
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = strings.Repeat(keyName(i), 60)[:maxKeySize]
	}
	base := heap()
	now := time.Now()
	for range 80 {
		for range 50_000 {
			i := z.next()
			s.Read(keys[i], keyHash(i), 100)
			s.Miss(keys[z.rng.IntN(len(keys))], keyHash(z.rng.IntN(len(keys))))
		}
		now = now.Add(TickInterval)
		d.Tick(now)
	}
	grown := heap() - base
	t.Logf("%d KiB when new, %d KiB more after 8,000,000 ops", fresh>>10, grown>>10)
	require.LessOrEqual(t, fresh+max(0, grown), int64(512<<10))
	require.LessOrEqual(t, grown, int64(8<<10), "the runtime's own memory moves a little")
	runtime.KeepAlive(d)
	runtime.KeepAlive(keys)
	runtime.KeepAlive(z)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Many samplers, each with its own goroutine, feed one detector, which is asked all the while.
func TestManySamplers(t *testing.T) {
	d, err := New(Options{Nodes: 10, seed: 1})
	require.NoError(t, err)
	const goroutines, each = 16, 20_000
	now := time.Now()
	d.Tick(now)
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			s := d.NewSampler()
			defer s.Flush()
			for i := range each {
				s.Read("hot", 7, 100)
				s.Write("written", 8, 100)
				s.Miss("missed", 9)
				s.Read("cold", keyHash(g*each+i), 100)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	ctx, stop := context.WithCancel(t.Context())
	wgAsk := sync.WaitGroup{}
	wgAsk.Go(func() {
		for range d.Events(ctx) {
		}
	})
	var seen totals
	for asking := true; asking; {
		select {
		case <-done:
			asking = false
		default:
		}
		now = now.Add(TickInterval)
		d.Tick(now)
		seen.add(d.sink.ops.frozen[0].totals)
		d.Top(3)
		d.Missed(3)
		d.Remedies(Policy{}, nil)
	}
	stop()
	wgAsk.Wait()
	require.Equal(t, int64(4*goroutines*each), seen.ops, "no op is lost")
	require.Equal(t, int64(goroutines*each), seen.misses)
	cost := int64(goroutines * each * (4*(1024+framing) + 3*100 + len("missed")))
	require.Equal(t, cost, seen.cost)
}

func TestRunTicks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := New(Options{seed: 1})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { d.Run(ctx) })
		wg.Go(func() {
			s := d.NewSampler()
			for ctx.Err() == nil {
				for range 100 {
					s.Read("hot", 7, 100)
				}
				time.Sleep(time.Millisecond)
			}
		})
		start := time.Now()
		for event := range d.Events(ctx) {
			require.Equal(t, HotStart, event.Kind)
			require.Equal(t, TickInterval, time.Since(start))
			break
		}
		stop()
		wg.Wait()
	})
}
