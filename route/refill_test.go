package route

import (
	"testing"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestRefillExptime(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	const unknown, month = -2, 30 * 24 * 60 * 60
	for name, c := range map[string]struct {
		left int64 // seconds, -1 for ever
		ttl  time.Duration
		want int64
		ok   bool
	}{
		"the time left": {1000, 0, 1000, true},
		"for ever":      {-1, 0, 0, true},
		"the last second: no 0, which is for ever": {0, 0, 0, false},
		"a month is counted from now":              {month, 0, month, true},
		"more than a month is a time":              {month + 1, 0, 1_700_000_000 + month + 1, true},
		"not known":                                {unknown, 0, 0, false},
		"not known, but given":                     {unknown, time.Minute, 60, true},
		"given, and less than is left":             {1000, time.Minute, 60, true},
		"given, but less is left":                  {10, time.Minute, 10, true},
		"given, of what lasts for ever":            {-1, time.Minute, 60, true},
		"given, in the last second":                {0, time.Minute, 0, false},
		"given, past 2038":                         {100, 40 * 365 * 24 * time.Hour, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := protocol.Reply{TTL: c.left, Meta: protocol.ReturnTTL}
			if c.left == unknown {
				r = protocol.Reply{}
			}
			got, ok := refillExptime(&r, c.ttl, now)
			require.Equal(t, c.ok, ok)
			if ok {
				require.Equal(t, c.want, got)
			}
		})
	}
}

// What is read for a refill comes back as the caller asked for it.
func TestReadToRefill(t *testing.T) {
	n := newTier(t)
	n.put("k", "v", 7, 1000)
	op := asks(protocol.GetAndTouch, "k")
	op.Request.Exptime, op.Request.Value, op.Dst = 5, nil, []byte("before ")
	op.Request.Meta = readFlags
	sent := op.Request
	adds := readToRefill(t.Context(), []*Op{op, get("absent")}, func(*Op) Route { return n.node }, 0)
	require.Equal(t, sent, op.Request)
	require.Equal(t, "before v", string(op.Value))
	require.Nil(t, adds[1])
	require.Equal(t, protocol.Add, adds[0].Request.Command)
	require.Equal(t, "v", string(adds[0].Request.Value))
	require.Equal(t, uint32(7), adds[0].Request.Flags)
	require.InDelta(t, 1000, adds[0].Request.Exptime, 2)
	require.InDelta(t, 1000, n.item("k").Reply.TTL, 2, "the read does not touch")
}

func TestReadToRefillOfClassicText(t *testing.T) {
	n := newTier(t, memcachetest.WithVersion("1.5.22"), memcachetest.WithoutMeta())
	set := store(protocol.Set, "k", "v")
	set.Request.Exptime, set.Request.Flags = 1000, 7
	do(n.node, set)
	from := func(*Op) Route { return n.node }
	op := get("k")
	require.Nil(t, readToRefill(t.Context(), []*Op{op}, from, 0)[0], "it might stay for ever")
	require.Equal(t, "v", string(op.Value))
	add := readToRefill(t.Context(), []*Op{op}, from, time.Minute)[0]
	require.Equal(t, int64(60), add.Request.Exptime)
	require.Equal(t, uint32(7), add.Request.Flags)
}

// A value that is stale or being made anew is returned and not copied; one that is not made yet is a miss.
func TestReadToRefillOfLeasedItems(t *testing.T) {
	n := newTier(t)
	from := func(*Op) Route { return n.node }
	n.put("stale", "old", 0, 0)
	mark := store(protocol.Delete, "stale", "")
	mark.Request.Meta, mark.Request.Exptime = protocol.Invalidate|protocol.UpdateTTL, 30
	require.Equal(t, protocol.OK, status(t, asked(n.node, mark)))
	lease := get("made")
	lease.Request.Meta |= protocol.Vivify
	lease.Request.VivifyTTL = 30
	require.True(t, asked(n.node, lease).Reply.Has(protocol.Won))

	ops := gets("stale", "made")
	for range 2 { // the first may win, the second finds it busy
		require.Equal(t, []*Op{nil, nil}, readToRefill(t.Context(), ops, from, time.Minute))
		require.Equal(t, "old", string(ops[0].Value))
		require.True(t, ops[0].Reply.Has(protocol.Stale))
		require.Equal(t, protocol.Miss, status(t, ops[1]))
	}
}

func TestPartsAreChecked(t *testing.T) {
	f, b := &fake{}, NewBackground(1)
	defer b.Close()
	m := Migration{Start: time.Now()}
	for name, build := range map[string]func(a, b Route, bg *Background) (Route, error){
		"warm-up": func(a, b Route, bg *Background) (Route, error) { return WarmUp(a, b, 0, bg) },
		"l1-l2":   func(a, b Route, bg *Background) (Route, error) { return L1L2(a, b, L1L2Options{}, bg) },
		"by size": func(a, b Route, bg *Background) (Route, error) { return L1L2SizeSplit(a, b, SizeSplitOptions{}, bg) },
		"staging": Staging,
		"shadow":  func(a, b Route, bg *Background) (Route, error) { return Shadow(a, b, ShadowOptions{}, bg) },
		"migrate": func(a, b Route, bg *Background) (Route, error) { return Migrate(a, b, m) },
		"slow":    func(a, b Route, bg *Background) (Route, error) { return SlowWarmUp(a, b, SlowWarmUpOptions{}) },
	} {
		_, err := build(nil, f, b)
		require.ErrorIs(t, err, ErrNoPart, name)
		_, err = build(f, nil, b)
		require.ErrorIs(t, err, ErrNoPart, name)
		if _, err = build(f, f, nil); name != "migrate" && name != "slow" {
			require.ErrorIs(t, err, ErrNoPart, name)
		} else {
			require.NoError(t, err)
		}
		tree, err := build(f, f, b)
		require.NoError(t, err, name)
		require.NotContains(t, Explain(tree, get("k")).String(), "route.fillUp", name)
	}
}
