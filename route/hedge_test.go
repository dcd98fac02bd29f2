package route

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// lots is a budget for as many second reads as come.
func lots(delay time.Duration) HedgeOptions { return limitedTo(delay, 1, 1000) }

func limitedTo(delay time.Duration, rate, burst float64) HedgeOptions {
	return HedgeOptions{Delay: delay, Limit: &RequestLimit{rate: rate, burst: burst, tokens: burst}}
}

func TestHedged(t *testing.T) {
	for name, c := range map[string]struct {
		replicas []replica
		want     string
		after    time.Duration
		second   bool // the second replica is asked
	}{
		"fast":                                {[]replica{{hit("a"), 9}, {hit("b"), 1}}, "a", 9, false},
		"slow":                                {[]replica{{hit("a"), 100}, {hit("b"), 1}}, "b", 11, true},
		"slow, but still first":               {[]replica{{hit("a"), 15}, {hit("b"), 100}}, "a", 15, true},
		"slow, and the second fails":          {[]replica{{hit("a"), 100}, {down, 1}}, "a", 100, true},
		"slow, then it fails":                 {[]replica{{timeout, 100}, {hit("b"), 200}}, "b", 210, true},
		"fails before the delay":              {[]replica{{down, 5}, {hit("b"), 1}}, "b", 6, true},
		"both ways fail":                      {[]replica{{timeout, 100}, {down, 1}}, "at dead", 111, true},
		"the second misses: its home decides": {[]replica{{hit("a"), 100}, {miss, 1}}, "a", 100, true},
		"only one replica":                    {[]replica{{hit("a"), 100}}, "a", 100, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBackground(10)
				list, routes := replicas(c.replicas...)
				tree := built(t)(Hedged(Fixed(routes...), lots(10), b))
				do(tree, get("warm")) // earns a token
				time.Sleep(1000)
				b.running.Wait()
				start, op := time.Now(), get("k")
				do(tree, op)
				require.Contains(t, outcome(op), c.want)
				require.Equal(t, c.after, time.Since(start))
				b.Close()
				if len(list) > 1 {
					require.Equal(t, c.second, len(list[1].calls) > 0)
				}
			})
		})
	}
}

// Where another replica than the home is read first, the home is the second.
func TestHedgedAsksTheHomeSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackground(10)
		_, routes := replicas(replica{hit("home"), 1}, replica{hit("b"), 1}, replica{hit("c"), never})
		tree := built(t)(Hedged(readingAt(2, routes), lots(10), b))
		require.Equal(t, "home", outcome(asked(tree, get("k"))))
		b.Close()
	})
}

// The budget is a part of the reads, however slow they are.
func TestHedgedKeepsToItsBudget(t *testing.T) {
	for _, c := range []struct {
		options HedgeOptions
		want    int // second reads of 1000
	}{
		{HedgeOptions{Delay: 10}, 10 + 50 - 1}, // the first reads find the bucket full
		{limitedTo(10, 0.25, 1), 1 + 250 - 1},
		{limitedTo(10, 1, 1), 1000},
		{limitedTo(10, 0.0001, 1), 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := NewBackground(10)
			list, routes := replicas(replica{hit("a"), 100}, replica{hit("b"), 1})
			tree := built(t)(Hedged(Fixed(routes...), c.options, b))
			for range 1000 {
				require.NoError(t, asked(tree, get("k")).Err)
			}
			b.Close()
			require.Equal(t, c.want, len(list[1].calls))
		})
	}
}

// What changes something is never sent twice; what only the home can decide is asked there alone.
func TestHedgedReadsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackground(10)
		list, routes := replicas(replica{says(protocol.OK), 100}, replica{says(protocol.OK), 1})
		tree := built(t)(Hedged(Fixed(routes...), lots(10), b))
		lease, touch := get("lease"), get("touch")
		lease.Request.Meta |= protocol.Vivify
		touch.Request.Meta |= protocol.UpdateTTL
		for _, op := range []*Op{
			asks(protocol.Increment, "k"), asks(CompareAndSwap, "k"), asks(GetForUpdate, "k"), asks(protocol.GetAndTouch, "k"),
			asks(protocol.Set, "k"), asks(protocol.Delete, "k"), lease, touch,
		} {
			require.NoError(t, asked(tree, op).Err)
		}
		b.Close()
		require.Len(t, list[0].calls, 8)
		require.Empty(t, list[1].calls)
	})
}

