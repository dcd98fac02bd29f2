package route

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// gate is a route that holds its ops until it is opened.
type gate struct {
	fake
	open chan struct{}
}

func (g *gate) Do(ctx context.Context, ops []*Op) {
	<-g.open
	g.fake.Do(ctx, ops)
}

func TestBackgroundSharesNothingWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		b := NewBackground(1)
		op := store(protocol.Set, "k", "v")
		ctx, cancel := context.WithCancel(t.Context())
		require.True(t, b.Do(ctx, g, []*Op{op}))
		cancel()
		op.Request.Value[0], op.Request.Key = 'x', "other"
		op.Err = pool.ErrTimeout
		close(g.open)
		b.Close()
		require.Equal(t, []string{"k"}, g.asked())
		require.Equal(t, "v", string(g.seen[0].Value))
		require.Equal(t, pool.ErrTimeout, op.Err, "the caller's op is its own")
	})
}

func TestBackgroundIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		b := NewBackground(2)
		for i := range 5 {
			require.Equal(t, i < 2, b.Do(t.Context(), g, gets("k")))
		}
		require.Equal(t, uint64(3), b.Dropped())
		close(g.open)
		synctest.Wait()
		require.True(t, b.Do(t.Context(), g, gets("k")), "there is room again")
		b.Close()
		require.Len(t, g.asked(), 3)
		require.False(t, b.Do(t.Context(), g, gets("k")), "closed")
	})
}
