package route

import (
	"testing"
	"time"

	"github.com/nohop/memcache/protocol"
)

// tierTrees are the tiers over leaves that answer at once, none of which has to ask a second one.
func tierTrees(tb testing.TB) map[string]Route {
	b := NewBackground(1)
	tb.Cleanup(b.Close)
	trees := map[string]Route{}
	add := func(name string, r Route, err error) {
		if err != nil {
			tb.Fatal(err)
		}
		trees[name] = r
	}
	one, two := &leaf{}, &leaf{}
	r, err := WarmUp(one, two, 0, b)
	add("warm-up", r, err)
	r, err = SlowWarmUp(one, two, SlowWarmUpOptions{})
	add("slow-warm-up", r, err)
	r, err = Migrate(one, two, Migration{Start: time.Now()})
	add("migrate", r, err)
	r, err = L1L2(one, two, L1L2Options{}, b)
	add("l1-l2", r, err)
	r, err = L1L2(one, two, L1L2Options{NegativeTTL: time.Minute}, b)
	add("l1-l2-negative", r, err)
	r, err = L1L2SizeSplit(one, two, SizeSplitOptions{Threshold: 1000}, b)
	add("by-size", r, err)
	r, err = Shadow(one, two, ShadowOptions{}, b)
	add("shadow", r, err)
	return trees
}

// BenchmarkRouteTiers is what a tier adds to a request that its first child serves.
func BenchmarkRouteTiers(b *testing.B) {
	for name, tree := range tierTrees(b) {
		b.Run(name+"/get", func(b *testing.B) { benchRoute(b, tree, get("key:1")) })
		b.Run(name+"/set", func(b *testing.B) { benchRoute(b, tree, store(protocol.Set, "key:1", "v")) })
		b.Run(name+"/getmulti100", func(b *testing.B) { benchRoute(b, tree, gets(keys(100)...)...) })
	}
}

// A get that the first child answers costs no memory.
func TestTiersDoNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	for name, tree := range tierTrees(t) {
		ops := []*Op{get("k")}
		if n := testing.AllocsPerRun(100, func() { tree.Do(t.Context(), ops) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// Tiers of any shape can be children: ops are grouped by comparing routes.
func TestTiersAreComparable(t *testing.T) {
	var children []Route
	for range 2 {
		for _, tree := range tierTrees(t) {
			children = append(children, tree)
		}
	}
	do(AllSync(Fixed(children...)), store(protocol.Set, "k1", "v"), store(protocol.Set, "k2", "v"))
}
