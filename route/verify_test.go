package route

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// nodesOf returns a process's own nodes over servers.
func nodesOf(t testing.TB, addrs []string) (routes []Route) {
	for _, addr := range addrs {
		node := pool.NewNode(pool.Config{Addr: addr, Timeout: 20 * time.Second})
		t.Cleanup(func() { node.Close() })
		routes = append(routes, node)
	}
	return routes
}

// raceWriters has writers, each a process of its own, set the same keys at once, and returns of how many keys the replicas hold
// different values afterwards.
func raceWriters(t *testing.T, rounds int, addrs []string, verifiers []*Verifier) (divergent int) {
	var writers []Route
	for i, v := range verifiers {
		routes := nodesOf(t, addrs)
		if i%2 == 1 { // another process's connections are not served in the same order
			routes[0], routes[2] = routes[2], routes[0]
		}
		writers = append(writers, Verified(Fixed(routes...), v))
	}
	for round := range rounds {
		var all sync.WaitGroup
		for i, w := range writers {
			all.Go(func() {
				op := store(protocol.Set, fmt.Sprint("key", round), fmt.Sprint("writer ", i, " round ", round))
				do(w, op)
				if op.Err != nil {
					t.Error(op.Err)
				}
			})
		}
		all.Wait()
	}
	for _, v := range verifiers {
		if v != nil {
			v.Close()
		}
	}
	reader := nodesOf(t, addrs)
	for round := range rounds {
		values := make(map[string]bool)
		for _, r := range reader {
			op := get(fmt.Sprint("key", round))
			do(r, op)
			require.NoError(t, op.Err)
			if op.Reply.Status == protocol.OK {
				values[string(op.Value)] = true
			}
		}
		if len(values) > 1 {
			divergent++
		}
	}
	return divergent
}

// Two processes that set the same keys at once leave replicas that differ, and none with verification.
func TestVerifiedReplicasConverge(t *testing.T) {
	addrs := []string{realnode.Start(t).Addr, realnode.Start(t).Addr, realnode.Start(t).Addr}
	const rounds = 2000
	without := raceWriters(t, rounds, addrs, []*Verifier{nil, nil})
	t.Logf("without verification %d of %d keys differ (%.1f %%)", without, rounds, 100*float64(without)/rounds)
	require.NotZero(t, without, "the writers do not race: this test would show nothing")

	v := []*Verifier{NewVerifier(time.Millisecond), NewVerifier(0)}
	require.Zero(t, raceWriters(t, rounds, addrs, v))
	var splits uint64
	for _, v := range v {
		s := v.Stats()
		t.Logf("%+v", s)
		require.Equal(t, uint64(rounds), s.Verified)
		require.Zero(t, s.Skipped+s.Unknown+s.InCaller)
		require.Zero(t, s.Queued)
		splits += s.Splits
	}
	require.NotZero(t, splits)
}

// bubbleNodes are servers in memory with a node for each.
func bubbleNodes(t *testing.T, n int, change func(*pool.Config), opts ...memcachetest.Option) (servers []*memcachetest.Server, nodes []*pool.Node, routes []Route) {
	for range n {
		s := memcachetest.NewServer(append(opts, memcachetest.WithPipe())...)
		cfg := pool.Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout}
		if change != nil {
			change(&cfg)
		}
		node := pool.NewNode(cfg)
		t.Cleanup(func() {
			node.Close()
			s.Close()
		})
		servers, nodes, routes = append(servers, s), append(nodes, node), append(routes, node)
	}
	return servers, nodes, routes
}

func valuesAt(routes []Route, key string) (values []string) {
	for _, r := range routes {
		op := get(key)
		do(r, op)
		values = append(values, string(op.Value))
	}
	return values
}

// What is there when the verifier comes decides what is left.
func TestVerifierJudges(t *testing.T) {
	type at = map[int]*Op // what somebody does at a replica after the set
	for name, c := range map[string]struct {
		then           at
		left           []string
		splits, unsure uint64
	}{
		"stands everywhere":       {nil, []string{"mine", "mine", "mine"}, 0, 0},
		"replaced at one":         {at{1: store(protocol.Set, "k", "theirs")}, []string{"", "theirs", ""}, 1, 0},
		"replaced at two":         {at{0: store(protocol.Set, "k", "theirs"), 2: store(protocol.Set, "k", "theirs")}, []string{"theirs", "", "theirs"}, 1, 0},
		"replaced everywhere":     {at{0: store(protocol.Set, "k", "1"), 1: store(protocol.Set, "k", "1"), 2: store(protocol.Set, "k", "1")}, []string{"1", "1", "1"}, 0, 0},
		"evicted at one":          {at{1: store(protocol.Delete, "k", "")}, []string{"mine", "", "mine"}, 0, 0},
		"touched at one":          {at{1: asks(protocol.Touch, "k")}, []string{"mine", "mine", "mine"}, 0, 0},
		"changed at home":         {at{0: store(protocol.Append, "k", "!")}, []string{"mine!", "", ""}, 1, 0},
		"marked stale, not taken": {at{1: invalidate("k")}, []string{"mine", "", "mine"}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, nodes, routes := bubbleNodes(t, 3, nil)
				v := NewVerifier(0)
				do(Available(Verified(Fixed(routes...), v)), store(protocol.Set, "k", "mine"))
				require.Equal(t, 1, v.Stats().Queued)
				for i, op := range c.then {
					do(routes[i], op)
					require.NoError(t, op.Err)
				}
				v.Close()
				synctest.Wait()
				for _, n := range nodes {
					require.Zero(t, n.Stats().Missed)
				}
				require.Equal(t, c.left, valuesAt(routes, "k"))
				s := v.Stats()
				require.Equal(t, uint64(1), s.Verified)
				require.Equal(t, c.splits, s.Splits)
				require.Equal(t, c.unsure, s.Unknown)
			})
		})
	}
}

