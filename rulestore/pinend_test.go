package rulestore

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
)

// ruleOf returns the rule for exactly key, of whatever origin.
func ruleOf(t *testing.T, table *hotkey.Table, key string) hotkey.Rule {
	t.Helper()
	for r := range table.Rules() {
		if r.Key == key {
			return r
		}
	}
	require.Fail(t, "no rule", key)
	return hotkey.Rule{}
}

// Whoever takes a pin out of a table leaves it there as one that ends, and it goes by itself later.
func TestPinsAreSeenOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		edit := func(f func(*Draft)) (*hotkey.Table, error) {
			return Update(t.Context(), store, "somebody", func(d *Draft) error { f(d); return nil })
		}
		table, err := edit(func(d *Draft) { d.Put(pin("k", "a")); d.Put(pin("l", "a", "b")) })
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), ruleOf(t, table, "k").Since, time.Second)

		time.Sleep(time.Hour)
		table, err = edit(func(d *Draft) { d.Put(pin("k", "a")) })
		require.NoError(t, err)
		require.Equal(t, time.Hour, time.Since(ruleOf(t, table, "k").Since).Round(time.Minute), "as it was, also if it is put anew")
		_, err = edit(func(d *Draft) { d.Put(pin("k", "b")) })
		require.ErrorIs(t, err, ErrPinMoves)

		_, err = edit(func(d *Draft) { d.Rules = nil })
		require.NoError(t, err)
		for _, key := range []string{"k", "l"} {
			r := ruleOf(t, store.holds(), key)
			require.True(t, r.Action.Ends)
			require.Equal(t, PinEnding, time.Until(r.Expires))
		}
		time.Sleep(time.Minute)
		_, err = edit(func(d *Draft) { d.Rules = keep("other") })
		require.NoError(t, err)
		require.Equal(t, PinEnding-time.Minute, time.Until(ruleOf(t, store.holds(), "k").Expires), "it is not seen off twice")
		_, err = edit(func(d *Draft) { d.Put(pin("k", "a")) })
		require.ErrorIs(t, err, ErrPinMoves)

		time.Sleep(PinEnding)
		table, err = edit(func(d *Draft) { d.Put(pin("k", "b")) })
		require.NoError(t, err)
		require.Equal(t, []string{"other", "k"}, keysOf(table))
	})
}

// A key that has to be denied at once can be, also while it is pinned.
func TestAPinnedKeyCanBeDenied(t *testing.T) {
	store := &memory{table: tableOf(t, hotkey.Header{Epoch: 1}, pin("k", "a"))}
	table, err := Update(t.Context(), store, "somebody", func(d *Draft) error {
		d.Put(hotkey.Rule{Key: "k", Action: hotkey.Action{Kind: hotkey.Deny}})
		return nil
	})
	require.NoError(t, err)
	rules := slices.Collect(table.Rules())
	require.Len(t, rules, 2)
	require.Equal(t, hotkey.Deny, rules[0].Action.Kind)
	require.True(t, rules[1].Action.Ends)
}

// Who ends a pin by hand need not say until when it is to be told.
func TestAPinEndedByHand(t *testing.T) {
	store := &memory{table: tableOf(t, hotkey.Header{Epoch: 1}, pin("k", "a"))}
	table, err := Update(t.Context(), store, "somebody", func(d *Draft) error { d.Rules[0].Action.Ends = true; return nil })
	require.NoError(t, err)
	require.NotZero(t, ruleOf(t, table, "k").Expires)
}

// ends reports whether a table tells of the end of a key's pin to a node.
func ends(table *hotkey.Table, key, node string) bool {
	for r := range table.Rules() {
		if r.Key == key && r.Action.Ends && slices.Equal(r.Action.Nodes, []string{node}) {
			return true
		}
	}
	return false
}

func automaticOf(r hotkey.Rule) hotkey.Rule {
	r.Origin = hotkey.Automatic
	return r
}

// A pin that goes is told of also where an automatic rule is in its place, and the key cannot be pinned elsewhere meanwhile.
func TestAPinEndsBesideAnAutomaticRule(t *testing.T) {
	kept := automaticOf(keep("k")[0])
	for name, before := range map[string][]hotkey.Rule{
		"automatic": {automaticOf(pin("k", "a"))},
		"explicit":  {pin("k", "a"), kept},
	} {
		store := &memory{table: tableOf(t, hotkey.Header{Epoch: 1}, before...)}
		edit := func(rules ...hotkey.Rule) (*hotkey.Table, error) {
			return Update(t.Context(), store, "somebody", func(d *Draft) error { d.Rules = rules; return nil })
		}
		for range 2 {
			table, err := edit(kept)
			require.NoError(t, err, name)
			require.True(t, ends(table, "k", "a"), name)
		}
		for _, r := range []hotkey.Rule{pin("k", "b"), automaticOf(pin("k", "b"))} {
			_, err := edit(r)
			require.ErrorIs(t, err, ErrPinMoves, name)
		}
	}
}

// Of two pins of a key the explicit one is in force. Both may stay, the other may go; it must not take over.
func TestTwoPinsOfAKey(t *testing.T) {
	a, b := pin("k", "a"), automaticOf(pin("k", "b"))
	gone := b
	gone.Action.Ends, gone.Expires = true, time.Now().Add(PinEnding)
	edit := func(before, after []hotkey.Rule) (*hotkey.Table, error) {
		store := &memory{table: tableOf(t, hotkey.Header{Epoch: 1}, before...)}
		return Update(t.Context(), store, "somebody", func(d *Draft) error { d.Rules = after; return nil })
	}
	for name, after := range map[string][]hotkey.Rule{
		"another key": {a, b, keep("other")[0]}, "one that is not in force": {a}, "both": nil,
	} {
		table, err := edit([]hotkey.Rule{a, b}, after)
		require.NoError(t, err, name)
		require.Equal(t, after == nil, ends(table, "k", "a"), name)
		require.False(t, ends(table, "k", "b"), name)
	}
	ended := a
	ended.Action.Ends = true
	for name, after := range map[string][]hotkey.Rule{
		"taken out": {b}, "ended": {ended, b}, "elsewhere": {pin("k", "c"), b}, "other elsewhere": {a, automaticOf(pin("k", "c"))},
	} {
		_, err := edit([]hotkey.Rule{a, b}, after)
		require.ErrorIs(t, err, ErrPinMoves, name)
	}

	table, err := edit([]hotkey.Rule{a, gone}, []hotkey.Rule{a})
	require.NoError(t, err)
	require.True(t, ends(table, "k", "b"), "others may not know yet that it ends")
	_, err = edit([]hotkey.Rule{a, gone}, nil)
	require.ErrorIs(t, err, ErrPinMoves, "there is room for one that ends")
}
