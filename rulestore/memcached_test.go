package rulestore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

func TestMemcachedOnRealNodes(t *testing.T) {
	s := realServers(t, 4)
	ctx := t.Context()
	a, b := NewMemcached(s.order), NewMemcached(s.order)
	_, err := a.Load(ctx)
	require.ErrorIs(t, err, ErrNoTable)

	first := table(t, 1, "k")
	require.NoError(t, a.Publish(ctx, hotkey.Header{}, first))
	found, err := b.Load(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"k"}, keysOf(found))
	again, err := b.Load(ctx)
	require.NoError(t, err)
	require.Same(t, found, again, "nothing has changed")
	for i := range 3 {
		require.NotEmpty(t, s.get(t, i, rulesKey))
	}
	require.Empty(t, s.get(t, 3, rulesKey), "three copies are enough")

	require.NoError(t, b.Publish(ctx, first.Header(), table(t, 2, "k", "l")))
	found, err = a.Load(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{"k", "l"}, keysOf(found))
	require.ErrorIs(t, a.Publish(ctx, first.Header(), table(t, 2, "m")), ErrConflict, "it was made on top of what is gone")
	require.ErrorIs(t, a.Publish(ctx, found.Header(), table(t, 2, "m")), ErrConflict, "it is not newer")
}

func TestALookCostsLittle(t *testing.T) {
	s := realServers(t, 3)
	m := NewMemcached(s.order)
	keys := make([]string, 200)
	for i := range keys {
		keys[i] = fmt.Sprintf("some-key-%d", i)
	}
	require.NoError(t, m.Publish(t.Context(), hotkey.Header{}, table(t, 1, keys...)))
	_, err := m.Load(t.Context())
	require.NoError(t, err)
	before := s.nodes[0].Stats()
	for range 10 {
		_, err := m.Load(t.Context())
		require.NoError(t, err)
	}
	after := s.nodes[0].Stats()
	require.Equal(t, uint64(10), after.Requests-before.Requests)
	require.Less(t, after.BytesIn-before.BytesIn, uint64(10*40))
}

// The newest of three counts, whatever the others hold, and they are brought up to date.
func TestNewestOfThree(t *testing.T) {
	s := realServers(t, 3)
	m := NewMemcached(s.order)
	s.set(t, 0, rulesKey, `{"epoch": 5, "controller": "a", "rules": [{"key": "five", "do": "keep"}]}`)
	s.set(t, 1, rulesKey, `{"epoch": 5, "controller": "b", "rules": [{"key": "five-b", "do": "keep"}]}`)
	found, err := m.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"five-b"}, keysOf(found), "of equal epochs the greater controller")
	for range 200 { // one look in eight repairs
		_, err := m.Load(t.Context())
		require.NoError(t, err)
	}
	for i := range 3 {
		table, err := hotkey.ParseTable([]byte(s.get(t, i, rulesKey)))
		require.NoError(t, err)
		require.Equal(t, "b", table.Header().Controller)
	}
}

func TestEqualHeadersHaveOneWinner(t *testing.T) {
	s := realServers(t, 3)
	x := `{"epoch": 5, "rules": [{"key": "x", "do": "keep"}]}`
	y := `{"epoch": 5, "rules": [{"key": "y", "do": "keep"}]}`
	for _, values := range [][]string{{x, y, x}, {y, x, x}} {
		for i, v := range values {
			s.set(t, i, rulesKey, v)
		}
		found, err := NewMemcached(s.order).Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"y"}, keysOf(found))
	}
}

func TestInvalidCopyBesideGoodOnes(t *testing.T) {
	s := realServers(t, 3)
	m := NewMemcached(s.order)
	first := table(t, 1, "k")
	require.NoError(t, m.Publish(t.Context(), hotkey.Header{}, first))
	s.set(t, 0, rulesKey, `{"epoch": 9, "rules": [{"key": "k", "do": "explode"}]}`)
	for range 3 {
		found, err := m.Load(t.Context())
		require.Equal(t, []string{"k"}, keysOf(found))
		require.ErrorIs(t, err, hotkey.ErrBadTable)
		var at *NodeError
		require.ErrorAs(t, err, &at)
		require.Equal(t, "n0", at.Node)
	}
	require.NoError(t, m.Publish(t.Context(), first.Header(), table(t, 2, "l")), "what is not valid is replaced")
	found, err := m.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"l"}, keysOf(found))
}

