package difftest_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// newRand returns what a run is made from. A failing run prints its seed; to repeat it, put that here.
func newRand(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// alone keeps the server's own threads away from items. While one of them looks at an item, arithmetic makes a new item
// where else it would write the new number into the old one and pad it with spaces, so that the same operations need not
// leave the same bytes.
var alone = []string{"-o", "no_lru_maintainer,no_lru_crawler"}

// Each client works on keys of its own at the same memcached, and does the same. All that it is told must be the same,
// and so must all that the server holds in the end.
func TestSameOperationsSameResults(t *testing.T) {
	const rounds = 4000
	for name, launch := range map[string]func(testing.TB, ...string) *realnode.Node{
		"tcp": realnode.Start, "unix": realnode.StartUnix,
	} {
		t.Run(name, func(t *testing.T) {
			node := launch(t, alone...)
			s := script{newRand(t), true}
			a := &user{newTheirs(t, node.Addr), "a/", map[string]uint64{}}
			b := &user{newOurs(t, node.Addr), "b/", map[string]uint64{}}
			seen := map[string]int{}
			for i := range rounds {
				op := s.operation()
				first, second := a, b
				if i%2 == 1 {
					first, second = b, a
				}
				r1, r2 := first.do(op), second.do(op)
				require.Equal(t, r1, r2, "operation %d: %s, first was %s", i, op, first.prefix)
				seen[op.name+" "+r1.outcome]++
			}
			requireSeen(t, seen)
			require.Equal(t, content(t, node, "a/"), content(t, node, "b/"))
		})
	}
}

// requireSeen wants that the stream has led everywhere.
func requireSeen(t *testing.T, seen map[string]int) {
	t.Log(seen)
	for _, outcome := range []string{
		"Get ok", "Get miss", "Get malformed key", "GetMulti ok", "GetMulti malformed key", "GetAndTouch ok", "GetAndTouch miss",
		"Set ok", "Set failure", "Set malformed key", "Add ok", "Add not stored", "Replace ok",
		"Replace not stored", "Append ok", "Append not stored", "Prepend ok", "Prepend not stored", "CompareAndSwap ok",
		"CompareAndSwap conflict", "CompareAndSwap miss", "Increment ok", "Increment miss", "Increment failure",
		"Decrement ok", "Decrement miss", "Decrement failure", "Delete ok", "Delete miss", "Touch ok", "Touch miss",
	} {
		require.Positive(t, seen[outcome], outcome)
	}
}

// entry is what a server holds of an item.
type entry struct {
	flags string
	value string
	ttl   int
}

// content returns what the server holds under a prefix, by the rest of the key, but for the seconds left, which
// are rounded to a hundred: the stream's are far apart.
func content(t *testing.T, node *realnode.Node, prefix string) map[string]entry {
	conn, err := node.Dial()
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(longTimeout)))
	in := bufio.NewReader(conn)
	found := map[string]entry{}
	for _, key := range keyNames {
		fmt.Fprintf(conn, "mg %s%s v t f\r\n", prefix, key)
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		words := strings.Fields(line)
		if words[0] == "EN" {
			continue
		}
		require.Equal(t, "VA", words[0])
		size, err := strconv.Atoi(words[1])
		require.NoError(t, err)
		value := make([]byte, size+2)
		_, err = io.ReadFull(in, value)
		require.NoError(t, err)
		seconds, err := strconv.Atoi(words[2][1:])
		require.NoError(t, err)
		found[key] = entry{words[3], string(value[:size]), (seconds + 50) / 100}
	}
	return found
}
