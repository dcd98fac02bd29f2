package memcache_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/rulestore"
	"github.com/stretchr/testify/require"
)

// storeOf returns a store that has that table.
func storeOf(t *testing.T, table string) *rulestore.File {
	path := filepath.Join(t.TempDir(), "rules.json")
	require.NoError(t, os.WriteFile(path, []byte(table), 0o600))
	return &rulestore.File{Path: path}
}

func requireDenied(t *testing.T, c *memcache.Client, key string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := c.Get(t.Context(), key)
		return memcache.ErrorClass(err) == "denied"
	}, 5*time.Second, 10*time.Millisecond, key)
}

// A rule that the store calls automatic is for all processes. What this one does by itself comes beside it.
func TestAutomaticRulesOfAStoreApply(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	c := newClient(t, memcache.WithServers(s.Addr()), memcache.WithRuleStore(storeOf(t,
		`{"epoch":1,"rules":[{"key":"automatic","do":"deny","origin":"automatic"},{"key":"explicit","do":"deny"}]}`)))
	requireDenied(t, c, "explicit")
	require.Eventually(t, func() bool { return c.Rules().Len() == 2 }, 5*time.Second, time.Millisecond)
	requireDenied(t, c, "automatic")
}

// A pin never expires and the table of the store does; both apply.
func TestAnOwnPinBesideATableThatExpires(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	expires := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	c := newClient(t, memcache.WithServers(s.Addr()),
		memcache.WithKeyRules(hotkey.Rule{Key: "own", Action: hotkey.Action{Kind: hotkey.Pin, Nodes: []string{s.Addr()}}}),
		memcache.WithRuleStore(storeOf(t, `{"epoch":1,"expires":"`+expires+`","rules":[{"prefix":"abuse:","do":"deny"}]}`)))
	requireDenied(t, c, "abuse:1")
	for _, e := range c.Events() {
		require.NotEqual(t, memcache.RulesRefused, e.Kind)
	}
}