// After a restart a node counts CAS from the start; the same CAS is another value.
func TestSameCASAfterARestart(t *testing.T) {
	s := realServers(t, 1)
	m := NewMemcached(s.order)
	s.set(t, 0, rulesKey, `{"rules": [{"key": "old", "do": "keep"}]}`)
	require.NoError(t, m.Publish(t.Context(), hotkey.Header{}, table(t, 1, "old")))
	_, err := m.Load(t.Context())
	require.NoError(t, err)
	old := m.held["n0"].version
	require.NoError(t, s.reals[0].Restart())
	require.Eventually(t, func() bool { _, err := NewMemcached(s.order).Load(t.Context()); return errors.Is(err, ErrNoTable) },
		10*time.Second, time.Millisecond, "the client has not noticed the restart")
	s.set(t, 0, "other", "1")
	require.NoError(t, NewMemcached(s.order).Publish(t.Context(), hotkey.Header{}, table(t, 2, "new")))
	found, err := m.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"new"}, keysOf(found))
	require.Equal(t, old.cas, m.held["n0"].version.cas, "the test has not made what it is about")
}

func TestANodeIsDown(t *testing.T) {
	s := realServers(t, 3)
	m := NewMemcached(s.order)
	first := table(t, 1, "k")
	require.NoError(t, m.Publish(t.Context(), hotkey.Header{}, first))
	s.reals[1].Kill()
	found, err := m.Load(t.Context())
	require.Equal(t, []string{"k"}, keysOf(found))
	require.Error(t, err)
	second := table(t, 2, "l")
	err = m.Publish(t.Context(), first.Header(), second)
	require.ErrorIs(t, err, ErrPartial)
	var at *NodeError
	require.ErrorAs(t, err, &at)
	require.Equal(t, "n1", at.Node)
	found, _ = m.Load(t.Context())
	require.Equal(t, []string{"l"}, keysOf(found))
	for _, i := range []int{0, 2} {
		s.reals[i].Kill()
	}
	found, err = m.Load(t.Context())
	require.Error(t, err)
	require.Equal(t, []string{"l"}, keysOf(found), "what is not known to be gone is there")
	_, err = NewMemcached(s.order).Load(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrNoTable, "nobody has said so")
	err = m.Publish(t.Context(), second.Header(), table(t, 3, "m"))
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrPartial)
}

func TestServersThatCannot(t *testing.T) {
	t.Run("without CAS", func(t *testing.T) {
		s := realServers(t, 1, "-C")
		m := NewMemcached(s.order)
		require.NoError(t, m.Publish(t.Context(), hotkey.Header{}, table(t, 1, "k")))
		require.ErrorIs(t, m.Publish(t.Context(), table(t, 1).Header(), table(t, 2, "l")), ErrNoCAS)
		for epoch := uint64(3); epoch < 6; epoch++ { // of the same size, without a checksum
			s.set(t, 0, rulesKey, fmt.Sprintf(`{"epoch": %d, "rules": []}`, epoch))
			found, err := m.Load(t.Context())
			require.NoError(t, err)
			require.Equal(t, epoch, found.Header().Epoch, "a change is seen all the same")
		}
	})
	t.Run("without meta commands", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := NewMemcached(fakeServers(t, 1, memcachetest.WithVersion("1.6.9")).order)
			first := table(t, 1, "k")
			require.NoError(t, m.Publish(t.Context(), hotkey.Header{}, first))
			require.NoError(t, m.Publish(t.Context(), first.Header(), table(t, 2, "l")))
			found, err := m.Load(t.Context())
			require.NoError(t, err)
			require.Equal(t, []string{"l"}, keysOf(found))
		})
	})
	t.Run("none", func(t *testing.T) {
		m := NewMemcached(func(string, int) []Node { return nil })
		_, err := m.Load(t.Context())
		require.ErrorIs(t, err, ErrNoNodes)
		require.ErrorIs(t, m.Publish(t.Context(), hotkey.Header{}, table(t, 1)), ErrNoNodes)
	})
}

