package route

import (
	"testing"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// Only in L2: the value, and L1 is filled soon.
func TestL1L2Fills(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	b, wait := background(t)
	tree := built(t)(L1L2(l1.node, l2.node, L1L2Options{TTL: time.Minute}, b))
	l2.put("k", "v", 7, 0)
	require.Equal(t, "v", string(asked(tree, get("k")).Value))
	wait()
	require.Equal(t, "v", l1.value("k"))
	require.InDelta(t, 60, l1.item("k").Reply.TTL, 2)
	require.Equal(t, uint32(7), l1.item("k").Reply.Flags)

	do(tree, store(protocol.Set, "own", "v"), store(protocol.Delete, "k", ""))
	require.Equal(t, "-", l2.value("own"), "writes are L1's")
	require.Equal(t, "v", l2.value("k"), "so are deletes")
}

// L1 dead: L2's value. L2 dead and a hit in L1: L1's. Both dead: an error, of L2.
func TestL1L2WithDeadNodes(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	b, _ := background(t)
	tree := built(t)(L1L2(l1.node, l2.node, L1L2Options{NegativeTTL: time.Minute}, b))
	l1.put("in1", "1", 0, 0)
	l2.put("in2", "2", 0, 0)
	l2.server.Kill()
	require.Equal(t, "1", string(asked(tree, get("in1")).Value))
	require.Error(t, asked(tree, get("in2")).Err, "no miss: L2 has it")
	l1.server.Kill()
	op := asked(tree, get("in1"))
	require.Error(t, op.Err)
	require.Same(t, l2.node, op.Node)

	l1, l2 = newTier(t), newTier(t)
	tree = built(t)(L1L2(l1.node, l2.node, L1L2Options{NegativeTTL: time.Minute}, b))
	l2.put("in2", "2", 0, 0)
	l1.server.Kill()
	require.Equal(t, "2", string(asked(tree, get("in2")).Value))
}

// A miss on both; then L2 is set; L1 holds the marker, so 5 gets miss, and the 5th has value and L1 refreshed for the 6th.
func TestL1L2RemembersMisses(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	b, wait := background(t)
	tree := built(t)(L1L2(l1.node, l2.node, L1L2Options{TTL: time.Minute, NegativeTTL: 100 * time.Second, NegativeAsk: 5}, b))
	require.Equal(t, protocol.Miss, status(t, asked(tree, get("k"))))
	wait()
	marker := l1.item("k")
	require.Equal(t, "ncache", string(marker.Value))
	require.Equal(t, uint32(0x10000), marker.Reply.Flags)
	require.InDelta(t, 100, marker.Reply.TTL, 2)

	l2.put("k", "v", 3, 0)
	for range 5 {
		op := get("k")
		op.Request.Meta = protocol.ReturnValue // the marker is found whatever the caller asks for
		require.Equal(t, protocol.Miss, status(t, asked(tree, op)))
		require.Nil(t, op.Value)
		require.Equal(t, protocol.ReturnValue, op.Request.Meta)
		wait()
	}
	require.Equal(t, "v", string(asked(tree, get("k")).Value))
	require.Equal(t, "v", l1.value("k"))
	require.InDelta(t, 60, l1.item("k").Reply.TTL, 2)
}

// A miss that L2 confirms is remembered anew.
func TestL1L2RemembersLonger(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	b, wait := background(t)
	tree := built(t)(L1L2(l1.node, l2.node, L1L2Options{NegativeTTL: 100 * time.Second, NegativeAsk: 1}, b))
	l1.put("k", "ncache", 0x10000, 20)
	require.Equal(t, protocol.Miss, status(t, asked(tree, get("k"))))
	wait()
	require.InDelta(t, 100, l1.item("k").Reply.TTL, 2)
}

// What is stored at L1 while L2 is being asked again is newer, and stays.
func TestL1L2RefreshKeepsWhatIsNewer(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	b, wait := background(t)
	slow := &fake{answer: func(op *Op) {
		l1.put("k", "newer", 0, 0)
		do(l2.node, op)
	}}
	tree := built(t)(L1L2(l1.node, slow, L1L2Options{NegativeTTL: time.Minute, NegativeAsk: 1}, b))
	l1.put("k", "ncache", 0x10000, 20)
	l2.put("k", "older", 0, 0)
	require.Equal(t, protocol.Miss, status(t, asked(tree, get("k"))))
	wait()
	require.Equal(t, "newer", l1.value("k"))
}

// A marker is no item: in mcrouter an add fails there, an append makes a value of it, and a touch makes it stay.
func TestL1L2MarkersAreNoItems(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	b, _ := background(t)
	tree := built(t)(L1L2(l1.node, l2.node, L1L2Options{NegativeTTL: time.Minute}, b))
	for c, want := range map[protocol.Command]protocol.Status{
		protocol.Add: protocol.OK, protocol.Replace: protocol.NotStored, protocol.Append: protocol.NotStored,
		protocol.Prepend: protocol.NotStored, protocol.Increment: protocol.Miss, protocol.Touch: protocol.Miss,
		protocol.GetAndTouch: protocol.Miss, GetForUpdate: protocol.Miss, protocol.Get: protocol.Miss, protocol.Set: protocol.OK,
	} {
		l1.put("k", "ncache", 0x10000, 1000)
		l1.put("item", "5", 0, 1000)
		op, other := asks(c, "k"), asks(c, "item")
		if c == protocol.Get || c == protocol.GetAndTouch || c == GetForUpdate {
			op.Request.Meta |= readFlags
		}
		do(tree, op, other)
		require.Equal(t, want, status(t, op), operationName(c))
		if c != protocol.Add {
			require.Equal(t, protocol.OK, status(t, other), operationName(c))
		}
	}
	lease := asks(GetForUpdate, "k")
	lease.Request.Meta, lease.Request.VivifyTTL = protocol.Vivify, 30
	for _, forUpdate := range []bool{true, false} {
		l1.put("k", "ncache", 0x10000, 1000)
		lease.ForUpdate = forUpdate
		require.Equal(t, protocol.Miss, status(t, asked(tree, lease)))
		require.Nil(t, lease.Value)
	}
	l1.put("k", "ncache", 0x10001, 1000)
	require.Equal(t, protocol.Miss, status(t, asked(tree, get("k"))), "whatever else is in the flags")
}

// The bit and the value are reserved together, and the refusal is nobody's failure.
func TestL1L2RefusesImitations(t *testing.T) {
	list, r := fakes(hit("v"), miss)
	b, _ := background(t)
	tree := built(t)(L1L2(r[0], r[1], L1L2Options{NegativeTTL: time.Minute}, b))
	for _, c := range []protocol.Command{protocol.Set, protocol.Add, protocol.Replace, CompareAndSwap} {
		op, fine := asks(c, "k"), asks(protocol.Set, "other")
		op.Request.Flags, op.Request.Value = 0x10002, []byte("ncache")
		fine.Request.Flags = 0x10000
		do(tree, op, fine)
		require.ErrorIs(t, op.Err, ErrReservedFlags)
		require.Equal(t, FailRequest, FailureOf(op.Err))
		require.NoError(t, fine.Err)
	}
	require.NotContains(t, list[0].asked(), "k")
	op := asks(protocol.Set, "k")
	op.Request.Flags, op.Request.Value = 0x10000, []byte("ncache")
	require.NoError(t, asked(built(t)(L1L2(r[0], r[1], L1L2Options{}, b)), op).Err, "without NegativeTTL there is no marker")
}

// Where the node counts no CAS a marker cannot be replaced safely: it stays for its time.
func TestL1L2MarkersWithoutCAS(t *testing.T) {
	l1, l2 := newTier(t, memcachetest.WithoutCAS()), newTier(t)
	b, wait := background(t)
	tree := built(t)(L1L2(l1.node, l2.node, L1L2Options{NegativeTTL: time.Minute, NegativeAsk: 1}, b))
	l1.put("k", "ncache", 0x10000, 20)
	l2.put("k", "v", 0, 0)
	for range 3 {
		require.Equal(t, protocol.Miss, status(t, asked(tree, get("k"))))
		wait()
	}
	require.Equal(t, "ncache", l1.value("k"))
	require.Equal(t, protocol.NotStored, status(t, asked(tree, store(protocol.Add, "k", "v"))))
}

func TestL1L2BadInput(t *testing.T) {
	b, _ := background(t)
	for _, o := range []L1L2Options{{TTL: -1}, {NegativeTTL: -1}} {
		_, err := L1L2(&fake{}, &fake{}, o, b)
		require.ErrorIs(t, err, protocol.ErrInvalidTTL)
	}
	for _, o := range []L1L2Options{{NegativeAsk: 1}, {NegativeAsk: -1, NegativeTTL: 1}} {
		_, err := L1L2(&fake{}, &fake{}, o, b)
		require.ErrorIs(t, err, ErrNegativeAsk)
	}
}

func large(key string) *Op { return store(protocol.Set, key, "0123456789") }

func split(t *testing.T, l1, l2 *tier, o SizeSplitOptions) (Route, func()) {
	b, wait := background(t)
	return built(t)(L1L2SizeSplit(l1.node, l2.node, o, b)), wait
}

// Small: L1 only. Large: L1 empty with flag 0x20, L2 full; a get gives the full one. With BothFull: full in both.
func TestSizeSplit(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10})
	big := large("large")
	big.Request.Flags, big.Request.Exptime = 3, 1000
	sent := big.Request
	do(tree, store(protocol.Set, "small", "012345678"), big)
	require.NoError(t, big.Err)
	require.Equal(t, sent, big.Request)
	require.Equal(t, "012345678", l1.value("small"))
	require.Equal(t, "-", l2.value("small"))
	require.Equal(t, "", l1.value("large"))
	require.Equal(t, uint32(0x23), l1.item("large").Reply.Flags)
	require.InDelta(t, 1000, l1.item("large").Reply.TTL, 2)
	require.Equal(t, "0123456789", l2.value("large"))

	ops := gets("small", "large", "absent")
	ops[1].Dst = []byte("> ")
	do(tree, ops...)
	require.Equal(t, "012345678", string(ops[0].Value))
	require.Equal(t, "> 0123456789", string(ops[1].Value))
	require.Equal(t, uint32(3), ops[1].Reply.Flags)
	require.Equal(t, protocol.Miss, status(t, ops[2]))

	do(tree, store(protocol.Delete, "large", ""))
	require.Equal(t, protocol.Miss, status(t, asked(tree, get("large"))))
}

