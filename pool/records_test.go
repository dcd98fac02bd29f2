package pool

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// Over TLS memcached does what comes behind a value, also in versions that forget it in the same record.
func TestBatchesOfStoresOverTLS(t *testing.T) {
	s := realnode.StartTLS(t)
	n := newTestNode(t, Config{Addr: s.Addr, TLS: s.TLS, Timeout: 5 * time.Second, DialTimeout: 5 * time.Second})
	for _, size := range []int{0, 1, 50, 300, 1000, 4000, 9000, 20_000} {
		for _, count := range []int{2, 20, 64, 200} {
			for _, last := range []protocol.Command{protocol.Set, protocol.Add, protocol.Get, protocol.Delete} {
				requireStored(t, n, count, size, last)
			}
		}
	}
}

// requireStored sends a batch of stores that ends with another command.
func requireStored(t *testing.T, n *Node, count, size int, last protocol.Command) {
	t.Helper()
	var ops []*Op
	for i := range count {
		value := []byte(strings.Repeat("x", size))
		ops = append(ops, &Op{Request: protocol.Request{Command: protocol.Set, Key: fmt.Sprint("key-", i), Value: value}})
	}
	ops[count-1].Request.Command = last
	if last == protocol.Get || last == protocol.Delete {
		ops[count-1].Request.Value = nil
	}
	n.Do(t.Context(), ops)
	for _, op := range ops {
		require.NoError(t, op.Err, "%d of %d bytes, the last a %v", count, size, last)
	}
}

func TestRecordsEndBehindValues(t *testing.T) {
	r := records{apart: true}
	r.begin(0)
	r.wrote(nil)
	r.begin(10)
	r.wrote([]byte("x"))
	r.begin(20)
	r.wrote([]byte("x"))
	require.Equal(t, []int{20}, r.take(nil), "nothing follows the last")
	r.begin(0)
	require.Empty(t, r.take(nil), "nothing was before")
	require.False(t, needsRecordsApart(protocol.MetaCondGet))
	require.True(t, needsRecordsApart(protocol.MetaExCAS))
}

// Large values go both ways, so that node and client both wait for the other to read: the reader must not wait for a write.
func TestLargeValuesBothWaysOverTLS(t *testing.T) {
	s := realnode.StartTLS(t)
	n := newTestNode(t, Config{Addr: s.Addr, TLS: s.TLS, Timeout: 5 * time.Second, DialTimeout: 5 * time.Second})
	value := []byte(strings.Repeat("x", 900_000))
	mustSet(t, n, "key-0", string(value))
	end := time.Now().Add(2 * time.Second)
	together(t, 24, func(i int) error {
		for j := i; time.Now().Before(end); j++ {
			op := &Op{Request: protocol.Request{Command: protocol.Get, Key: "key-0"}}
			if j%2 == 0 {
				op.Request.Command, op.Request.Value = protocol.Set, value
			}
			if n.Do(t.Context(), []*Op{op}); op.Err != nil {
				return op.Err
			}
		}
		return nil
	})
	requireKept(t, n)
}
