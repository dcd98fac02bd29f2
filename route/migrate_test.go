package route

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/placement"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// Which route an op reaches, by the time. The key moves 7 s after the interval of 50 s.
func TestMigrate(t *testing.T) {
	const fromOnly, toOnly, both = "from", "to", "from to"
	type row struct{ get, delete, set, increment string }
	before, moves, moved, after := row{fromOnly, fromOnly, fromOnly, fromOnly}, row{fromOnly, both, both, both},
		row{toOnly, both, both, both}, row{toOnly, toOnly, toOnly, toOnly}
	for _, c := range []struct {
		name string
		at   time.Duration // from the start
		want row
	}{
		{"before the start", -time.Second, before},
		{"at the start", 0, moves},
		{"after the start", time.Second, moves},
		{"just before the key's time", 57*time.Second - 1, moves},
		{"at the key's time", 57 * time.Second, moved},
		{"after the key's time", 58 * time.Second, moved},
		{"at the end", 100 * time.Second, moved},
		{"after the end", 101 * time.Second, after},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fakes, r := fakesByName("from", "to")
				tree := built(t)(Migrate(r["from"], r["to"], Migration{
					Start: time.Now().Add(-c.at), Interval: 50 * time.Second, Hash: func(string) uint32 { return 107 },
				}))
				for op, want := range map[protocol.Command]string{
					protocol.Get: c.want.get, GetForUpdate: c.want.get,
					protocol.Delete: c.want.delete, protocol.FlushAll: c.want.delete,
					protocol.Set: c.want.set, protocol.Touch: c.want.set, protocol.GetAndTouch: c.want.set, CompareAndSwap: c.want.set,
					protocol.Increment: c.want.increment, protocol.Add: c.want.increment,
				} {
					explained := Explain(tree, asks(op, "k"))
					require.Len(t, explained.Next, map[bool]int{true: 2, false: 1}[want == both], operationName(op))
					require.NoError(t, asked(tree, asks(op, "k")).Err)
					require.Equal(t, want, whoSaw(fakes), operationName(op))
				}
			})
		})
	}
}

// A delete in the window. mcrouter answers the worse of both: for a key that one of them had, a miss.
func TestMigrateDeletes(t *testing.T) {
	ok := says(protocol.OK)
	for name, c := range map[string]struct {
		from, to func(*Op)
		want     protocol.Status // 0: a *WriteError
	}{
		"both had it":    {ok, ok, protocol.OK},
		"only from":      {ok, miss, protocol.OK},
		"only to":        {miss, ok, protocol.OK},
		"neither":        {miss, miss, protocol.Miss},
		"from fails":     {down, ok, 0},
		"to fails":       {miss, timeout, 0},
		"nobody answers": {down, timeout, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := fakes(c.from, c.to)
			op := asked(built(t)(Migrate(r[0], r[1], Migration{Start: time.Now()})), asks(protocol.Delete, "k"))
			if c.want == 0 {
				var w *WriteError
				require.ErrorAs(t, op.Err, &w)
				return
			}
			require.Equal(t, c.want, status(t, op))
		})
	}
}

// A write takes effect at the present route, and the other is cleared only of what that may have made old.
func TestMigrateWrites(t *testing.T) {
	for name, c := range map[string]struct {
		from, to func(*Op)
		op       protocol.Command
		clears   bool
		err      error
	}{
		"stored":                  {says(protocol.OK), miss, protocol.Set, true, nil},
		"stored, and not cleared": {says(protocol.OK), down, protocol.Set, true, ErrPartialWrite},
		"not stored":              {says(protocol.NotStored), miss, protocol.Add, false, nil},
		"perhaps stored":          {timeout, miss, protocol.Set, true, pool.ErrTimeout},
		"not sent":                {down, miss, protocol.Increment, false, pool.ErrNodeDown},
	} {
		t.Run(name, func(t *testing.T) {
			list, r := fakes(c.from, c.to)
			op := asked(built(t)(Migrate(r[0], r[1], Migration{Start: time.Now()})), asks(c.op, "k"))
			require.ErrorIs(t, op.Err, c.err)
			if c.clears {
				require.Equal(t, []protocol.Command{protocol.Delete}, list[1].commands())
			} else {
				require.Empty(t, list[1].seen)
			}
		})
	}
}

// Two clients whose clocks differ: whatever one writes, neither reads an older value.
func TestMigrateWithClocksThatDiffer(t *testing.T) {
	from, to := newTier(t), newTier(t)
	hash := func(string) uint32 { return 0 }
	moved := built(t)(Migrate(from.node, to.node, Migration{Start: time.Now().Add(-time.Hour - time.Second), Hash: hash}))
	moves := built(t)(Migrate(from.node, to.node, Migration{Start: time.Now().Add(-time.Hour + time.Minute), Hash: hash}))
	for _, c := range []struct{ writer, reader Route }{{moved, moves}, {moves, moved}} {
		do(c.reader, store(protocol.Set, "k", "1"))
		require.Equal(t, "1", string(asked(c.reader, get("k")).Value))
		do(c.writer, store(protocol.Set, "k", "2"))
		require.Equal(t, "2", string(asked(c.writer, get("k")).Value))
		require.Equal(t, protocol.Miss, status(t, asked(c.reader, get("k"))))
	}
}

// Every key moves once, from the end of the first interval to that of the second.
func TestMigrateMovesKeysOneByOne(t *testing.T) {
	for _, hash := range []func(string) uint32{nil, placement.SampleHash} {
		synctest.Test(t, func(t *testing.T) {
			list, r := fakes(nil, nil)
			tree := built(t)(Migrate(r[0], r[1], Migration{Start: time.Now(), Interval: 100 * time.Second, Hash: hash}))
			ops := gets(keys(1000)...)
			start, last := time.Now(), 0
			for _, c := range []struct{ at, moved int }{{0, 0}, {99, 0}, {125, 250}, {150, 500}, {175, 750}, {200, 1000}} {
				time.Sleep(time.Until(start.Add(time.Duration(c.at) * time.Second)))
				do(tree, ops...)
				atTo := len(list[1].asked())
				require.InDelta(t, c.moved, atTo-last, 60)
				last = atTo
			}
		})
	}
}

func TestMigrateBadInput(t *testing.T) {
	now := time.Now()
	for _, m := range []Migration{
		{}, {Start: now, Interval: -time.Second}, {Start: now, Interval: time.Millisecond}, {Start: now, Interval: 1500 * time.Millisecond},
		{Start: now, Interval: 1 << 62},
	} {
		_, err := Migrate(&fake{}, &fake{}, m)
		require.ErrorIs(t, err, ErrMigration)
	}
}