func TestSizeSplitBothFull(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	tree, wait := split(t, l1, l2, SizeSplitOptions{Threshold: 10, BothFull: true})
	require.NoError(t, asked(tree, large("k")).Err)
	wait()
	require.Equal(t, "0123456789", l1.value("k"))
	require.Equal(t, "0123456789", l2.value("k"))
}

// What decides where a value goes, besides its size.
func TestSizeSplitByTTL(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	never, _ := split(t, l1, l2, SizeSplitOptions{})
	do(never, large("k"))
	require.Equal(t, "-", l2.value("k"), "no threshold: all to L1")
	tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10, MinTTL: time.Minute})
	for exptime, inL2 := range map[int64]bool{
		59: false, 60: true, time.Now().Unix() + 40*24*3600: true,
		0: true, // mcrouter compares the number, so that what lasts for ever is short for it
	} {
		op := large("k")
		op.Request.Exptime = exptime
		do(l2.node, store(protocol.Delete, "k", ""))
		require.NoError(t, asked(tree, op).Err)
		require.Equal(t, inL2, l2.value("k") != "-", exptime)
	}
}

// Large, and L2 dead. A set: L1 has the value, for a while. A get: the error, and the sentinel stays, for the failure may
// pass. A get for a lease: the error, and the sentinel goes; the next one has the lease, and its value stays in L1.
func TestSizeSplitWithoutL2(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10})
	do(tree, large("k"), large("lease"))
	l2.server.Kill()
	require.Error(t, asked(tree, get("k")).Err)
	require.Error(t, asked(tree, get("k")).Err)
	lease := func() *Op {
		op := get("lease")
		op.Request.Meta |= protocol.Vivify
		op.Request.VivifyTTL = 30
		return asked(tree, op)
	}
	require.Error(t, lease().Err)
	won := lease()
	require.NoError(t, won.Err)
	require.True(t, won.Reply.Has(protocol.Won))
	refill := large("lease")
	refill.Request.Meta, refill.Request.CAS, refill.Token = protocol.Compare, won.Reply.CAS, won.Token
	require.Equal(t, protocol.OK, status(t, asked(tree, refill)))
	require.Equal(t, "0123456789", l1.value("lease"))

	for exptime, want := range map[int64]float64{0: 60, 1000: 60, 20: 20} {
		op := large("k")
		op.Request.Exptime = exptime
		require.Equal(t, protocol.OK, status(t, asked(tree, op)))
		require.Equal(t, "0123456789", l1.value("k"))
		require.InDelta(t, want, l1.item("k").Reply.TTL, 2)
		require.Equal(t, exptime, op.Request.Exptime)
	}
	l1.server.Kill()
	require.Error(t, asked(tree, large("k")).Err)
}