// Of a batch only those ops are read again whose node is slow.
func TestHedgedOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackground(10)
		list, routes := replicas(replica{hit("a"), 1}, replica{hit("b"), never}, replica{hit("c"), 1})
		p := NewRules(Fixed(routes[0], routes[2]), map[string]Replicas{
			"slow1": {All: routes[1:]}, "slow2": {All: routes[1:]}, "alone": {All: routes[:1]},
		})
		tree := built(t)(Hedged(p, lots(10), b))
		ops := gets("k1", "slow1", "k2", "alone", "slow2")
		start := time.Now()
		do(tree, ops...)
		require.Equal(t, time.Duration(12), time.Since(start)) // alone first, then the others together
		var got string
		for _, op := range ops {
			got += outcome(op)
		}
		require.Equal(t, "acaac", got)
		b.Close()
		require.Equal(t, [][]string{{"slow1", "slow2"}}, list[2].calls)
	})
}

// The loser neither writes into the caller's memory nor outlives the background.
func TestHedgedLoserHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackground(10)
		late := func(op *Op) { // does not heed its context
			time.Sleep(time.Minute)
			hit("late")(op)
		}
		first, secondOne := &fake{answer: hit("a")}, &fake{answer: late}
		slowFirst := built(t)(Latency(first, LatencyOptions{Before: 20}))
		tree := built(t)(Hedged(Fixed(slowFirst, secondOne), lots(10), b))
		op := get("k")
		op.Dst = append(make([]byte, 0, 64), "dst "...)
		start := time.Now()
		do(tree, op)
		require.Equal(t, time.Duration(20), time.Since(start))
		op.Request.Key = "another"
		b.Close()
		require.Equal(t, time.Minute+10, time.Since(start))
		require.Equal(t, "dst a", string(op.Value))
		require.Equal(t, "dst a", string(op.Value[:5:64][:5]))
		require.Equal(t, []string{"k"}, secondOne.asked())
	})
}

func TestHedgedAppendsToDst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackground(10)
		_, routes := replicas(replica{hit("a"), 100}, replica{hit("b"), 1})
		op := get("k")
		op.Dst = []byte("dst ")
		do(built(t)(Hedged(Fixed(routes...), lots(10), b)), op)
		require.Equal(t, "dst b", string(op.Value))
		b.Close()
	})
}

func TestHedgedEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackground(10)
		_, routes := replicas(replica{hit("a"), 1}, replica{hit("b"), 1})
		for i := range routes {
			routes[i] = built(t)(Latency(routes[i], LatencyOptions{Before: never}))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start, op := time.Now(), get("k")
		built(t)(Hedged(Fixed(routes...), lots(10), b)).Do(ctx, []*Op{op})
		require.ErrorIs(t, op.Err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		b.Close()
		require.Equal(t, time.Second, time.Since(start))
	})
}

// Without room in the background a slow read is a slow read.
func TestHedgedWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := NewBackground(1)
		full.Close()
		_, routes := replicas(replica{hit("a"), 100}, replica{hit("b"), 1})
		require.Equal(t, "a", outcome(asked(built(t)(Hedged(Fixed(routes...), lots(10), full)), get("k"))))
	})
}

