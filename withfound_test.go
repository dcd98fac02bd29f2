package memcache

import (
	"fmt"
	"testing"

	"github.com/nohop/memcache/hotkey"
	"github.com/stretchr/testify/require"
)

// A detector may find as many keys as a table has room for: the store's come first, then the hottest.
func TestWhatIsFoundFillsTheTable(t *testing.T) {
	pin := hotkey.Rule{Key: "pinned", Origin: hotkey.Automatic, Action: hotkey.Action{Kind: hotkey.Pin, Nodes: []string{"n1"}}}
	shared, err := hotkey.NewTable(hotkey.Header{}, []hotkey.Rule{pin})
	require.NoError(t, err)
	var found []hotkey.Remedy
	for i := range hotkey.MaxAutomaticRules {
		found = append(found, hotkey.Remedy{Key: hotkey.Key{Name: fmt.Sprint("k", i)}, Decision: hotkey.Decision{Action: hotkey.Action{Kind: hotkey.Keep}}})
	}
	found[0].Key.Name = "pinned"
	table, err := withFound(shared, found)
	require.NoError(t, err)
	require.Equal(t, hotkey.MaxAutomaticRules, table.Len())
	for rule := range table.Rules() {
		require.Equal(t, rule.Key == "pinned", rule.Pins())
	}
}
