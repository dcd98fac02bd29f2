package rulestore

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
)

func TestFollowerHandsOnNewTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		f := follow(t, Config{Store: store})
		wait(5 * time.Second)
		tables, events := f.said()
		require.Equal(t, []*hotkey.Table{nil}, tables, "that there are no rules is known from then on")
		require.Empty(t, events, "that nobody has published yet is no trouble")

		first := table(t, 1, "k")
		store.set(first, nil)
		wait(1200 * time.Millisecond)
		tables, _ = f.said()
		require.Equal(t, []*hotkey.Table{first}, tables)
		wait(10 * time.Second)
		tables, _ = f.said()
		require.Empty(t, tables, "nothing has changed")

		store.set(table(t, 1, "l"), nil)
		wait(1200 * time.Millisecond)
		tables, events = f.said()
		require.Len(t, tables, 1, "other contents with the same header count: files need no epochs")
		require.Empty(t, events)
		require.Equal(t, []string{"l"}, keysOf(f.Table()))
		require.Equal(t, 1, f.Status().Rules)
		require.Equal(t, uint64(3), f.Status().Changes)
		require.True(t, f.Status().Settled)
		require.Equal(t, []string{"l"}, keysOf(f.InForce()))
	})
}

func TestLooksAreSpreadInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		follow(t, Config{Store: store})
		wait(time.Minute)
		for i := range store.looks[1:] {
			pause := store.looks[i+1].Sub(store.looks[i])
			require.GreaterOrEqual(t, pause, 800*time.Millisecond)
			require.LessOrEqual(t, pause, 1200*time.Millisecond)
		}
		require.InDelta(t, 60, len(store.looks), 10)
	})
}

func TestLastGoodTableStays(t *testing.T) {
	wrong := &hotkey.TableError{Place: "rules[0].do", What: "unknown"}
	for name, c := range map[string]struct {
		table func(*testing.T) *hotkey.Table
		err   error
		want  error
	}{
		"store down":     {err: errDown, want: errDown},
		"store vanished": {err: ErrNoTable, want: ErrNoTable},
		"not valid":      {err: wrong, want: hotkey.ErrBadTable},
		"older":          {table: func(t *testing.T) *hotkey.Table { return table(t, 4, "old") }, want: ErrOlder},
		"reserved key":   {table: func(t *testing.T) *hotkey.Table { return table(t, 6, "k", "~rules") }, want: hotkey.ErrBadTable},
		"reserved prefix": {table: func(t *testing.T) *hotkey.Table {
			return tableOf(t, hotkey.Header{Epoch: 6}, hotkey.Rule{Prefix: "~", Action: hotkey.Action{Kind: hotkey.Deny}})
		}, want: hotkey.ErrBadTable},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				good := table(t, 5, "k")
				store := &memory{table: good}
				f := follow(t, Config{Store: store, Nodes: []string{"a", "b"}})
				wait(0)
				f.said()

				var bad *hotkey.Table
				if c.table != nil {
					bad = c.table(t)
				}
				store.set(bad, c.err)
				wait(10 * time.Second)
				tables, events := f.said()
				require.Empty(t, tables, "the last good one stays")
				require.Same(t, good, f.Table())
				require.Len(t, events, 1, "each reason is told once")
				require.ErrorIs(t, events[0].Err, c.want)
				st := f.Status()
				require.ErrorIs(t, st.LastErr, c.want)
				require.Equal(t, uint64(5), st.Header.Epoch)
				require.GreaterOrEqual(t, st.Failures, 8)
				require.InDelta(t, 10, st.Age.Seconds(), 1.3)

				store.set(good, nil)
				wait(1200 * time.Millisecond)
				_, events = f.said()
				require.Len(t, events, 1)
				require.NoError(t, events[0].Err)
				require.Equal(t, st.Failures, events[0].Failures)
				require.Zero(t, f.Status().Age)

				store.set(table(t, 6, "l"), nil)
				wait(1200 * time.Millisecond)
				require.Equal(t, []string{"l"}, keysOf(f.Table()))
			})
		})
	}
}

// One of three nodes is down: its error is told, and the table of the others is used.
func TestTableBesideAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{table: table(t, 1, "k"), err: errDown}
		f := follow(t, Config{Store: store})
		wait(0)
		tables, events := f.said()
		require.Len(t, tables, 1)
		require.ErrorIs(t, events[0].Err, errDown)
	})
}

