package route

import (
	"math"
	"sync"
	"testing"

	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// slow is a target that hits for a fraction of the keys it is asked, evenly.
func slow(t *testing.T, o SlowWarmUpOptions) (tree Route, target, fallback *fake, setRate func(percent int)) {
	percent, n := 0, 0
	target, fallback = &fake{}, &fake{answer: hit("fallback")}
	target.answer = func(op *Op) {
		n++
		if n*percent/100 > (n-1)*percent/100 {
			hit("target")(op)
		} else {
			miss(op)
		}
	}
	return built(t)(SlowWarmUp(target, fallback, o)), target, fallback, func(p int) { percent = p }
}

// share sends gets and returns the percentage that the target got.
func share(tree Route, target *fake, n int) float64 {
	was := len(target.asked())
	for range n {
		do(tree, get("k"))
	}
	return 100 * float64(len(target.asked())-was) / float64(n)
}

// A cold target gets start + step * hit rate of the gets; until enough are counted it is taken to be warm.
func TestSlowWarmUp(t *testing.T) {
	tree, target, fallback, setRate := slow(t, SlowWarmUpOptions{})
	require.Equal(t, 100.0, share(tree, target, 100), "not known yet")
	require.Equal(t, "fallback", string(fallbackValue(tree)))
	require.InDelta(t, 10, share(tree, target, 2000), 3, "hit rate 0")
	setRate(50)
	share(tree, target, 20000)
	require.InDelta(t, 60, share(tree, target, 5000), 4, "hit rate 0.5")
	setRate(80)
	share(tree, target, 10000)
	require.InDelta(t, 90, share(tree, target, 5000), 4, "above Enable, below Disable: still cold")
	require.Contains(t, Explain(tree, get("k")).String(), "the target is cold: hit rate 0.")
	setRate(95)
	share(tree, target, 5000)
	require.Equal(t, 100.0, share(tree, target, 1000), "warm")
	setRate(80)
	share(tree, target, 5000)
	require.Equal(t, 100.0, share(tree, target, 1000), "below Disable, above Enable: still warm")
	require.Contains(t, Explain(tree, get("k")).String(), "warm: hit rate 0.80")
	setRate(0)
	share(tree, target, 20000)
	require.InDelta(t, 10, share(tree, target, 2000), 3, "restarted empty")
	require.NotEmpty(t, fallback.asked())
}

// fallbackValue reads until the fallback answers.
func fallbackValue(tree Route) []byte {
	for range 1000 {
		if op := asked(tree, get("k")); len(op.Value) > 0 {
			return op.Value
		}
	}
	return nil
}

// Only plain gets are spared; the fallback's replies and failures of the target do not count.
func TestSlowWarmUpSparesOnlyGets(t *testing.T) {
	tree, target, fallback, _ := slow(t, SlowWarmUpOptions{MinRequests: 10})
	share(tree, target, 10)
	lease := get("k")
	lease.Request.Meta |= protocol.Vivify
	for _, op := range []*Op{
		store(protocol.Set, "k", "v"), asks(protocol.Increment, "k"), asks(protocol.Add, "k"), asks(CompareAndSwap, "k"), asks(protocol.Delete, "k"),
		asks(GetForUpdate, "k"), asks(protocol.GetAndTouch, "k"), asks(protocol.Touch, "k"), lease,
	} {
		for range 50 {
			do(tree, op)
		}
	}
	require.Empty(t, fallback.asked())
	s := tree.(*slowWarmUp)
	hits, gets := s.recent.counts()
	target.answer = down
	for range 1000 {
		do(tree, get("k"))
	}
	nowHits, nowGets := s.recent.counts()
	require.Equal(t, []uint64{hits, gets}, []uint64{nowHits, nowGets})
	require.NotEmpty(t, fallback.asked())
}

// A batch is split, and goes to both at once.
func TestSlowWarmUpOfABatch(t *testing.T) {
	tree, target, fallback, _ := slow(t, SlowWarmUpOptions{})
	do(tree, gets(keys(100)...)...)
	require.Len(t, target.asked(), 100)
	ops := gets(keys(1000)...)
	do(tree, ops...)
	require.InDelta(t, 200, len(target.asked()), 30)
	require.Len(t, fallback.calls, 1)
	require.Equal(t, 1100, len(target.asked())+len(fallback.asked()))
	for _, op := range ops {
		require.Equal(t, op.Reply.Status == protocol.OK, string(op.Value) == "fallback")
	}
}

// Counts are never lost or torn, and stay within the window.
func TestHitRateConcurrently(t *testing.T) {
	h := hitRate{window: 1 << 20}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				h.add(1, 2)
			}
		})
	}
	wg.Wait()
	hits, gets := h.counts()
	require.Equal(t, uint64(8000), hits)
	require.Equal(t, uint64(16000), gets)
	h.add(1_000_000, 5_000_000)
	hits, gets = h.counts()
	require.Less(t, gets, h.window)
	require.InDelta(t, 0.2, float64(hits)/float64(gets), 0.01)
}

func TestSlowWarmUpBadInput(t *testing.T) {
	for _, o := range []SlowWarmUpOptions{
		{Enable: -1}, {Enable: 1.1}, {Disable: 2}, {Enable: 0.95}, {Disable: 0.5}, {Start: -0.1}, {Start: 2}, {Step: -1},
		{MinRequests: -1}, {MinRequests: 1 << 30}, {Enable: math.NaN()}, {Disable: math.NaN()}, {Step: math.NaN()}, {Start: math.NaN()},
	} {
		_, err := SlowWarmUp(&fake{}, &fake{}, o)
		require.ErrorIs(t, err, ErrSlowWarmUp, "%+v", o)
	}
}
