package pool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A flusher lets others run if a batch is likely, and if others do so: they wait for their turn.
func TestWhenAFlusherGivesWay(t *testing.T) {
	set := NewNodeSet(NodeSetConfig{})
	one, other := newTestNode(t, Config{Addr: "one", NodeSet: set}), newTestNode(t, Config{Addr: "other", NodeSet: set})
	require.Same(t, one.turns, other.turns)

	c := &conn{node: one}
	y := &c.flusher.yield
	require.False(t, y.wanted(c), "it is alone")
	other.turns.giving.Add(1)
	require.True(t, y.wanted(c), "others give way")
	other.turns.giving.Add(-1)
	y.last = 2
	require.True(t, y.wanted(c), "two requests were in the last write")
	y.skip = 1
	require.False(t, y.wanted(c), "it was slow or useless")
	require.True(t, y.wanted(c))
}
