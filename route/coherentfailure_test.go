package route

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// A home that cannot be reached: copies are read wherever they are, and what nobody has is a miss.
func TestCoherentReadsWithoutHome(t *testing.T) {
	for _, c := range []struct {
		name           string
		home, one, two func(*Op)
		want           string
		miss           bool
		err            error
	}{
		{name: "a copy at the replica", home: down, one: hit("v"), two: miss, want: "v"},
		{name: "a copy at another", home: down, one: miss, two: hit("v"), want: "v"},
		{name: "no copy", home: down, one: miss, two: miss, miss: true},
		{name: "the replica has none, the other is down", home: down, one: miss, two: down, miss: true},
		{name: "the replica is down, the other has none", home: timeout, one: down, two: miss, miss: true},
		{name: "the replica is down", home: hit("v"), one: down, two: miss, want: "v"},
		{name: "all are down", home: timeout, one: timeout, two: down, err: pool.ErrNodeDown},
		{name: "another holds a stub", home: down, one: down, two: func(op *Op) {
			op.Err, op.Reply = nil, protocol.Reply{Status: protocol.OK, Meta: protocol.Busy}
		}, miss: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, routes := fakes(c.home, c.one, c.two)
			op := get("k")
			do(coherentAt(t, 1, routes...), op)
			require.ErrorIs(t, op.Err, c.err)
			require.Equal(t, c.miss, isMiss(op))
			require.Equal(t, c.want, string(op.Value))
		})
	}
}

// Without its home a set stores nothing and removes what is old, which Available takes for a success; what depends on the
// item fails.
func TestCoherentWritesWithoutHome(t *testing.T) {
	servers, nodes, routes := realNodes(t, 3)
	tree := coherentAt(t, 1, routes...)
	fill := func() {
		for _, n := range nodes[1:] {
			done(t, n, store(protocol.Set, "k", "old"))
		}
	}
	done(t, tree, store(protocol.Set, "k", "old"))
	servers[0].Kill()

	fill()
	set := store(protocol.Set, "k", "new")
	do(tree, set)
	require.ErrorIs(t, set.Err, ErrPartialWrite)
	var failed *WriteError
	require.ErrorAs(t, set.Err, &failed)
	require.Equal(t, 2, failed.Acked)
	require.NotZero(t, failed.Outcome(nodes[0].Name()))
	require.True(t, isMiss(done(t, tree, get("k"))))

	fill()
	set = done(t, Available(tree), store(protocol.Set, "k", "new"))
	require.Equal(t, protocol.OK, set.Reply.Status)
	require.True(t, set.Cleared)
	require.Equal(t, []string{"", "", ""}, valuesAt(routes, "k"))

	fill()
	require.Equal(t, protocol.OK, done(t, Available(tree), asks(protocol.Delete, "k")).Reply.Status)
	require.Equal(t, protocol.Miss, done(t, Available(tree), asks(protocol.Delete, "k")).Reply.Status)

	fill()
	add := store(protocol.Add, "k", "new")
	do(Available(tree), add)
	require.ErrorIs(t, add.Err, pool.ErrNodeDown)
	require.Equal(t, []string{"", "old", "old"}, valuesAt(routes, "k"), "it was certainly not done")
}

// A replica that cannot be reached misses a clear. This process does not read it until it has made up for it.
func TestCoherentWithoutReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, nodes, routes := bubbleNodes(t, 3, nil)
		tree := coherentAt(t, 1, routes...)
		done(t, tree, store(protocol.Set, "k", "old"))
		require.Equal(t, "old", value(t, tree, "k"))
		servers[1].Pause()

		set := store(protocol.Set, "k", "new")
		do(tree, set)
		require.ErrorIs(t, set.Err, ErrPartialWrite)
		require.Equal(t, "new", value(t, tree, "k"))
		done(t, Available(tree), store(protocol.Set, "k", "newer"))
		require.Equal(t, "newer", value(t, tree, "k"))

		servers[1].Resume()
		time.Sleep(time.Minute)
		for range 2 {
			require.Equal(t, "newer", value(t, tree, "k"))
		}
		require.Equal(t, []string{"newer", "newer", ""}, valuesAt(routes, "k"))
		require.Zero(t, nodes[1].Stats().Missed)
	})
}

// The same for a replica that refuses connections, so that the clear was certainly not sent.
func TestCoherentReplicaReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, _, routes := bubbleNodes(t, 2, nil)
		tree := coherentAt(t, 1, routes...)
		done(t, tree, store(protocol.Set, "k", "old"))
		require.Equal(t, "old", value(t, tree, "k"))
		servers[1].Inject(memcachetest.Refuse())
		servers[1].CloseClientConnections()
		require.Equal(t, "old", value(t, tree, "k"))
		done(t, Available(tree), store(protocol.Set, "k", "new"))

		servers[1].Heal()
		for range 10 { // the first finds out that the replica is back
			time.Sleep(10 * time.Second)
			require.Equal(t, "new", value(t, tree, "k"))
		}
		require.Equal(t, "new", value(t, routes[1], "k"))
	})
}

