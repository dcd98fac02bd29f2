package route

import (
	"testing"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// A new node warms up from an old one, and serves on its own when that is gone.
func TestWarmUpOnMemcached(t *testing.T) {
	_, cold := realTier(t)
	oldNode, warm := realTier(t)
	b, wait := background(t)
	tree := built(t)(WarmUp(cold.node, warm.node, 0, b))
	for _, k := range keys(200) {
		warm.put(k, "v of "+k, 7, 1000)
	}
	ops := gets(keys(200)...)
	ops[3].ForUpdate = true
	do(tree, ops...)
	wait()
	oldNode.Kill()
	for _, op := range ops {
		require.Equal(t, "v of "+op.Request.Key, string(op.Value))
		copied := cold.item(op.Request.Key)
		require.Equal(t, "v of "+op.Request.Key, string(copied.Value))
		require.Equal(t, uint32(7), copied.Reply.Flags)
		require.InDelta(t, 1000, copied.Reply.TTL, 3)
	}
	require.Equal(t, "v of key:1", string(asked(tree, get("key:1")).Value))
	require.Error(t, asked(tree, get("absent")).Err)

	lease := get("absent")
	lease.Request.Meta |= protocol.Vivify
	lease.Request.VivifyTTL = 30
	require.True(t, asked(tree, lease).Reply.Has(protocol.Won))
}

// The lease that cold gives ends with warm's value.
func TestWarmUpOfLeasesOnMemcached(t *testing.T) {
	_, cold := realTier(t)
	_, warm := realTier(t)
	b, wait := background(t)
	tree := built(t)(WarmUp(cold.node, warm.node, 0, b))
	warm.put("k", "v", 7, 1000)
	lease := get("k")
	lease.Request.Meta |= protocol.Vivify
	lease.Request.VivifyTTL = 30
	require.Equal(t, "v", string(asked(tree, lease).Value))
	wait()
	require.Equal(t, "v", cold.value("k"))
	require.InDelta(t, 1000, cold.item("k").Reply.TTL, 3)
	require.Zero(t, cold.item("k").Reply.Meta&leaseMarks)
}

// Near tier and far one: filled, misses remembered, and the far one's value read when the near one is gone.
func TestL1L2OnMemcached(t *testing.T) {
	near, l1 := realTier(t)
	_, l2 := realTier(t)
	b, wait := background(t)
	tree := built(t)(L1L2(l1.node, l2.node, L1L2Options{TTL: time.Minute, NegativeTTL: time.Minute, NegativeAsk: 2}, b))
	l2.put("k", "v", 7, 0)
	do(tree, gets("k", "absent")...)
	wait()
	require.Equal(t, "v", l1.value("k"))
	require.Equal(t, "ncache", l1.value("absent"))
	l2.put("absent", "here", 0, 0)
	for range 2 {
		require.Equal(t, protocol.Miss, status(t, asked(tree, get("absent"))))
		wait()
	}
	require.Equal(t, "here", string(asked(tree, get("absent")).Value))
	l1.put("k", "ncache", 0x10000, 1000)
	require.Equal(t, protocol.OK, status(t, asked(tree, store(protocol.Add, "k", "added"))))
	require.Equal(t, "added", string(asked(tree, get("k")).Value))
	near.Kill()
	require.Equal(t, "v", string(asked(tree, get("k")).Value))
}

// Large values outlive a failing L2 for a while.
func TestSizeSplitOnMemcached(t *testing.T) {
	_, l1 := realTier(t)
	far, l2 := realTier(t)
	tree, _ := split(t, l1, l2, SizeSplitOptions{Threshold: 10})
	do(tree, large("k"), large("other"), large("cas"))
	require.Equal(t, "0123456789", string(asked(tree, get("k")).Value))
	require.Equal(t, uint32(0x20), l1.item("k").Reply.Flags)
	read := asked(tree, asks(GetForUpdate, "cas"))
	cas := asks(CompareAndSwap, "cas")
	cas.Request.CAS, cas.Token = read.Reply.CAS, read.Token
	require.Equal(t, protocol.OK, status(t, asked(tree, cas)))
	require.Equal(t, protocol.NotStored, status(t, asked(tree, store(protocol.Append, "other", "more"))))
	far.Kill()
	require.Error(t, asked(tree, get("k")).Err)
	require.NoError(t, asked(tree, large("k")).Err)
	require.Equal(t, "0123456789", string(asked(tree, get("k")).Value))
	require.InDelta(t, 60, l1.item("k").Reply.TTL, 3)
	require.Equal(t, "v", string(asked(tree, get("cas")).Value))
}

// Keys move while they are read and written: nobody reads an old value, and afterwards the old node can go.
func TestMigrateOnMemcached(t *testing.T) {
	old, from := realTier(t)
	_, to := realTier(t)
	b, wait := background(t)
	now := time.Now()
	// by the keys' second half: key:0 … of even length stay, the others have moved
	hash := func(key string) uint32 { return uint32(len(key)%2) * 1800 }
	warmed := built(t)(WarmUp(to.node, from.node, 0, b))
	tree := built(t)(Migrate(from.node, warmed, Migration{Start: now.Add(-time.Hour - 15*time.Minute), Hash: hash}))
	for _, k := range keys(100) {
		from.put(k, "old", 0, 0)
	}
	ops := gets(keys(100)...)
	do(tree, ops...)
	wait()
	for _, op := range ops {
		require.Equal(t, "old", string(op.Value))
		require.Equal(t, len(op.Request.Key)%2 == 0, to.value(op.Request.Key) == "old", "moved keys are copied")
	}
	for _, k := range keys(100) {
		require.NoError(t, asked(tree, store(protocol.Set, k, "new")).Err)
		require.Equal(t, "new", string(asked(tree, get(k)).Value))
		require.Equal(t, 1, len(from.value(k)+to.value(k))-len("new"), "one has it, the other a miss")
	}
	do(tree, store(protocol.Delete, "key:1", ""), store(protocol.Delete, "key:10", ""))
	require.Equal(t, "----", from.value("key:1")+to.value("key:1")+from.value("key:10")+to.value("key:10"))
	old.Kill()
	require.Equal(t, "new", string(asked(tree, get("key:12")).Value))
	over := built(t)(Migrate(from.node, to.node, Migration{Start: now.Add(-3 * time.Hour), Hash: hash}))
	require.NoError(t, asked(over, store(protocol.Delete, "key:12", "")).Err)
}

// A stage follows, gone or not; a shadow sees copies; a slow warm-up spares a target that restarted empty.
func TestStagingAndShadowOnMemcached(t *testing.T) {
	_, warm := realTier(t)
	staged, stage := realTier(t)
	_, shadow := realTier(t)
	b, wait := background(t)
	tree := built(t)(Shadow(built(t)(Staging(warm.node, stage.node, b)), shadow.node, ShadowOptions{To: 1}, b))
	warm.put("k", "v", 7, 1000)
	do(tree, get("k"), store(protocol.Set, "new", "n"))
	wait()
	require.Equal(t, "vn", stage.value("k")+stage.value("new"))
	require.InDelta(t, 1000, stage.item("k").Reply.TTL, 3)
	require.Equal(t, "n", shadow.value("new"))
	staged.Kill()
	require.Equal(t, "v", string(asked(tree, get("k")).Value))
	require.NoError(t, asked(tree, store(protocol.Set, "new", "n2")).Err)
	wait()
}

func TestSlowWarmUpOnMemcached(t *testing.T) {
	real, target := realTier(t)
	_, fallback := realTier(t)
	tree := built(t)(SlowWarmUp(target.node, fallback.node, SlowWarmUpOptions{MinRequests: 50}))
	both := AllSync(Fixed(target.node, fallback.node))
	for _, k := range keys(100) {
		do(both, store(protocol.Set, k, "v"))
	}
	served := func() (hits int) {
		ops := gets(keys(100)...)
		do(tree, ops...)
		for _, op := range ops {
			if op.Err == nil && op.Reply.Status == protocol.OK {
				hits++
			}
		}
		return hits
	}
	for range 10 {
		require.Equal(t, 100, served())
	}
	require.NoError(t, real.Restart())
	for range 20 {
		served()
	}
	require.Greater(t, served(), 60, "the fallback answers most")
}
