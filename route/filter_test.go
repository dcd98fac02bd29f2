package route

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFilter(t *testing.T) {
	ops := gets("a1", "b", "a2", "a3", "b", "a4")
	isA := func(op *Op) bool { return op.Request.Key[0] == 'a' }
	require.Equal(t, []*Op{ops[0], ops[2], ops[3], ops[5]}, filter(ops, isA))
	require.Equal(t, []*Op{ops[1], ops[4]}, without(ops, isA))
	require.Equal(t, ops[2:4], filter(ops[1:5], isA))
	require.Empty(t, filter(ops[1:2], isA))
	require.Empty(t, filter(nil, isA))
	require.Equal(t, "a1 b a2 a3 b a4", joinKeys(ops), "the ops are where they were")
}

func joinKeys(ops []*Op) (s string) {
	for i, op := range ops {
		if i > 0 {
			s += " "
		}
		s += op.Request.Key
	}
	return s
}

func TestFilterDoesNotAllocateForARun(t *testing.T) {
	ops := gets("b", "a", "a", "b")
	isA := func(op *Op) bool { return op.Request.Key[0] == 'a' }
	require.Zero(t, testing.AllocsPerRun(100, func() { filter(ops, isA) }))
}
