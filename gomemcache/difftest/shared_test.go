package difftest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// Both clients work on the same keys of the same three servers, one of them listed twice. Whatever one has stored, both
// find, with the same flags, the same value and the same version, and a version that one has read holds for the other.
func TestEachFindsWhatTheOtherStored(t *testing.T) {
	nodes, addrs := start(t, 3, alone...)
	addrs = append(addrs, addrs[1])
	clients := []client{newTheirs(t, addrs...), newOurs(t, addrs...)}
	s := script{Rand: newRand(t)}
	keys := make([]string, 300)
	for i := range keys {
		keys[i] = fmt.Sprintf("key-%d-%d", i, s.Uint32())
	}
	swapped := 0
	for i := range 3000 {
		key, writer := pick(s, keys...), clients[i%2]
		op := s.operation()
		op.key, op.keys, op.whole = key, keys[:s.IntN(len(keys))], true
		if op.name != "CompareAndSwap" {
			(&user{client: writer, read: map[string]uint64{}}).do(op)
		} else if it, err := clients[(i+1)%2].Get(key); err == nil {
			it.Value = op.value[:min(len(op.value), 100)] // one that the server takes
			require.NoError(t, writer.CompareAndSwap(it))
			require.Equal(t, "conflict", writer.outcome(writer.CompareAndSwap(it)))
			swapped++
		}
		requireSameItem(t, clients, key, op)
	}
	require.Positive(t, swapped)

	theirs, err := clients[0].GetMulti(keys)
	require.NoError(t, err)
	ours, err := clients[1].GetMulti(keys)
	require.NoError(t, err)
	require.Equal(t, theirs, ours)
	require.NotEmpty(t, ours)
	for _, node := range nodes {
		require.NotEqual(t, "0", node.Stats(t)["curr_items"], "a server without keys")
	}
}

func requireSameItem(t *testing.T, clients []client, key string, after operation) {
	first, err1 := clients[0].Get(key)
	second, err2 := clients[1].Get(key)
	require.Equal(t, clients[0].outcome(err1), clients[1].outcome(err2), after)
	require.Equal(t, first, second, after)
}
