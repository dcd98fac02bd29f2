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