func TestExpiryEndsRulesAndTables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		rules := keep("a", "b", "c")
		rules[0].Expires = start.Add(3500 * time.Millisecond)
		rules[1].Expires = start.Add(10 * time.Second)
		store := &memory{table: tableOf(t, hotkey.Header{Epoch: 5, Expires: start.Add(time.Minute)}, rules...)}
		f := follow(t, Config{Store: store})
		wait(0)
		require.Len(t, keysOf(f.Table()), 3)
		store.mu.Lock()
		store.delay, store.err = time.Hour, errDown // hangs: what expires ends all the same, and in time
		store.mu.Unlock()

		wait(3500*time.Millisecond - 1)
		require.Equal(t, []string{"a", "b", "c"}, keysOf(f.Table()))
		wait(1)
		require.Equal(t, []string{"b", "c"}, keysOf(f.Table()))
		wait(6500 * time.Millisecond)
		require.Equal(t, []string{"c"}, keysOf(f.Table()))
		f.said()
		wait(50 * time.Second)
		require.Nil(t, f.Table())
		tables, _ := f.said()
		require.Equal(t, []*hotkey.Table{nil}, tables, "handed on once")

		store.mu.Lock()
		store.delay, store.err, store.table = 0, nil, table(t, 4, "old")
		store.mu.Unlock()
		wait(time.Minute)
		require.Nil(t, f.Table(), "what had been replaced does not come back")
		require.ErrorIs(t, f.Status().LastErr, ErrOlder)
	})
}

// An answer of the store that comes as something expires, or a step of the clock, does not make it be forgotten.
func TestExpiryThatWasNotNoticed(t *testing.T) {
	now := time.Now()
	rules := keep("a", "b")
	rules[0].Expires = now.Add(time.Minute)
	f, err := NewFollower(Config{Store: &memory{}})
	require.NoError(t, err)
	require.Equal(t, time.Hour, f.nextExpiry(now), "no table")
	f.take(answer{table: tableOf(t, hotkey.Header{}, rules...)}, func(*hotkey.Table) {})
	require.Equal(t, time.Minute, f.nextExpiry(now))
	require.Zero(t, f.nextExpiry(now.Add(2*time.Minute)))
}

func TestTableOfAnotherView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		others := hotkey.Header{Epoch: 1, View: View([]string{"a", "b", "c"})}
		rules := append(keep("kept"), pin("pinned", "c"))
		f := follow(t, Config{Store: &memory{table: tableOf(t, others, rules...)}, Nodes: []string{"a", "b"}})
		wait(0)
		require.Equal(t, []string{"kept"}, keysOf(f.Table()))
		require.NoError(t, f.Status().LastErr)
		f.SetNodes([]string{"c", "b", "a"})
		wait(0)
		require.Equal(t, []string{"kept", "pinned"}, keysOf(f.Table()))
		f.SetNodes([]string{"a", "b"})
		wait(0)
		require.Equal(t, []string{"kept"}, keysOf(f.Table()))
	})
}

func TestNodesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		any := tableOf(t, hotkey.Header{Epoch: 1}, append(keep("kept"), pin("pinned", "c"))...)
		f := follow(t, Config{Store: &memory{table: any}})
		wait(0)
		require.Equal(t, []string{"kept"}, keysOf(f.Table()), "which nodes there are is not known yet")
		f.SetNodes([]string{"a", "c"})
		wait(0)
		require.Equal(t, []string{"kept", "pinned"}, keysOf(f.Table()))
		f.SetNodes([]string{"a"})
		wait(5 * time.Second)
		require.Equal(t, []string{"kept"}, keysOf(f.Table()), "a node that left takes its rules with it")
		require.Zero(t, f.Status().Failed, "and the table, which had been good, is not refused")
	})
}

// Discovery and the store do not tell of a node at the same time. What waits for it keeps nothing else waiting.
func TestARuleWaitsForItsNode(t *testing.T) {
	for name, view := range map[string]string{"any view": "", "this view": View([]string{"old", "older"})} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules := append(keep("kept"), pin("k", "new"), pin("l", "old"))
				store := &memory{table: tableOf(t, hotkey.Header{Epoch: 1, View: view}, rules...)}
				f := follow(t, Config{Store: store, Nodes: []string{"old", "older"}})
				wait(10 * time.Second)
				tables, events := f.said()
				require.Len(t, tables, 1)
				require.Equal(t, []string{"kept", "l"}, keysOf(f.Table()))
				require.Equal(t, []string{"kept", "k", "l"}, keysOf(f.InForce()))
				require.Len(t, events, 1, "it is told once")
				require.ErrorIs(t, events[0].Err, hotkey.ErrBadTable)
				require.Positive(t, f.Status().Failures)

				f.SetNodes([]string{"old", "older", "new"})
				wait(2 * time.Second)
				if view == "" {
					require.Equal(t, []string{"kept", "k", "l"}, keysOf(f.Table()))
				}
				_, events = f.said()
				require.Len(t, events, 1)
				require.NoError(t, events[0].Err, "all is well again")
			})
		})
	}
}

func TestAHangingStoreIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{table: table(t, 1), delay: time.Hour}
		f := follow(t, Config{Store: store})
		wait(2 * time.Second)
		require.ErrorIs(t, f.Status().LastErr, context.DeadlineExceeded)
	})
}

// pushed is a store that says when it has changed, until its connection breaks.
type pushed struct {
	memory
	says   chan struct{}
	breaks chan struct{}
	begun  int
}

func (p *pushed) Notify(ctx context.Context, changed func()) error {
	p.begun++
	for {
		select {
		case <-p.says:
			changed()
		case <-p.breaks:
			return errors.New("the connection broke")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func TestPushedChangesAreSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &pushed{says: make(chan struct{}), breaks: make(chan struct{})}
		f := follow(t, Config{Store: store})
		wait(100 * time.Millisecond)
		store.set(table(t, 1, "k"), nil)
		store.says <- struct{}{}
		wait(0)
		require.Equal(t, []string{"k"}, keysOf(f.Table()))

		store.breaks <- struct{}{}
		store.set(table(t, 2, "l"), nil)
		wait(1200 * time.Millisecond)
		require.Equal(t, []string{"l"}, keysOf(f.Table()), "a lost connection costs time only")
		require.Equal(t, 2, store.begun)
		store.set(table(t, 3, "m"), nil)
		store.says <- struct{}{}
		wait(0)
		require.Equal(t, []string{"m"}, keysOf(f.Table()))
	})
}

// lazy is a store that is never to be asked.
type lazy struct{ memory }

func (*lazy) Interval() time.Duration { return 0 }

func TestBadConfig(t *testing.T) {
	for _, cfg := range []Config{{}, {Store: &lazy{}}, {Store: &memory{}, Timeout: -1}} {
		_, err := NewFollower(cfg)
		require.ErrorIs(t, err, ErrBadConfig)
	}
}

func TestUpdate(t *testing.T) {
	store := &memory{}
	add := func(key string) func(*Draft) error {
		return func(d *Draft) error { d.Rules = append(d.Rules, keep(key)...); return nil }
	}
	made, err := Update(t.Context(), store, "me", add("a"))
	require.NoError(t, err)
	require.Equal(t, hotkey.Header{Epoch: 1, Controller: "me"}, made.Header())
	made, err = Update(t.Context(), store, "you", add("b"))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, keysOf(made))

	for name, edit := range map[string]func(*Draft) error{
		"reserved": add("~rules"), "twice": add("a"), "own": func(*Draft) error { return errDown },
		"too old": func(d *Draft) error { d.Header.Epoch = 1; return nil },
	} {
		before := store.table
		made, err = Update(t.Context(), store, "me", edit)
		require.Error(t, err, name)
		require.Nil(t, made)
		require.Same(t, before, store.holds())
	}
	store.set(store.table, nil)
	store.set(nil, errDown)
	_, err = Update(t.Context(), store, "me", add("c"))
	require.ErrorIs(t, err, errDown)
}

// Who names a node that is not there is told so at once; what is in the table already keeps nobody from changing the rest.
func TestUpdateRefusesUnknownNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{table: tableOf(t, hotkey.Header{Epoch: 1}, pin("gone", "c"))}
		f := follow(t, Config{Store: store, Nodes: []string{"a", "b"}})
		wait(0)
		put := func(rules ...hotkey.Rule) error {
			_, err := f.Update(t.Context(), "me", func(d *Draft) error {
				for _, r := range rules {
					d.Put(r)
				}
				return nil
			})
			return err
		}
		err := put(pin("k", "a"), pin("l", "nowhere"))
		var bad *hotkey.TableError
		require.ErrorAs(t, err, &bad)
		require.Equal(t, "rules[2].nodes[0]", bad.Place)
		require.Equal(t, uint64(1), store.table.Header().Epoch, "nothing was changed")
		require.NoError(t, put(pin("k", "a")))
		require.Equal(t, []string{"gone", "k"}, keysOf(store.table))
	})
}

func TestUpdateDropsWhatHasExpired(t *testing.T) {
	past := time.Now().Add(-time.Second)
	rules := keep("a", "b")
	rules[0].Expires = past
	store := &memory{table: tableOf(t, hotkey.Header{Epoch: 7}, rules...)}
	made, err := Update(t.Context(), store, "me", func(*Draft) error { return nil })
	require.NoError(t, err)
	require.Equal(t, []string{"b"}, keysOf(made))
	store.set(tableOf(t, hotkey.Header{Epoch: 7, Expires: past}, rules...), nil)
	made, err = Update(t.Context(), store, "me", func(*Draft) error { return nil })
	require.NoError(t, err)
	require.Empty(t, keysOf(made))
	require.Equal(t, hotkey.Header{Epoch: 8, Controller: "me"}, made.Header())
}
