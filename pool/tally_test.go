package pool

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// TestBucketsCoverAllDurations: each ends where the next begins, and a duration lies in the one that it is counted in.
func TestBucketsCoverAllDurations(t *testing.T) {
	require.Zero(t, bucketOf(-1))
	for i := range HistogramBuckets - 1 {
		end := upperBound(i)
		require.Equal(t, i, bucketOf(end-1), "%v", end)
		require.Equal(t, i+1, bucketOf(end), "%v", end)
	}
	require.Equal(t, HistogramBuckets-1, bucketOf(time.Hour))
}

func TestQuantilesAreWithinAnEighth(t *testing.T) {
	var h Histogram
	require.Zero(t, h.Quantile(0.5))
	require.Zero(t, h.Mean())
	for i := range 1000 {
		d := time.Duration(i+1) * 10 * time.Microsecond
		h.Counts[bucketOf(d)]++
		h.Sum += d
	}
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
		want := time.Duration(q * float64(10*time.Millisecond))
		require.InEpsilon(t, want, h.Quantile(q), 0.125, "%v", q)
	}
	require.Equal(t, uint64(1000), h.Count())
	require.Equal(t, 5005*time.Microsecond, h.Mean())
	var last uint64
	for end, n := range h.All() {
		require.True(t, n == 0 || end > 10*time.Microsecond)
		last += n
	}
	require.Equal(t, uint64(1000), last)
	h.Add(&h)
	require.Equal(t, uint64(2000), h.Count())
}

// TestLatencyIsThatOfTheCall, hits and misses are counted apart, and nothing else is a read.
func TestLatencyIsThatOfTheCall(t *testing.T) {
	for _, d := range []protocol.Dialect{protocol.Unknown, protocol.Text} {
		synctest.Test(t, func(t *testing.T) {
			s := startFake(t, memcachetest.WithPipe())
			n := newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext, Dialect: d})
			mustSet(t, n, "k", "v")
			s.Inject(memcachetest.Delay(20 * time.Millisecond))
			requireHit(t, get(t.Context(), n, "k"), "v")
			requireMiss(t, get(t.Context(), n, "none"))
			stats := n.Stats()
			require.Equal(t, [2]uint64{1, 1}, [2]uint64{stats.Hits, stats.Misses})
			require.Equal(t, uint64(3), stats.Latency.Count())
			require.Equal(t, 40*time.Millisecond, stats.Latency.Sum)
			require.InEpsilon(t, 20*time.Millisecond, stats.Latency.Quantile(0.9), 0.125)
		})
	}
}

// TestSamplersAreToldWhatCallersAsk, in the words of hot keys, and nothing that they did not ask.
func TestSamplersAreToldWhatCallersAsk(t *testing.T) {
	for _, d := range []protocol.Dialect{protocol.Unknown, protocol.Text} {
		synctest.Test(t, func(t *testing.T) {
			s := startFake(t, memcachetest.WithPipe())
			told := &witness{}
			n := newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext, Dialect: d, NewSampler: func() Sampler { return told }})
			ask := func(op Op) { n.Do(t.Context(), []*Op{&op}) }
			large := strings.Repeat("x", 100<<10)
			ask(Op{Request: protocol.Request{Command: protocol.Set, Key: "k", Value: []byte(large)}, Hash: 7})
			ask(Op{Request: protocol.Request{Command: protocol.Get, Key: "k"}, Hash: 7})
			ask(Op{Request: protocol.Request{Command: protocol.Get, Key: "no"}, Hash: 8})
			ask(Op{Request: protocol.Request{Command: protocol.Delete, Key: "k"}, Hash: 7})
			ask(Op{Request: protocol.Request{Command: protocol.Get, Key: "k"}, Uncounted: true})
			ask(Op{Request: protocol.Request{Command: protocol.Get, Key: "k"}, Inspect: true})
			ask(Op{Request: protocol.Request{Command: protocol.Noop}})
			require.Equal(t, []seen{
				{"write", "k", 7, 1 + 100<<10}, {"read", "k", 7, 1 + 100<<10}, {"miss", "no", 8, 0}, {"write", "k", 7, 1},
			}, told.seen)
		})
	}
}

type seen struct {
	what, key string
	hash      uint64
	size      int
}

type witness struct{ seen []seen }

func (w *witness) Read(key string, hash uint64, size int) {
	w.seen = append(w.seen, seen{"read", key, hash, size})
}
func (w *witness) Write(key string, hash uint64, size int) {
	w.seen = append(w.seen, seen{"write", key, hash, size})
}
func (w *witness) Miss(key string, hash uint64) { w.seen = append(w.seen, seen{"miss", key, hash, 0}) }

// TestEventsTellALife: a node is dialed, falls silent, answers, misses a write, is killed, and returns.
func TestEventsTellALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		events := make(chan Event, 100)
		n := newTestNode(t, Config{Name: "n", Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout, OnEvent: func(e Event) { events <- e }})
		expect := func(want ...EventKind) {
			t.Helper()
			synctest.Wait()
			var kinds []EventKind
			for len(events) > 0 {
				e := <-events
				require.Equal(t, "n", e.Node)
				require.Equal(t, e.Kind == DialFailed || e.Kind == Lost || e.Kind == Ejected, e.Err != nil, "%v", e)
				kinds = append(kinds, e.Kind)
			}
			require.Equal(t, want, slices.Compact(kinds))
		}
		mustSet(t, n, "k", "v")
		expect(Dialed)
		s.Pause()
		require.Error(t, get(t.Context(), n, "k").Err)
		time.Sleep(slack)
		expect(Ejected)
		s.Resume()
		expect(Readmitted)
		n.Missed(&protocol.Request{Command: protocol.Set, Key: "k"}, 0)
		expect(MissedWrite, Repaired)
		s.Kill()
		require.Error(t, get(t.Context(), n, "k").Err)
		expect(Lost, DialFailed)
		s.Start()
		require.Eventually(t, func() bool { return get(t.Context(), n, "k").Err == nil }, time.Minute, time.Second)
		expect(Dialed)
	})
}