// The home does a write that its process has given up long ago. In between, others have filled their replicas with what
// was there before.
func TestCoherentLateWrite(t *testing.T) {
	for name, write := range map[string]func() *Op{
		"set":    func() *Op { return store(protocol.Set, "k", "new") },
		"append": func() *Op { return store(protocol.Append, "k", "!") },
		"delete": func() *Op { return asks(protocol.Delete, "k") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				servers, nodes, routes := bubbleNodes(t, 3, nil)
				tree := coherentAt(t, 1, routes...)
				done(t, tree, store(protocol.Set, "k", "old"))
				servers[0].Pause()
				op := write()
				do(tree, op)
				require.ErrorIs(t, op.Err, pool.ErrTimeout)
				for _, n := range nodes[1:] {
					done(t, n, store(protocol.Set, "k", "old")) // as a process does for which the home was there
				}
				time.Sleep(10 * time.Second)
				require.Equal(t, "old", value(t, nodes[2], "k"), "the home has not answered yet")
				require.True(t, isMiss(done(t, tree, get("k"))), "the own write is newer")

				servers[0].Resume()
				time.Sleep(10 * time.Second)
				require.NotEqual(t, "old", value(t, nodes[0], "k"))
				require.Equal(t, []string{"", ""}, valuesAt(routes[1:], "k"))
			})
		})
	}
}

// The same for a home that was away, and that its journal then clears.
func TestCoherentHomeReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, nodes, routes := bubbleNodes(t, 2, nil)
		tree := coherentAt(t, 1, routes...)
		other := pool.NewNode(pool.Config{Addr: servers[0].Addr(), Dial: servers[0].DialContext, Timeout: testTimeout})
		defer other.Close()
		servers[0].Inject(memcachetest.Refuse())
		done(t, nodes[1], store(protocol.Set, "k", "old"))
		op := done(t, Available(tree), store(protocol.Set, "k", "new"))
		require.True(t, op.Cleared)

		servers[0].Heal()
		done(t, other, store(protocol.Set, "k", "old")) // this home was never away for the others
		done(t, nodes[1], store(protocol.Set, "k", "old"))
		time.Sleep(time.Minute)
		require.Equal(t, []string{"", ""}, valuesAt(routes, "k"))
	})
}

// Who waits for a home goes on waiting when the nodes change, and those that have come are cleared too.
func TestCoherentLateClearsOutliveTheTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, nodes, routes := bubbleNodes(t, 3, nil)
		late := NewLateClears(NewBackground(1))
		before, err := Coherent(readingAt(1, routes[:2]), late)
		require.NoError(t, err)
		servers[0].Inject(memcachetest.Refuse())
		require.True(t, done(t, Available(before), store(protocol.Set, "k", "new")).Cleared)

		done(t, nodes[1], store(protocol.Set, "k", "old")) // filled by a process that reaches the home
		done(t, nodes[2], store(protocol.Set, "k", "old"))
		after, err := Coherent(readingAt(1, routes), late)
		require.NoError(t, err)
		require.True(t, isMiss(done(t, after, get("k"))))
		servers[0].Heal()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"", "", ""}, valuesAt(routes, "k"))
		done(t, nodes[1], store(protocol.Set, "k", "v"))
		require.Equal(t, "v", value(t, after, "k"), "nothing is waited for any more")
	})
}

// What waits for a home that never comes ends with the nodes.
func TestCoherentLateClearsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, nodes, routes := bubbleNodes(t, 2, nil)
		b := NewBackground(1)
		tree, err := Coherent(readingAt(1, routes), NewLateClears(b))
		require.NoError(t, err)
		servers[0].Close()
		for _, key := range keys(1000) {
			do(tree, store(protocol.Set, key, "v"))
		}
		time.Sleep(time.Minute)
		for _, n := range nodes {
			n.Close()
		}
		b.Close() // waits
		require.Empty(t, tree.(*coherent).late.waiting)
	})
}

func TestLateClearsAreBounded(t *testing.T) {
	b := NewBackground(1)
	b.Close()
	l := NewLateClears(b)
	_, routes := fakes(miss, miss)
	for i := range lateLimit + 10 {
		op := get(fmt.Sprint(i))
		l.add([]*Op{op}, []placed{{routes, 0}})
	}
	require.Len(t, l.waiting, lateLimit)
	require.False(t, l.running)
}
