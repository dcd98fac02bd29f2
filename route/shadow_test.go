package route

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// shadowed returns the keys of ops that the target saw. The child answers "a" to each op.
func shadowed(t *testing.T, o ShadowOptions, ops ...*Op) []string {
	list, r := fakes(hit("a"), down)
	b, wait := background(t)
	do(built(t)(Shadow(r[0], r[1], o, b)), ops...)
	wait()
	for _, op := range ops {
		require.NoError(t, op.Err)
		require.Equal(t, "a", string(op.Value))
	}
	require.Len(t, list[0].asked(), len(ops))
	return list[1].asked()
}

// mcrouter's rows, by its own hash.
func TestShadowByKeyFraction(t *testing.T) {
	var ops []*Op
	for i := range 100 {
		ops = append(ops, get(fmt.Sprint("f", i)))
	}
	var want []string
	for _, i := range []int{5, 7, 13, 33, 43, 46, 58, 71, 83, 85, 89, 91, 93} {
		want = append(want, fmt.Sprint("f", i))
	}
	require.Equal(t, want, shadowed(t, ShadowOptions{To: 0.1, Fraction: placement.Fraction}, ops...))
	require.Equal(t, []string{"good_key"},
		shadowed(t, ShadowOptions{To: 0.5, Fraction: placement.Fraction}, gets("good_key", "out_of_range_key_test")...))
	require.Empty(t, shadowed(t, ShadowOptions{}, ops...), "no range, no key")
	require.Len(t, shadowed(t, ShadowOptions{To: 1}, ops...), 100)
}

// The default fraction splits the keys evenly, whatever the node that they are on.
func TestShadowFractionsAreEven(t *testing.T) {
	var ops []*Op
	for i := range 10000 {
		ops = append(ops, get(strconv.Itoa(i)))
	}
	lower, upper := shadowed(t, ShadowOptions{To: 0.5}, ops...), shadowed(t, ShadowOptions{From: 0.5, To: 1}, ops...)
	require.InDelta(t, 5000, len(lower), 100)
	require.Equal(t, 10000, len(lower)+len(upper))
	require.False(t, slices.ContainsFunc(lower, func(k string) bool { return slices.Contains(upper[:100], k) }))
	slot := slices.DeleteFunc(slices.Clone(ops), func(op *Op) bool { return SlotOf(op.Hash) >= SlotCount/4 })
	require.InDelta(t, len(slot)/2, len(shadowed(t, ShadowOptions{To: 0.5}, slot...)), 100)
}

// Single keys, and a fraction of the requests.
func TestShadowByKeyAndRequest(t *testing.T) {
	require.Equal(t, []string{"k2"}, shadowed(t, ShadowOptions{Keys: []string{"k2"}}, gets("k1", "k2", "k3")...))
	require.InDelta(t, 250, len(shadowed(t, ShadowOptions{To: 1, Requests: 0.25}, gets(keys(1000)...)...)), 40)
	require.InDelta(t, 250, len(shadowed(t, ShadowOptions{Keys: []string{"k"}, Requests: 0.25}, gets(slices.Repeat([]string{"k"}, 1000)...)...)), 40)
}

// mcrouter's index_range: of a pool of two, only the first is shadowed.
func TestShadowOfSomeNodes(t *testing.T) {
	for to, seen := range map[float64]int{0: 0, 1: 1} {
		list, r := fakes(hit("a"), hit("a"), miss)
		b, wait := background(t)
		first := built(t)(Shadow(r[0], r[2], ShadowOptions{To: to}, b))
		for i, child := range []Route{first, r[1]} {
			require.Equal(t, "a", string(asked(child, get(fmt.Sprint("k", i))).Value))
		}
		wait()
		require.Len(t, list[2].asked(), seen)
	}
}

// What is one client's at one node is not copied; all else is, read-modify-writes among it.
func TestShadowCopiesNoLeaseAndNoCAS(t *testing.T) {
	lease := get("lease")
	lease.Request.Meta |= protocol.Vivify
	list, r := fakes(nil, nil)
	b, wait := background(t)
	do(built(t)(Shadow(r[0], r[1], ShadowOptions{To: 1}, b)),
		lease, asks(CompareAndSwap, "cas"), &Op{Request: protocol.Request{Command: protocol.FlushAll}},
		asks(protocol.Increment, "n"), asks(protocol.Set, "k"), asks(protocol.Delete, "k"))
	wait()
	require.Len(t, list[0].seen, 6)
	require.Equal(t, []protocol.Command{protocol.Increment, protocol.Set, protocol.Delete}, list[1].commands())
}

// A target that hangs, and a full background, cost the caller nothing; the copies are the shadow's own.
func TestShadowDisturbsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		b := NewBackground(1)
		tree := built(t)(Shadow(&fake{}, g, ShadowOptions{To: 1}, b))
		ctx, cancel := context.WithCancel(t.Context())
		op := store(protocol.Set, "k", "v")
		tree.Do(ctx, []*Op{op})
		require.NoError(t, op.Err)
		cancel()
		op.Request.Value[0], op.Request.Key = 'x', "other"
		for range 10 {
			do(tree, get("k"))
		}
		require.Equal(t, uint64(10), b.Dropped())
		close(g.open)
		b.Close()
		require.Equal(t, []string{"k"}, g.asked())
		require.Equal(t, "v", string(g.seen[0].Value))
	})
}

func TestShadowKeepsItsOptions(t *testing.T) {
	names := []string{"k"}
	list, r := fakes(nil, nil)
	b, wait := background(t)
	tree := built(t)(Shadow(r[0], r[1], ShadowOptions{Keys: names}, b))
	names[0] = "other"
	do(tree, gets("k", "other")...)
	wait()
	require.Equal(t, []string{"k"}, list[1].asked())
}

func TestShadowBadInput(t *testing.T) {
	b, _ := background(t)
	for _, o := range []ShadowOptions{
		{From: -0.1}, {To: 1.1}, {From: 0.5, To: 0.4}, {Requests: -1}, {Requests: 2},
		{From: math.NaN()}, {To: math.NaN()}, {Requests: math.NaN()},
	} {
		_, err := Shadow(&fake{}, &fake{}, o, b)
		require.ErrorIs(t, err, ErrFraction, "%+v", o)
	}
}
