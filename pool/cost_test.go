package pool

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestRequestsDoNotAllocate(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes sync.Pool forget")
	}
	for _, d := range []protocol.Dialect{protocol.Unknown, protocol.Text} {
		cfg := patient(realnode.Start(t).Addr)
		cfg.Dialect = d
		n := newTestNode(t, cfg)
		value := []byte(strings.Repeat("v", 100))
		requests := map[string]Op{
			"get":    {Request: protocol.Request{Command: protocol.Get, Key: "k"}, Dst: make([]byte, 0, 1000)},
			"large":  {Request: protocol.Request{Command: protocol.Get, Key: "large"}, Dst: make([]byte, 0, 100_000)},
			"miss":   {Request: protocol.Request{Command: protocol.Get, Key: "none"}},
			"set":    {Request: protocol.Request{Command: protocol.Set, Key: "k", Value: value}},
			"delete": {Request: protocol.Request{Command: protocol.Delete, Key: "gone"}},
		}
		mustSet(t, n, "k", string(value))
		mustSet(t, n, "large", strings.Repeat("v", 90_000))
		for name, op := range requests {
			ops := []*Op{&op}
			allocated := testing.AllocsPerRun(500, func() {
				n.Do(t.Context(), ops)
				if op.Err != nil {
					t.Fatal(op.Err)
				}
			})
			require.Zero(t, allocated, "%s, %s", name, d)
		}
	}
}

// TestABatchDoesNotAllocate: of reads that share a line, and of stores that are answered together.
func TestABatchDoesNotAllocate(t *testing.T) {
	if underRace {
		t.Skip("the race detector makes sync.Pool forget")
	}
	n := newTestNode(t, patient(realnode.Start(t).Addr))
	for name, ops := range map[string][]*Op{"stores": setOps(100, 100, 100), "reads": getOps("none", "of", "them")} {
		require.Zero(t, testing.AllocsPerRun(500, func() {
			n.Do(t.Context(), ops)
			for _, op := range ops {
				if op.Err != nil {
					t.Fatal(op.Err)
				}
			}
		}), name)
	}
}

// TestACallerAloneMakesTwoSystemCalls: one write and one read for a request.
func TestACallerAloneMakesTwoSystemCalls(t *testing.T) {
	n := newTestNode(t, patient(realnode.Start(t).Addr))
	mustSet(t, n, "k", "v")
	const requests = 200
	before := n.Stats()
	for range requests {
		requireHit(t, get(t.Context(), n, "k"), "v")
	}
	after := n.Stats()
	require.Equal(t, uint64(requests), after.Requests-before.Requests)
	require.Equal(t, uint64(requests), after.Writes-before.Writes)
	require.Equal(t, uint64(requests), after.Reads-before.Reads)
}

// TestABatchSharesSystemCalls: a hundred requests, one write, and a read for what comes together.
func TestABatchSharesSystemCalls(t *testing.T) {
	n := newTestNode(t, patient(realnode.Start(t).Addr))
	mustSet(t, n, "k", "v")
	before := n.Stats()
	n.Do(t.Context(), getOps(keys(100)...))
	after := n.Stats()
	require.Equal(t, uint64(1), after.Writes-before.Writes)
	require.LessOrEqual(t, after.Reads-before.Reads, uint64(3))
}

// TestTheWallClockIsNotAsked: timeouts, backoff and health run on the monotonic clock, so that setting the time of day
// changes none of them. There are two time.Now, whose monotonic readings nodes and node sets
// count from.
func TestTheWallClockIsNotAsked(t *testing.T) {
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	wall := regexp.MustCompile(`time\.Now\(|\.Unix(Nano|Milli|Micro)?\(\)|\.Round\(0\)`)
	var found []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, line := range strings.Split(string(source), "\n") {
			if wall.MatchString(line) {
				found = append(found, file+": "+strings.TrimSpace(line))
			}
		}
	}
	require.Len(t, found, 2, "%v", found)
	for _, line := range found {
		require.Contains(t, line, "born: time.Now()")
	}
}
