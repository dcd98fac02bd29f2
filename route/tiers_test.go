package route

import (
	"testing"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// tier is a server of this process and the node over it.
type tier struct {
	t      *testing.T
	server *memcachetest.Server
	node   *pool.Node
}

func newTier(t *testing.T, opts ...memcachetest.Option) *tier {
	s := memcachetest.NewServer(opts...)
	node := pool.NewNode(pool.Config{Addr: s.Addr(), Timeout: testTimeout})
	t.Cleanup(func() {
		node.Close()
		s.Close()
	})
	return &tier{t, s, node}
}

// put stores a value with flags and exptime.
func (n *tier) put(key, value string, flags uint32, exptime int64) {
	n.t.Helper()
	op := store(protocol.Set, key, value)
	op.Request.Flags, op.Request.Exptime = flags, exptime
	do(n.node, op)
	require.NoError(n.t, op.Err)
}

// item reads an item with all that a refill has to keep.
func (n *tier) item(key string) *Op {
	n.t.Helper()
	op := get(key)
	op.Request.Meta |= protocol.ReturnTTL
	do(n.node, op)
	require.NoError(n.t, op.Err)
	return op
}

// value is that of item, or "-" for a miss.
func (n *tier) value(key string) string {
	n.t.Helper()
	op := n.item(key)
	if op.Reply.Status != protocol.OK {
		return "-"
	}
	return string(op.Value)
}

// background returns one that is closed with t, and how to wait for what is under way.
func background(t *testing.T) (b *Background, wait func()) {
	b = NewBackground(100)
	t.Cleanup(b.Close)
	return b, b.running.Wait
}

// built unpacks a constructor.
func built(t *testing.T) func(Route, error) Route {
	return func(r Route, err error) Route {
		t.Helper()
		require.NoError(t, err)
		return r
	}
}

// realTier is memcached itself.
func realTier(t *testing.T) (*realnode.Node, *tier) {
	real := realnode.Start(t)
	node := pool.NewNode(pool.Config{Addr: real.Addr, Timeout: testTimeout})
	t.Cleanup(func() { node.Close() })
	return real, &tier{t: t, node: node}
}

func status(t *testing.T, op *Op) protocol.Status {
	t.Helper()
	require.NoError(t, op.Err)
	return op.Reply.Status
}

// asked runs op down r and returns it.
func asked(r Route, op *Op) *Op {
	do(r, op)
	return op
}