func invalidate(key string) *Op {
	op := store(protocol.Delete, key, "")
	op.Request.Value, op.Request.Meta = nil, protocol.Invalidate
	return op
}

// One that cannot be looked at, or that did not say whether it has stored, is deleted before it is read again.
func TestVerifierDoesNotTrustWhatItCannotSee(t *testing.T) {
	t.Run("hangs when it is looked at", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			servers, nodes, routes := bubbleNodes(t, 3, nil)
			v := NewVerifier(0)
			do(Verified(Fixed(routes...), v), store(protocol.Set, "k", "mine"))
			servers[2].Pause()
			v.Close()
			require.Equal(t, uint64(1), v.Stats().Unknown)
			servers[2].Resume()
			time.Sleep(time.Second)
			require.Zero(t, nodes[2].Stats().Missed)
			require.Equal(t, []string{"mine", "mine", ""}, valuesAt(routes, "k"))
		})
	})
	t.Run("hangs when it is written", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			servers, nodes, routes := bubbleNodes(t, 3, nil)
			v := NewVerifier(0)
			do(Verified(Fixed(routes...), v), store(protocol.Set, "k", "old"))
			servers[2].Pause()
			op := store(protocol.Set, "k", "mine")
			do(Available(Verified(Fixed(routes...), v)), op)
			require.NoError(t, op.Err)
			servers[2].Resume()
			time.Sleep(time.Second)
			v.Close()
			require.Zero(t, nodes[2].Stats().Missed)
			require.Equal(t, []string{"mine", "mine", ""}, valuesAt(routes, "k"))
		})
	})
	t.Run("restarts and counts up to the same CAS", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			servers, _, routes := bubbleNodes(t, 3, nil)
			v := NewVerifier(0)
			do(Verified(Fixed(routes...), v), store(protocol.Set, "k", "mine"))
			servers[2].Kill()
			servers[2].Start()
			do(routes[2], get("k"))
			do(routes[2], store(protocol.Set, "k", "theirs"))
			v.Close()
			time.Sleep(time.Second)
			require.Equal(t, []string{"mine", "mine", ""}, valuesAt(routes, "k"))
		})
	})
}

// Where no CAS is told, nothing is looked at, and it is counted.
func TestVerifierSkipsBlindNodes(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*pool.Config)
		options []memcachetest.Option
	}{
		"classic text": {func(c *pool.Config) { c.Dialect = protocol.Text }, nil},
		"old server":   {nil, []memcachetest.Option{memcachetest.WithoutMeta(), memcachetest.WithVersion("1.4.39")}},
		"without CAS":  {nil, []memcachetest.Option{memcachetest.WithoutCAS()}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, routes := bubbleNodes(t, 3, c.change, c.options...)
				v := NewVerifier(0)
				op := store(protocol.Set, "k", "mine")
				do(Verified(Fixed(routes...), v), op)
				require.NoError(t, op.Err)
				v.Close()
				require.Equal(t, VerifierStats{Skipped: 1}, v.Stats())
				require.Equal(t, []string{"mine", "mine", "mine"}, valuesAt(routes, "k"))
			})
		})
	}
}

// Only whole sets at several replicas are looked at.
func TestVerifierLooksAtSetsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, routes := bubbleNodes(t, 2, nil)
		v := NewVerifier(0)
		tree := Verified(Fixed(routes...), v)
		do(tree, asks(CompareAndSwap, "k"), store(protocol.Add, "k", "v"), store(protocol.Delete, "k", ""), asks(protocol.Touch, "k"))
		do(Verified(Fixed(routes[0]), v), store(protocol.Set, "k", "v"))
		require.Equal(t, VerifierStats{}, v.Stats())
		v.Close()
	})
}

// A full queue, and a closed one, make the caller wait; nothing is left out.
func TestVerifierPushesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, routes := bubbleNodes(t, 2, nil)
		v := NewVerifier(time.Minute)
		v.limit = 3
		tree := Verified(Fixed(routes...), v)
		for i := range 5 {
			do(tree, store(protocol.Set, fmt.Sprint("k", i), "v"))
		}
		require.Equal(t, VerifierStats{Verified: 2, InCaller: 2, Queued: 3}, v.Stats())
		time.Sleep(61 * time.Second)
		synctest.Wait()
		require.Equal(t, VerifierStats{Verified: 5, InCaller: 2}, v.Stats())
		time.Sleep(time.Hour) // the goroutine has ended, and starts again
		do(tree, store(protocol.Set, "k", "v"))
		v.Close()
		v.Close()
		do(tree, store(protocol.Set, "k", "v"))
		require.Equal(t, VerifierStats{Verified: 7, InCaller: 3}, v.Stats())
	})
}

// More than fit into one look.
func TestVerifierOfALargeBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, routes := bubbleNodes(t, 3, nil)
		v := NewVerifier(0)
		var ops []*Op
		for _, key := range keys(3*verifyBatch + 1) {
			ops = append(ops, store(protocol.Set, key, "v"))
		}
		Verified(Fixed(routes...), v).Do(context.Background(), ops)
		do(routes[1], store(protocol.Set, "key:600", "theirs"))
		v.Close()
		require.Equal(t, VerifierStats{Verified: uint64(len(ops)), Splits: 1, Removed: 2}, v.Stats())
		require.Equal(t, []string{"", "theirs", ""}, valuesAt(routes, "key:600"))
		require.Equal(t, []string{"v", "v", "v"}, valuesAt(routes, "key:601"))
	})
}