// A compare-and-swap of a large value replaces its sentinel; a second one with the old CAS fails.
func TestSizeSplitCompareAndSwap(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10})
	do(tree, large("k"))
	read := asked(tree, asks(GetForUpdate, "k"))
	require.Equal(t, "0123456789", string(read.Value))
	for _, want := range []protocol.Status{protocol.OK, protocol.Exists} {
		cas := asks(CompareAndSwap, "k")
		cas.Request.CAS, cas.Token, cas.Request.Value = read.Reply.CAS, read.Token, []byte("9876543210")
		require.Equal(t, want, status(t, asked(tree, cas)))
	}
	require.Equal(t, "9876543210", l1.value("k"))
	require.Equal(t, "9876543210", string(asked(tree, get("k")).Value))
}

// A sentinel is not the value: what would build on it finds nothing.
func TestSizeSplitModifiesNoSentinel(t *testing.T) {
	for c, want := range map[protocol.Command]protocol.Status{
		protocol.Append: protocol.NotStored, protocol.Prepend: protocol.NotStored,
		protocol.Increment: protocol.Miss, protocol.Decrement: protocol.Miss,
		protocol.Add: protocol.NotStored, protocol.Replace: protocol.OK, protocol.Touch: protocol.OK,
	} {
		l1, l2 := newTier(t), newTier(t)
		tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10})
		do(tree, large("k"))
		op := asks(c, "k")
		op.Request.Exptime = 50
		require.Equal(t, want, status(t, asked(tree, op)), operationName(c))
		value := map[protocol.Command]string{
			protocol.Add: "0123456789", protocol.Touch: "0123456789", protocol.Replace: "v",
		}[c]
		require.Equal(t, value, string(asked(tree, get("k")).Value), operationName(c))
	}
}

