package route

import (
	"context"
	"fmt"
	"testing"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// busy is what mcrouter answers in the place of a node that has no room.
func busy(op *Op) {
	failsWith("full", pool.Ambiguous, &protocol.ServerError{Kind: protocol.KindServerError, Text: "SERVER_ERROR 307 busy"})(op)
}

// How many children are reached, by mcrouter's rules: every child counts for max_tries; for max_error_tries, which its
// in-order policy calls max_tries, neither those that are down do nor those whose error is excluded.
func TestFailoverListCounts(t *testing.T) {
	for _, row := range []struct {
		children string
		options  FailoverOptions
		reached  int
	}{
		{"T T T T", FailoverOptions{MaxErrors: 1}, 1},
		{"T T T T", FailoverOptions{MaxErrors: 3}, 3},
		{"D D D F:d", FailoverOptions{MaxErrors: 2}, 4},
		{"D D D F:d", FailoverOptions{MaxTries: 2}, 2},
		{"T D CE T T", FailoverOptions{MaxErrors: 2}, 4},
		{"LE LE LE LE", FailoverOptions{MaxErrors: 2}, 4},
		{"RE RE RE RE RE", FailoverOptions{MaxTries: 3, MaxErrors: 2, Exclude: FailServer}, 3},
		{"RE T RE RE T RE", FailoverOptions{MaxErrors: 2, Exclude: FailServer}, 5},
		{"T T", FailoverOptions{MaxTries: 9, MaxErrors: 9}, 2},
	} {
		list, routes := children(row.children)
		do(failoverOf(t, routes, row.options), get("k"))
		require.Len(t, askedChildren(list), row.reached, "%+v", row)
	}
}

// A token is for asking one more child. Where none is left, none is taken.
func TestFailoverListLimitAtTheLastChild(t *testing.T) {
	limit, err := NewRequestLimit(1e-9, 2)
	require.NoError(t, err)
	list, routes := children("T T")
	tree := failoverOf(t, routes, FailoverOptions{Limit: limit})
	for i, want := range [][]int{{0, 1}, {0, 1}, {0}} {
		do(tree, get("k"))
		require.Equal(t, want, askedChildren(list), "get %d", i)
	}
}

// In a batch each op that moves on takes one.
func TestFailoverListLimitOfABatch(t *testing.T) {
	limit, err := NewRequestLimit(1e-9, 2)
	require.NoError(t, err)
	list, routes := children("T F:b")
	ops := gets("k1", "k2", "k3", "k4")
	do(failoverOf(t, routes, FailoverOptions{Limit: limit}), ops...)
	require.Equal(t, []string{"k1", "k2"}, list[1].asked())
	require.Equal(t, "b", said(ops[1]))
	require.Equal(t, "T", said(ops[2]))
}

func TestRequestLimitOfNothing(t *testing.T) {
	limit, err := NewRequestLimit(0, 1000)
	require.NoError(t, err)
	limit.count(1 << 20)
	require.False(t, limit.take())
}

// A failure that does not move on is a failure all the same.
func TestLeastFailuresCountsWhatDoesNotMoveOn(t *testing.T) {
	list, routes := children("RE T F:c")
	tree := failoverOf(t, routes, FailoverOptions{
		On: FailoverOn{Get: on("remote_error")}, Order: LeastFailures(3), MaxTries: 2,
	})
	for _, want := range []string{"T", "c", "c"} {
		op := get("k")
		do(tree, op)
		require.Equal(t, want, said(op))
	}
	order := LeastFailures(3).(*leastFailures)
	order.learn(1, pool.ErrTimeout)
	order.learn(1, context.Canceled)
	order.learn(1, protocol.ErrKeyEmpty)
	require.EqualValues(t, 1, order.inARow[1].Load(), "neither the caller's end nor a bad key says anything of the node")
	order.learn(1, nil)
	require.Zero(t, order.inARow[1].Load())
	require.NotEmpty(t, list[2].calls)
}

// An order that does not know all children would never ask some of them.
func TestFailoverListRefusesAnOrderThatIsTooShort(t *testing.T) {
	_, routes := children("T T T")
	for _, o := range []Order{LeastFailures(2), LeastFailures(-1), RendezvousOrder([]string{"a", "b"})} {
		_, err := FailoverList(routes, FailoverOptions{Order: o})
		require.ErrorIs(t, err, ErrFailover, o.String())
	}
	_, err := FailoverList(routes, FailoverOptions{MaxErrors: -1})
	require.ErrorIs(t, err, ErrFailover)
}

// What the caller does with the list afterwards is its own affair.
func TestFailoverListKeepsItsOwnChildren(t *testing.T) {
	_, routes := children("T F:b")
	tree := failoverOf(t, routes, FailoverOptions{})
	miss := &fake{answer: miss}
	routes[1] = miss
	op := get("k")
	do(tree, op)
	require.Equal(t, "b", said(op))
	require.Empty(t, miss.calls)
}

// "busy" is a failure of its own: a list that names other answers of a server does not mean it, and the other way round.
func TestFailoverListTellsBusyApart(t *testing.T) {
	for name, want := range map[string][2]bool{"busy": {true, false}, "try_again": {true, false}, "remote_error": {false, true}} {
		for i, answer := range []func(*Op){busy, answers["RE"]} {
			list, routes := fakes(answer, hit("b"))
			do(failoverOf(t, routes, FailoverOptions{On: FailoverOn{Get: on(name)}}), get("k"))
			require.Equal(t, want[i], len(list[1].calls) == 1, "%s %d", name, i)
		}
	}
	list, routes := fakes(busy, hit("b"))
	do(failoverOf(t, routes, FailoverOptions{}), get("k"))
	require.Len(t, list[1].calls, 1, "by default it moves on")
}

// A CAS that was read at one node must not be stored at another, whatever is named.
func TestFailoverListDoesNotMoveAForeignCAS(t *testing.T) {
	var every Failure
	for name := range failureNames {
		if f := *on(name); name != "bad_cas_id" && f != FailRequest {
			every |= f
		}
	}
	foreign := failsWith("a", pool.NotSent, pool.ErrForeignCAS)
	list, routes := fakes(foreign, says(protocol.OK))
	op := asks(CompareAndSwap, "k")
	do(failoverOf(t, routes, FailoverOptions{On: FailoverOn{Update: &every}}), op)
	require.ErrorIs(t, op.Err, pool.ErrForeignCAS)
	require.Empty(t, list[1].calls)
}

// Every name that mcrouter's documentation has for an error is known, and those of its default set are FailNode, but for
// the end of the caller's context: nobody waits any more.
func TestFailureNames(t *testing.T) {
	for _, name := range []string{
		"busy", "shutdown", "tko", "try_again", "local_error", "connect_error", "connect_timeout", "timeout", "remote_error",
	} {
		f := *on(name)
		require.NotZero(t, f, name)
		require.Zero(t, f&^FailNode, name)
	}
	for _, name := range []string{"client_error", "bad_key", "bad_value", "aborted", "deadline_exceeded", "overloaded"} {
		require.Zero(t, *on(name)&FailNode, name)
	}
}

func BenchmarkRouteFailoverList(b *testing.B) {
	two := []Route{&leaf{}, &leaf{}}
	for _, o := range []Order{InOrder(), LeastFailures(2)} {
		r, err := FailoverList(two, FailoverOptions{Order: o})
		require.NoError(b, err)
		b.Run("get/"+o.String(), func(b *testing.B) { benchRoute(b, r, get("k")) })
	}
	dead, err := FailoverList([]Route{&fails{}, two[0]}, FailoverOptions{})
	require.NoError(b, err)
	b.Run("moved/1", func(b *testing.B) { benchRoute(b, dead, get("k")) })
	b.Run("moved/100", func(b *testing.B) { benchRoute(b, dead, gets(keys(100)...)...) })
	for _, balance := range []Balance{TwoChoices, LeastOutstanding} {
		r, err := LoadBalancer(two, balance)
		require.NoError(b, err)
		b.Run(fmt.Sprint("balanced/", balance), func(b *testing.B) { benchRoute(b, r, get("k")) })
	}
	random, err := Random(two)
	require.NoError(b, err)
	b.Run("random", func(b *testing.B) { benchRoute(b, random, get("k")) })
	missed, err := MissFailover(two, MissFailoverOptions{})
	require.NoError(b, err)
	b.Run("miss failover", func(b *testing.B) { benchRoute(b, missed, get("k")) })
	b.Run("ask home", func(b *testing.B) { benchRoute(b, AskHome(two[0], Fixed(two...)), get("k")) })
}

// fails is a node that is down.
type fails struct{ _ byte }

var errDown = &pool.Error{Node: "dead", Command: protocol.Get, Outcome: pool.NotSent, Err: pool.ErrNodeDown}

func (*fails) Do(_ context.Context, ops []*Op) {
	for _, op := range ops {
		op.Err = errDown
	}
}

// As long as nothing fails, none of the family allocates.
func TestFailoverFamilyDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	two := []Route{&leaf{}, &leaf{}}
	balanced, err := LoadBalancer(two, TwoChoices)
	require.NoError(t, err)
	missed, err := MissFailover(two, MissFailoverOptions{BestOnError: true, Refill: NewBackground(1)})
	require.NoError(t, err)
	list := failoverOf(t, two, FailoverOptions{Order: LeastFailures(2)})
	for _, r := range []Route{list, balanced, missed, AskHome(list, Fixed(two...))} {
		ops := []*Op{get("k")}
		require.Zero(t, testing.AllocsPerRun(100, func() { r.Do(t.Context(), ops) }), "%T", r)
	}
}
