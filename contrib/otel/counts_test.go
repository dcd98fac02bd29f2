package memcacheotel

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
)

// TestCountsOfAKnownNode go on when too many others have come.
func TestCountsOfAKnownNode(t *testing.T) {
	var all totals
	of := func(node int) *counts { return all.of(attribute.NewSet(attribute.Int("node", node))) }
	first := of(0)
	for node := range 2 * maxTotals {
		of(node)
	}
	require.Same(t, first, of(0))
	require.Same(t, of(2*maxTotals), of(2*maxTotals+1), "new ones share theirs")
	require.NotSame(t, first, of(2*maxTotals))
	require.LessOrEqual(t, len(all.all()), maxTotals+1)
}