func TestSizeSplitTouches(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10})
	do(tree, large("k"), store(protocol.Set, "small", "v"))
	touch, absent, small := asks(protocol.Touch, "k"), asks(protocol.Touch, "absent"), asks(protocol.Touch, "small")
	touch.Request.Exptime, small.Request.Exptime = 50, 50
	do(tree, touch, absent, small)
	require.Equal(t, protocol.OK, status(t, touch))
	require.Equal(t, protocol.Miss, status(t, absent))
	require.Equal(t, protocol.OK, status(t, small))
	require.InDelta(t, 50, l1.item("k").Reply.TTL, 2)
	require.InDelta(t, 50, l2.item("k").Reply.TTL, 2)
	gat := asks(protocol.GetAndTouch, "k")
	gat.Request.Meta, gat.Request.Exptime = readFlags, 90
	require.Equal(t, "0123456789", string(asked(tree, gat).Value))
	require.InDelta(t, 90, l1.item("k").Reply.TTL, 2)
	require.InDelta(t, 90, l2.item("k").Reply.TTL, 2)
	l2.server.Kill()
	do(tree, touch)
	require.ErrorIs(t, touch.Err, ErrPartialWrite)
}

// A sentinel whose value L2 has lost is a miss and goes, so that an add can store.
func TestSizeSplitOfALostValue(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10})
	do(tree, large("k"))
	l2.server.Flush()
	require.Equal(t, protocol.Miss, status(t, asked(tree, get("k"))))
	require.Equal(t, protocol.OK, status(t, asked(tree, store(protocol.Add, "k", "v"))))
}

// Invalidated, a large value is stale: the first reader has the lease besides, and without the value the lease alone.
func TestSizeSplitOfStaleValues(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10})
	for _, lost := range []bool{false, true} {
		do(tree, large("k"))
		mark := asks(protocol.Delete, "k")
		mark.Request.Meta, mark.Request.Exptime = protocol.Invalidate|protocol.UpdateTTL, 30
		require.Equal(t, protocol.OK, status(t, asked(tree, mark)))
		if lost {
			l2.server.Flush()
		}
		op := get("k")
		op.Dst = []byte("> ")
		op.Request.Meta |= protocol.Vivify
		op.Request.VivifyTTL = 30
		do(tree, op)
		require.NoError(t, op.Err)
		require.True(t, op.Reply.Has(protocol.Won))
		require.Equal(t, !lost, op.Reply.Has(protocol.Stale))
		require.Equal(t, map[bool]string{false: "> 0123456789", true: "> "}[lost], string(op.Value))
		require.Zero(t, op.Reply.Flags)
		do(l1.node, store(protocol.Delete, "k", ""))
	}
}

func TestSizeSplitRefusesImitations(t *testing.T) {
	l1, l2 := newTier(t), newTier(t)
	tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10})
	op, fine := store(protocol.Set, "k", ""), store(protocol.Set, "fine", "v")
	op.Request.Flags, fine.Request.Flags = 0x21, 0x21
	do(tree, op, fine)
	require.ErrorIs(t, op.Err, ErrReservedFlags)
	require.Equal(t, FailRequest, FailureOf(op.Err))
	require.IsType(t, &pool.Error{}, op.Err)
	require.NoError(t, fine.Err)
	require.Equal(t, uint32(0x21), asked(tree, get("fine")).Reply.Flags)
	require.Equal(t, "v", string(asked(tree, get("fine")).Value))
}

func TestSizeSplitBadInput(t *testing.T) {
	b, _ := background(t)
	_, err := L1L2SizeSplit(&fake{}, &fake{}, SizeSplitOptions{Threshold: -1}, b)
	require.ErrorIs(t, err, ErrThreshold)
	for _, o := range []SizeSplitOptions{{MinTTL: -1}, {FailureTTL: -1}} {
		_, err := L1L2SizeSplit(&fake{}, &fake{}, o, b)
		require.ErrorIs(t, err, protocol.ErrInvalidTTL)
	}
}
