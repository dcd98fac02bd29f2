package difftest_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is a number, and what becomes of it at the ends of its range. Each case has a key of its own on a new server: see
// script.value.
func TestNumbersAtTheEdges(t *testing.T) {
	_, addrs := start(t, 1, alone...)
	a, b := &user{client: newTheirs(t, addrs...), prefix: "a/"}, &user{client: newOurs(t, addrs...), prefix: "b/"}
	values := []string{
		"", "0", "9", "99", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
		"99999999999999999999", "100000000000000000000", "-1", "+1", " 7", "7 ", "007", "1.5", "1e3", "0x10", "number",
	}
	seen := map[string]int{}
	for _, value := range values {
		for _, delta := range []uint64{0, 1, 9, math.MaxInt64, 1 << 63, math.MaxUint64} {
			for _, call := range []string{"Increment", "Decrement"} {
				op := operation{name: call, key: fmt.Sprintf("%s%d%d", call, delta, seen["cases"]), delta: delta}
				require.NoError(t, a.Set(&item{Key: a.full(op, op.key), Value: []byte(value)}))
				require.NoError(t, b.Set(&item{Key: b.full(op, op.key), Value: []byte(value)}))
				want, got := a.do(op), b.do(op)
				require.Equal(t, want, got, "%q: %s", value, op)
				first, err := a.Get(a.full(op, op.key))
				require.NoError(t, err)
				second, err := b.Get(b.full(op, op.key))
				require.NoError(t, err)
				require.Equal(t, string(first.Value), string(second.Value), "%q: %s", value, op)
				seen["cases"]++
				seen[want.outcome]++
			}
		}
	}
	require.Positive(t, seen["ok"])
	require.Positive(t, seen["failure"])
}