func TestHedgedStartsNoGoroutineForAFastRead(t *testing.T) {
	b, _ := background(t)
	_, _, routes := realNodes(t, 2)
	tree := built(t)(Hedged(Fixed(routes...), HedgeOptions{Delay: time.Hour}, b))
	do(tree, get("k"))
	before := runtime.NumGoroutine()
	during := 0
	count := &fake{answer: func(op *Op) {
		during = runtime.NumGoroutine()
		hit("v")(op)
	}}
	do(built(t)(Hedged(Fixed(count, routes[0]), HedgeOptions{Delay: time.Hour}, b)), get("k"))
	require.LessOrEqual(t, during, before)
}

func TestHedgedRefusesNonsense(t *testing.T) {
	b, _ := background(t)
	_, err := Hedged(Fixed(&fake{}), HedgeOptions{Delay: -1}, b)
	require.ErrorIs(t, err, ErrHedgeDelay)
}

// The estimate finds the 95th percentile from both sides, and follows when it changes.
func TestSlowness(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var s slowness
	s.delay.Store(int64(startDelay))
	for _, scale := range []time.Duration{10 * time.Millisecond, time.Millisecond, 50 * time.Millisecond} {
		var sum float64
		for i := range 20_000 {
			took := time.Duration(r.ExpFloat64() * float64(scale))
			s.note(took > time.Duration(s.delay.Load()))
			if i >= 10_000 {
				sum += float64(s.delay.Load()) / 10_000
			}
		}
		p95 := float64(scale) * -math.Log(0.05)
		require.InEpsilon(t, p95, sum, 0.1, scale)
	}
	for range 100_000 {
		s.note(false)
	}
	require.Equal(t, int64(minDelay), s.delay.Load())
	for range 100_000 {
		s.note(true)
	}
	require.Equal(t, int64(maxDelay), s.delay.Load())
}

// With a measured delay about one read in 20 is slow, whatever the replicas take.
func TestHedgedMeasuresItsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackground(100)
		r := rand.New(rand.NewPCG(1, 2))
		first := &fake{answer: func(op *Op) {
			time.Sleep(time.Millisecond + time.Duration(r.IntN(int(time.Millisecond))))
			hit("a")(op)
		}}
		tree := built(t)(Hedged(Fixed(first, &fake{answer: hit("b")}), lots(0), b)).(*hedged)
		for range 5000 {
			do(tree, get("k"))
		}
		b.Close()
		require.InDelta(t, 1950*time.Microsecond, tree.delay(), float64(200*time.Microsecond))
	})
}

// A paused node answers after its pause, into nobody's memory; the reads do not wait for it.
func TestHedgedOverNodes(t *testing.T) {
	servers, nodes, routes := realNodes(t, 2)
	do(AllSync(Fixed(routes...)), store(protocol.Set, "k", "v"))
	b, _ := background(t)
	tree := built(t)(Hedged(Fixed(routes...), lots(time.Millisecond), b))
	servers[0].Pause()
	for range 3 {
		op := asked(tree, get("k"))
		require.Equal(t, "v", outcome(op))
		require.Same(t, nodes[1], op.Node)
	}
	servers[0].Resume()
	require.Eventually(t, func() bool { return nodes[0].Stats().Owed == 0 }, testTimeout, time.Millisecond)
	require.Equal(t, pool.Up, nodes[0].Stats().State)
}

// A caller that reads from the slow node's connection itself notices at once that the other one has won.
func TestHedgedIsNoticedAtOnce(t *testing.T) {
	for _, reads := range []int{1, 3} {
		withSlow(t, nil, func(t *testing.T, s *slowSet) {
			s.servers[0].Inject(memcachetest.Delay(200 * time.Millisecond))
			b := NewBackground(10)
			tree := built(t)(Hedged(Fixed(s.routes...), lots(3*time.Millisecond), b))
			ops := make([]*Op, reads)
			for i := range ops {
				ops[i] = get("k")
			}
			start := time.Now()
			do(tree, ops...)
			require.Equal(t, 3*time.Millisecond, time.Since(start))
			for _, op := range ops {
				require.Equal(t, "v", outcome(op))
				require.Equal(t, s.nodes[1].Name(), op.Node.Name())
			}
			b.Close()
		})
	}
}
