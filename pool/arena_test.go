package pool

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// TestValuesOfABatchDoNotMeet: they share memory, and one that its caller appends to leaves the others as they are.
func TestValuesOfABatchDoNotMeet(t *testing.T) {
	n := newTestNode(t, patient(realnode.Start(t).Addr))
	var names []string
	want := make(map[string]string)
	for i, size := range []int{100, 0, 1, maxShared, maxShared + 1, 3000, directSize, directSize + tailSize, 100_000, 7, 200} {
		for j := range 5 {
			name := fmt.Sprintf("%d-%d", size, j)
			names, want[name] = append(names, name), strings.Repeat(string(rune('a'+i)), size)
			mustSet(t, n, name, want[name])
		}
	}
	ops := getOps(append(names, "none")...)
	n.Do(t.Context(), ops)
	requireMiss(t, ops[len(names)])
	for i := range names {
		require.NotNil(t, ops[i].Value)
		ops[i].Value = append(ops[i].Value, "more"...)
	}
	for i, name := range names {
		require.True(t, want[name]+"more" == string(ops[i].Value), name)
	}
}

// TestSmallValuesOfABatchShareMemory: and only they do. A value that came alone is kept without any other.
func TestSmallValuesOfABatchShareMemory(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes sync.Pool forget")
	}
	n := newTestNode(t, patient(realnode.Start(t).Addr))
	names := keys(100)
	for _, name := range names {
		mustSet(t, n, name, strings.Repeat("v", 100))
	}
	perBatch := func(ops []*Op) float64 { return testing.AllocsPerRun(100, func() { n.Do(t.Context(), ops) }) }
	require.LessOrEqual(t, perBatch(getOps(names...)), 100.0*100/maxArenaRun+2)
	require.Equal(t, 1.0, perBatch(getOps(names[0])))

	alone := get(t.Context(), n, names[0])
	require.Equal(t, 100, cap(alone.Value))
}
