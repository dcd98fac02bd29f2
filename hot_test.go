package memcache_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/stretchr/testify/require"
)

// TestAHotAndAMissedKeyAreFound with nothing switched on, and end when they are left alone.
func TestAHotAndAMissedKeyAreFound(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c := w.client()
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "popular", Value: make([]byte, 10<<10)}))
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		seen := make(chan hotkey.Event, 100)
		go func() {
			defer close(seen)
			for e := range c.HotKeyEvents(ctx) {
				seen <- e
			}
		}()
		for i := range 2000 {
			_, err := c.Get(w.Context(), "popular")
			require.NoError(w, err)
			_, err = c.Get(w.Context(), "usre:7")
			require.ErrorIs(w, err, memcache.ErrCacheMiss)
			_, err = c.Get(w.Context(), fmt.Sprintf("key-%x", uint32(i)*0x9e3779b9))
			require.ErrorIs(w, err, memcache.ErrCacheMiss)
			time.Sleep(time.Millisecond)
		}
		top := c.TopKeys(1)
		require.Len(w, top, 1)
		require.Equal(w, "popular", top[0].Name)
		require.InEpsilon(w, 1000, top[0].OpsPerSecond, 0.6)
		require.InEpsilon(w, 10<<20, top[0].BytesPerSecond, 0.6)
		require.False(w, top[0].Since.IsZero())
		report := c.HotKeyReport(5)
		require.Equal(w, "popular", report.Keys[0].Key)
		explained, err := c.Explain("popular")
		require.NoError(w, err)
		require.Equal(w, explained.Home, report.Keys[0].Home)
		require.Equal(w, "usre:7", report.Missed[0].Key)
		require.NotEmpty(w, report.Missed[0].Home)
		missed := c.MissedKeys(1)
		require.Len(w, missed, 1)
		require.Equal(w, "usre:7", missed[0].Name)
		families := c.MissedTemplates(10)
		require.ElementsMatch(w, []string{"usre:#", "key-#"}, []string{families[0].Template, families[1].Template})

		time.Sleep(time.Minute)
		cancel()
		var kinds []string
		for e := range seen {
			kinds = append(kinds, e.Kind.String()+" "+e.Key.Name+e.Missed.Name+e.Missed.Template)
		}
		require.Subset(w, kinds, []string{"hot-start popular", "hot-end popular"})
	})
}

func TestHotKeysCanBeSwitchedOff(t *testing.T) {
	c := newClient(t, memcache.WithServers("a"), memcache.WithoutHotKeys())
	require.Empty(t, c.TopKeys(10))
	require.Empty(t, c.MissedKeys(10))
	require.Empty(t, c.MissedTemplates(10))
	require.NotEmpty(t, c.HotKeyReport(10).Notes)
	for range c.HotKeyEvents(t.Context()) {
		t.Fatal("an event of nobody")
	}
	_, err := memcache.New(memcache.WithServers("a"), memcache.WithHotKeys(hotkey.Options{Share: 2}))
	require.ErrorIs(t, err, memcache.ErrBadOption)
	require.ErrorIs(t, err, hotkey.ErrBadOptions)
}
