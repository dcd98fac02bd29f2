package recorded

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// log keeps what is recorded.
type log struct {
	mu    sync.Mutex
	begun []history.Op
	ended []history.Op
}

func (l *log) Begin(op *history.Op) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begun = append(l.begun, *op)
	return nil
}

func (l *log) End(op *history.Op) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, *op)
	return nil
}

func (l *log) last() history.Op { return l.ended[len(l.ended)-1] }

func TestOperationsAreRecorded(t *testing.T) {
	node := memcachetest.NewServer()
	t.Cleanup(func() { node.Close() })
	cache, err := memcache.New(memcache.WithServers(node.Addr()), memcache.WithDialer(node.DialContext),
		memcache.WithObserver(Nodes{}), memcache.WithWritePolicy(memcache.RequireAll), memcache.WithTimeout(10*time.Second))
	require.NoError(t, err)
	t.Cleanup(func() { cache.Close() })
	l := &log{}
	c := &Client{ID: 3, Cache: cache, Log: l, ViewAge: func() time.Duration { return time.Minute }}
	ctx := t.Context()

	c.Set(ctx, "k", 100)
	set := l.last()
	require.Equal(t, history.NewValue(3, 1), set.Value)
	require.Equal(t, []any{history.Set, "k", history.OK, history.Client(3), time.Minute},
		[]any{set.Command, set.Key, set.Outcome, set.Client, set.ViewAge})
	require.LessOrEqual(t, set.Call, set.Return)

	it := c.Get(ctx, "k")
	require.Len(t, it.Value, 100)
	get := l.last()
	require.Equal(t, []any{history.Get, set.Value, history.OK, node.Addr()}, []any{get.Command, get.Value, get.Outcome, get.Node})

	require.Nil(t, c.Get(ctx, "other"))
	require.Equal(t, history.Miss, l.last().Outcome)
	require.Empty(t, l.last().Node, "a miss is nobody's answer")

	c.GetMulti(ctx, []string{"k", "other"})
	both := l.ended[len(l.ended)-2:]
	require.Equal(t, []any{history.OK, set.Value, history.Miss}, []any{both[0].Outcome, both[0].Value, both[1].Outcome})

	c.Delete(ctx, "k")
	require.Equal(t, []any{history.Delete, history.OK, history.NewValue(3, 2)},
		[]any{l.last().Command, l.last().Outcome, l.last().Value})
	c.Delete(ctx, "k")
	require.Equal(t, history.Miss, l.last().Outcome)

	gone, cancel := context.WithCancel(ctx)
	cancel()
	c.Set(gone, "k", 100)
	require.Equal(t, history.NotSent, l.last().Outcome)
	require.Equal(t, []history.NodeOutcome{{Node: node.Addr(), Outcome: history.NotSent}}, l.last().Nodes)

	require.Len(t, l.begun, 4, "writes alone")
	violations, err := history.Check(&history.History{Ops: l.ended}, history.Bounds{})
	require.NoError(t, err)
	require.Empty(t, violations)
}