// joining is a node that clears what it is to store.
type joining struct{ *pool.Node }

func (j joining) Do(ctx context.Context, ops []*pool.Op) {
	j.Node.Do(ctx, ops)
	for _, op := range ops {
		op.Cleared = op.Request.Command == protocol.Set
	}
}

func TestANodeThatJoinsHoldsNothing(t *testing.T) {
	s := realServers(t, 1)
	s.set(t, 0, rulesKey, `{"rules": []}`)
	m := NewMemcached(func(string, int) []Node { return []Node{joining{s.nodes[0]}} })
	require.ErrorIs(t, m.Publish(t.Context(), hotkey.Header{}, table(t, 1)), ErrNotStored)
}

// Many change the table at once, each adding a key of its own; no change is lost.
func TestUpdatesAtOnce(t *testing.T) {
	s := realServers(t, 3)
	var wg sync.WaitGroup
	const writers, each = 3, 3
	for w := range writers {
		wg.Go(func() {
			m := NewMemcached(s.order)
			for i := range each {
				key := fmt.Sprintf("k%d-%d", w, i)
				add := func(d *Draft) error { d.Put(keep(key)[0]); return nil }
				_, err := Update(t.Context(), m, fmt.Sprint("writer-", w), add)
				assert.NoError(t, err)
			}
		})
	}
	wg.Wait()
	found, err := NewMemcached(s.order).Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, writers*each, found.Len(), "%v", keysOf(found))
}

// All servers restart: the table is put back, and for who has never seen it there is one again.
func TestTableIsPutBack(t *testing.T) {
	s := realServers(t, 3)
	m := NewMemcached(s.order)
	first := table(t, 1, "k")
	require.NoError(t, m.Publish(t.Context(), hotkey.Header{}, first))
	_, err := m.Load(t.Context())
	require.NoError(t, err)
	for i := range 3 {
		s.delete(t, i, rulesKey)
	}
	found, err := m.Load(t.Context())
	require.ErrorIs(t, err, ErrNoTable)
	require.Equal(t, []string{"k"}, keysOf(found))
	for range 200 { // one look in eight repairs
		m.Load(t.Context())
	}
	found, err = NewMemcached(s.order).Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"k"}, keysOf(found))
	require.NotEmpty(t, s.get(t, 2, rulesKey))
}

// A node that lacks the table and does not take it is told of at every look, not only at those that try.
func TestRepairThatFails(t *testing.T) {
	s := realServers(t, 2)
	nodes := []Node{s.nodes[0], full{s.nodes[1]}}
	m := NewMemcached(func(string, int) []Node { return nodes })
	err := m.Publish(t.Context(), hotkey.Header{}, table(t, 1, "k"))
	require.ErrorIs(t, err, ErrPartial)
	require.Eventually(t, func() bool { _, err = m.Load(t.Context()); return err != nil }, 10*time.Second, time.Millisecond)
	for range 50 {
		found, err := m.Load(t.Context())
		require.ErrorIs(t, err, pool.ErrTimeout)
		require.Equal(t, []string{"k"}, keysOf(found))
	}
	nodes[1] = s.nodes[1]
	require.Eventually(t, func() bool { _, err = m.Load(t.Context()); return err == nil }, 10*time.Second, time.Millisecond)
	require.NotEmpty(t, s.get(t, 1, rulesKey))
}

// full is a node that stores nothing.
type full struct{ *pool.Node }

func (f full) Do(ctx context.Context, ops []*pool.Op) {
	for _, op := range ops {
		if op.Request.Command != protocol.Get {
			op.Settle(nil, &pool.Error{Node: f.Name(), Command: op.Request.Command, Outcome: pool.NotSent, Err: pool.ErrTimeout})
			return
		}
	}
	f.Node.Do(ctx, ops)
}
