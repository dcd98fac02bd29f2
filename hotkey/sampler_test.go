package hotkey

import (
	"bytes"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A countdown's samples stand for what was counted, whatever the steps and the mean, also while the mean changes.
func TestCountdown(t *testing.T) {
	steps := 3_000_000
	if raceDetector {
		steps = 1_000_000
	}
	for name, c := range map[string]struct {
		means []int64
		step  func(*rand.Rand) int64
	}{
		"every unit":    {[]int64{1}, func(*rand.Rand) int64 { return 1 }},
		"two":           {[]int64{2}, func(*rand.Rand) int64 { return 1 }},
		"even":          {[]int64{1000}, func(*rand.Rand) int64 { return 100 }},
		"larger":        {[]int64{1000}, func(r *rand.Rand) int64 { return 900 + r.Int64N(1200) }},
		"huge":          {[]int64{1000}, func(r *rand.Rand) int64 { return r.Int64N(1_000_000) }},
		"changing mean": {[]int64{10, 10_000, 500}, func(r *rand.Rand) int64 { return r.Int64N(1000) }},
		"from every":    {[]int64{1, 7}, func(*rand.Rand) int64 { return 1 }},
	} {
		rng := rand.New(rand.NewPCG(1, 1))
		var k countdown
		k.start(c.means[0], 99)
		var real, estimate, spent int64
		for i := range steps {
			step := c.step(rng)
			real += step
			if k.left -= step; k.left > 0 {
				continue
			}
			spent += k.spent()
			estimate += k.refill(c.means[i/1000%len(c.means)])
			k.given = k.left
			if k.left <= 0 {
				t.Fatal(name, "not refilled")
			}
		}
		spent += k.spent()
		require.Equal(t, real, spent, name)
		require.InEpsilon(t, real, estimate, 0.01, name)
	}
}

// The gaps have the spread of geometric ones: a sample says nothing of when the next will be.
func TestGapsAreMemoryless(t *testing.T) {
	var k countdown
	k.start(50, 1)
	const n = 1_000_000
	sum, beyond := 0.0, 0
	for range n {
		gap := k.gap()
		sum += float64(gap)
		if gap > 100 {
			beyond++
		}
	}
	require.InEpsilon(t, 50, sum/n, 0.01)
	require.InEpsilon(t, 0.1326, float64(beyond)/n, 0.02, "(1-1/50)^100")
}

// The fast path is part of its caller, and of the rule table the check for nil is.
func TestFastPathIsInlined(t *testing.T) {
	var out bytes.Buffer
	build := exec.Command("go", "build", "-gcflags=-m", ".")
	build.Stderr = &out
	require.NoError(t, build.Run())
	for _, f := range []string{"(*Sampler).Read", "(*Sampler).Write", "(*Table).Lookup"} {
		require.Regexp(t, regexp.MustCompile(`can inline `+regexp.QuoteMeta(f)+`\n`), out.String())
	}
}

// Neither the fast path nor the slow one allocates, nor does a look-up.
func TestOpsDoNotAllocate(t *testing.T) {
	l := newLab(t, Options{seed: 1}, labRate)
	table := benchTable(t, 512)
	i := 0
	require.Zero(t, testing.AllocsPerRun(20_000, func() {
		i++
		hash := keyHash(i % 100)
		l.sampler.Read("key:1", hash, 100)
		l.sampler.Write("key:2", hash, 10_000_000)
		l.sampler.Miss("key:3", hash)
		table.Lookup(hash, "key:1")
		table.Lookup(keyHash(1), "rule:1")
	}))
}

// BenchmarkSampler is what an op costs: alone, as the fast path (one sample in 1,024 ops), at the budget's densest, and
// with a look-up of a key without a rule.
func BenchmarkSampler(b *testing.B) {
	const opCost = 1024 + framing + 100
	for _, c := range []struct {
		name   string
		opsPer int64 // per sample
		table  *Table
	}{
		{"1 in 1024", 1024, nil},
		{"1 in 64", 64, nil},
		{"1 in 16", 16, nil},
		{"1 in 1", 1, nil},
		{"1 in 64, 512 rules", 64, benchTable(b, 512)},
	} {
		b.Run(c.name, func(b *testing.B) {
			d, err := New(Options{seed: 1})
			require.NoError(b, err)
			d.costMean.Store(c.opsPer * opCost)
			s := d.NewSampler()
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				i++
				hash := uint64(i&511) * 0x9e3779b97f4a7c15
				if c.table.Lookup(hash, "user:81") != nil {
					b.Fatal("found")
				}
				s.Read("user:81", hash, 100)
			}
		})
	}
}

// BenchmarkTick is four times a second, on full windows.
func BenchmarkTick(b *testing.B) {
	d, err := New(Options{Nodes: 100, seed: 1})
	require.NoError(b, err)
	s := d.NewSampler()
	z := newZipf(100_000, 1, 1)
	now := time.Now()
	for b.Loop() {
		b.StopTimer()
		for range 20_000 {
			i := z.next()
			s.Read("key", keyHash(i), 100)
		}
		now = now.Add(TickInterval)
		b.StartTimer()
		d.Tick(now)
	}
}
