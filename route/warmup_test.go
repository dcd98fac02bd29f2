package route

import (
	"testing"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// Who is asked for what, and what the caller gets. "warm up" in mcrouter's tests: the first two rows.
func TestWarmUpOfOneOp(t *testing.T) {
	type commands = []protocol.Command
	const Get, Add, Set = protocol.Get, protocol.Add, protocol.Set
	var none commands
	for name, c := range map[string]struct {
		op         protocol.Command
		cold, warm func(*Op)
		value      string // "-": a miss, "!": an error
		askedCold  commands
		askedWarm  commands
	}{
		"cold misses, warm hits":                {Get, miss, hit("a"), "a", commands{Get, Add}, commands{Get}},
		"cold hits":                             {Get, hit("b"), hit("a"), "b", commands{Get}, none},
		"both miss":                             {Get, miss, miss, "-", commands{Get}, commands{Get}},
		"cold misses, warm fails":               {Get, miss, down, "!", commands{Get}, commands{Get}},
		"cold fails: nothing is added":          {Get, down, hit("a"), "a", commands{Get}, commands{Get}},
		"cold hangs, warm misses":               {Get, timeout, miss, "-", commands{Get}, commands{Get}},
		"both fail":                             {Get, down, timeout, "!", commands{Get}, commands{Get}},
		"an invalid request is nobody's":        {Get, failsWith("a", pool.NotSent, protocol.ErrKeyEmpty), hit("a"), "!", commands{Get}, none},
		"for update: a failure is cold's":       {GetForUpdate, down, hit("a"), "!", commands{Get}, none},
		"for update: warm misses":               {GetForUpdate, miss, miss, "-", commands{Get}, commands{Get}},
		"for update: warm fails":                {GetForUpdate, miss, down, "!", commands{Get}, commands{Get}},
		"for update: cold is asked again":       {GetForUpdate, miss, hit("a"), "-", commands{Get, Add, Get}, commands{Get}},
		"get and touch: warm is not touched":    {protocol.GetAndTouch, miss, hit("a"), "-", commands{protocol.GetAndTouch, Add, protocol.GetAndTouch}, commands{Get}},
		"delete":                                {protocol.Delete, miss, hit("a"), "-", commands{protocol.Delete}, none},
		"set":                                   {Set, says(protocol.OK), nil, "", commands{Set}, none},
		"append":                                {protocol.Append, says(protocol.NotStored), nil, "", commands{protocol.Append}, none},
		"prepend":                               {protocol.Prepend, says(protocol.NotStored), nil, "", commands{protocol.Prepend}, none},
		"touch":                                 {protocol.Touch, miss, nil, "-", commands{protocol.Touch}, none},
		"increment":                             {protocol.Increment, miss, nil, "-", commands{protocol.Increment}, none},
		"add: takes effect at cold":             {Add, says(protocol.OK), nil, "", commands{Add}, none},
		"compare and swap: a miss is an answer": {CompareAndSwap, miss, nil, "-", commands{Set}, none},
	} {
		t.Run(name, func(t *testing.T) {
			list, r := fakes(c.cold, c.warm)
			b, wait := background(t)
			op := asks(c.op, "k")
			sent := op.Request
			do(built(t)(WarmUp(r[0], r[1], time.Minute, b)), op)
			wait()
			require.Equal(t, c.askedCold, list[0].commands())
			require.Equal(t, c.askedWarm, list[1].commands())
			require.Equal(t, sent, op.Request)
			switch c.value {
			case "!":
				require.Error(t, op.Err)
			case "-":
				require.Equal(t, protocol.Miss, status(t, op))
			default:
				require.NoError(t, op.Err)
				require.Equal(t, c.value, string(op.Value))
			}
			for _, r := range list[0].seen[1:] {
				if r.Command == Add {
					require.Equal(t, int64(60), r.Exptime) // mcrouter's row says 1; here a second is two, see protocol.Exptime
				}
			}
		})
	}
}

// The copy expires when the original does: at its time, at a time further away than a month, or never.
func TestWarmUpKeepsTheTimeLeft(t *testing.T) {
	for name, exptime := range map[string]int64{"1000": 1000, "100": 100, "month": time.Now().Unix() + 40*24*3600, "never": 0} {
		cold, warm := newTier(t), newTier(t)
		b, wait := background(t)
		tree := built(t)(WarmUp(cold.node, warm.node, 0, b))
		warm.put("k", "v", 7, exptime)
		require.Equal(t, "v", string(asked(tree, get("k")).Value))
		wait()
		require.InDelta(t, warm.item("k").Reply.TTL, cold.item("k").Reply.TTL, 2, name)
		require.Equal(t, uint32(7), cold.item("k").Reply.Flags)
	}
}

func TestWarmUpFromClassicText(t *testing.T) {
	cold, warm := newTier(t), newTier(t, memcachetest.WithVersion("1.5.22"), memcachetest.WithoutMeta())
	b, wait := background(t)
	do(warm.node, store(protocol.Set, "k", "v"))
	tree := built(t)(WarmUp(cold.node, warm.node, 0, b))
	require.Equal(t, "v", string(asked(tree, get("k")).Value))
	require.Equal(t, protocol.Miss, status(t, asked(tree, asks(GetForUpdate, "k"))), "no CAS of warm's")
	wait()
	require.Equal(t, "-", cold.value("k"))

	tree = built(t)(WarmUp(cold.node, warm.node, time.Minute, b))
	require.Equal(t, "v", string(asked(tree, get("k")).Value))
	wait()
	require.InDelta(t, 60, cold.item("k").Reply.TTL, 2)
}

// What is read for update is cold's, so it can be compared there; in mcrouter too.
func TestWarmUpForUpdate(t *testing.T) {
	cold, warm := newTier(t), newTier(t)
	b, _ := background(t)
	tree := built(t)(WarmUp(cold.node, warm.node, 0, b))
	warm.put("k", "v", 0, 1000)
	read := asked(tree, asks(GetForUpdate, "k"))
	require.Equal(t, "v", string(read.Value))
	require.Same(t, cold.node, read.Node)
	cas := asks(CompareAndSwap, "k")
	cas.Request.CAS, cas.Token, cas.Request.Value = read.Reply.CAS, read.Token, []byte("new")
	require.Equal(t, protocol.OK, status(t, asked(tree, cas)))
	require.Equal(t, "new", cold.value("k"))
	require.Equal(t, "v", warm.value("k"))

	warm.put("touched", "v", 0, 1000)
	gat := asks(protocol.GetAndTouch, "touched")
	gat.Request.Meta, gat.Request.Value, gat.Request.Exptime = readFlags, nil, 50
	require.Equal(t, "v", string(asked(tree, gat).Value))
	require.InDelta(t, 50, cold.item("touched").Reply.TTL, 2)
	require.InDelta(t, 1000, warm.item("touched").Reply.TTL, 2)
}

// A CAS that a plain get has from warm means nothing at cold.
func TestWarmUpRefusesWarmsCAS(t *testing.T) {
	cold, warm := newTier(t), newTier(t)
	b, wait := background(t)
	tree := built(t)(WarmUp(cold.node, warm.node, 0, b))
	warm.put("k", "v", 0, 0)
	read := asked(tree, get("k"))
	wait()
	cas := asks(CompareAndSwap, "k")
	cas.Request.CAS, cas.Token = read.Reply.CAS, read.Token
	require.ErrorIs(t, asked(tree, cas).Err, pool.ErrForeignCAS)
	require.Equal(t, "v", cold.value("k"))
}

// Lease, absent in both: no value and the lease. Only in warm: the value, no lease, and cold filled with the time left.
func TestWarmUpOfLeases(t *testing.T) {
	cold, warm := newTier(t), newTier(t)
	b, wait := background(t)
	tree := built(t)(WarmUp(cold.node, warm.node, 0, b))
	lease := func(key string) *Op {
		op := get(key)
		op.Dst = []byte("> ")
		op.Request.Meta |= protocol.Vivify
		op.Request.VivifyTTL = 30
		return asked(tree, op)
	}
	absent := lease("absent")
	require.True(t, absent.Reply.Has(protocol.Won))
	require.Equal(t, "> ", string(absent.Value))
	require.Same(t, cold.node, absent.Node)
	require.True(t, lease("absent").Reply.Has(protocol.Busy), "somebody else's now: an answer")

	warm.put("k", "v", 7, 1000)
	found := lease("k")
	require.Equal(t, "> v", string(found.Value))
	require.Zero(t, found.Reply.Meta&leaseMarks)
	wait()
	require.Equal(t, "v", cold.value("k"))
	require.Equal(t, uint32(7), cold.item("k").Reply.Flags)
	require.InDelta(t, 1000, cold.item("k").Reply.TTL, 2)

	warm.put("stale", "old", 0, 0)
	mark := asks(protocol.Delete, "stale")
	mark.Request.Meta, mark.Request.Exptime = protocol.Invalidate|protocol.UpdateTTL, 30
	do(warm.node, mark)
	stale := lease("stale")
	require.True(t, stale.Reply.Has(protocol.Won), "nothing that could end the lease: it is the reader's")
	require.Same(t, cold.node, stale.Node)
	require.Equal(t, "> ", string(stale.Value))

	warm.server.Kill()
	failed := lease("other")
	require.NoError(t, failed.Err)
	require.True(t, failed.Reply.Has(protocol.Won), "the lease stands, whatever warm does")
}

// Of a batch only what cold misses asks warm, together, and is added together.
func TestWarmUpOfABatch(t *testing.T) {
	cold, warm := newTier(t), newTier(t)
	b, wait := background(t)
	tree := built(t)(WarmUp(cold.node, warm.node, 0, b))
	for _, k := range keys(100) {
		warm.put(k, "warm", 0, 0)
	}
	cold.put("key:7", "cold", 0, 0)
	ops := gets(append(keys(100), "absent")...)
	ops[50].ForUpdate = true
	do(tree, ops...)
	for i, op := range ops[:100] {
		want := "warm"
		if i == 7 {
			want = "cold"
		}
		require.Equal(t, want, string(op.Value), op.Request.Key)
	}
	require.Same(t, cold.node, ops[50].Node)
	require.Equal(t, protocol.Miss, status(t, ops[100]))
	wait()
	for i := range 100 {
		require.NotEqual(t, "-", cold.value(ops[i].Request.Key))
	}
}

// An add must not undo what was stored at cold meanwhile.
func TestWarmUpAddsOnly(t *testing.T) {
	cold, warm := newTier(t), newTier(t)
	b, wait := background(t)
	first := &fake{answer: func(op *Op) {
		do(cold.node, op)
		if op.Request.Command == protocol.Get {
			cold.put("k", "newer", 0, 0)
		}
	}}
	warm.put("k", "older", 0, 0)
	do(built(t)(WarmUp(first, warm.node, 0, b)), get("k"))
	wait()
	require.Equal(t, "newer", cold.value("k"))
}

func TestWarmUpBadInput(t *testing.T) {
	b, _ := background(t)
	for _, ttl := range []time.Duration{-1, 60 * 365 * 24 * time.Hour} {
		_, err := WarmUp(&fake{}, &fake{}, ttl, b)
		require.ErrorIs(t, err, protocol.ErrInvalidTTL)
	}
}

// When the background is full, the caller has the value all the same.
func TestWarmUpWithoutRoom(t *testing.T) {
	_, r := fakes(miss, hit("a"))
	b := NewBackground(1)
	b.Close()
	require.Equal(t, "a", string(asked(built(t)(WarmUp(r[0], r[1], time.Minute, b)), get("k")).Value))
	require.Equal(t, uint64(1), b.Dropped())
}
