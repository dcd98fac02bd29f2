package route

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// What children answer, by the letters of mcrouter's tests: F a hit, NF a miss, ok stored, T a timeout, D a node that is
// down (mcrouter's TKO), CE one that refuses connections, RE an error of the server, LE one of this side, TA "try again".
var answers = map[string]func(*Op){
	"NF": miss, "ok": says(protocol.OK), "NS": says(protocol.NotStored), "T": timeout, "D": down,
	"CE": failsWith("refuses", pool.NotSent, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
	"RE": failsWith("refused", pool.Refused, &protocol.ServerError{Kind: protocol.KindServerError, Text: "SERVER_ERROR x"}),
	"LE": failsWith("closed", pool.NotSent, pool.ErrClosed),
	"TA": failsWith("busy", pool.Refused, &protocol.ServerError{Kind: protocol.KindClientError, Text: "CLIENT_ERROR again"}),
}

// children makes fakes of a line like "T F:b RE": F:b hits with the value b.
func children(line string) (list []*fake, routes []Route) {
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, ":")
		answer := answers[name]
		if name == "F" {
			answer = hit(value)
		}
		_, r := fakes(answer)
		list, routes = append(list, r[0].(*fake)), append(routes, r[0])
	}
	return list, routes
}

// said is what an op came to, in the same letters.
func said(op *Op) string {
	switch {
	case op.Err == nil && op.Reply.Status == protocol.OK && op.Reply.Block >= 0:
		return string(op.Value)
	case op.Err == nil:
		return map[protocol.Status]string{protocol.OK: "ok", protocol.Miss: "NF", protocol.NotStored: "NS"}[op.Reply.Status]
	}
	for name, answer := range answers {
		expected := &Op{Request: op.Request}
		if answer(expected); expected.Err != nil && expected.Err.Error() == op.Err.Error() {
			return name
		}
	}
	return op.Err.Error()
}

// asked returns the numbers of the children that were asked since the last time, in no order.
func askedChildren(list []*fake) (numbers []int) {
	for i, f := range list {
		if len(f.calls) > 0 {
			numbers = append(numbers, i)
		}
		f.calls, f.seen = nil, nil
	}
	return numbers
}

func failoverOf(t *testing.T, routes []Route, o FailoverOptions) Route {
	t.Helper()
	r, err := FailoverList(routes, o)
	require.NoError(t, err)
	return r
}

func on(names ...string) *Failure {
	var all Failure
	for _, n := range names {
		f, err := ParseFailure(n)
		if err != nil {
			panic(err)
		}
		all |= f
	}
	return &all
}

func TestFailoverList(t *testing.T) {
	everywhere := func(f *Failure) FailoverOn { return FailoverOn{Get: f, Update: f, Delete: f} }
	perKind := FailoverOn{Get: on("remote_error"), Update: on("remote_error", "local_error"), Delete: on("local_error")}
	for _, row := range []struct {
		children  string
		on        FailoverOn
		operation protocol.Command
		want      string
	}{
		{"F:a", FailoverOn{}, protocol.Get, "a"},
		{"F:a F:b F:c", FailoverOn{}, protocol.Get, "a"},
		{"T F:b F:c", FailoverOn{}, protocol.Get, "b"},
		{"T T F:c", FailoverOn{}, protocol.Get, "c"},
		{"T D T", FailoverOn{}, protocol.Get, "T"},
		{"T D", FailoverOn{}, protocol.Get, "D"},
		{"NF F:b", FailoverOn{}, protocol.Get, "NF"},
		{"RE LE F:c", everywhere(on("remote_error")), protocol.Get, "LE"},
		{"RE LE ok", everywhere(on("remote_error")), protocol.Set, "LE"},
		{"RE LE F:c", everywhere(on("remote_error", "local_error")), protocol.Get, "c"},
		{"RE LE F:c", perKind, protocol.Get, "LE"},
		{"RE LE ok", perKind, protocol.Set, "ok"},
		{"RE LE ok", perKind, protocol.Append, "ok"},
		{"RE LE ok", perKind, protocol.Prepend, "ok"},
		{"LE RE ok", perKind, protocol.Delete, "RE"},
		{"D F:b", everywhere(on("remote_error")), protocol.Get, "D"},
		{"D ok", FailoverOn{Update: on()}, protocol.Set, "D"},
		{"D F:b", FailoverOn{Update: on()}, protocol.Get, "b"},
		{"T ok", FailoverOn{Update: on()}, protocol.Touch, "ok"},
		// mcrouter moves read-modify-writes on after any failure, and so does them twice. Here they move on only for what
		// was named, and only if the node has not done them.
		{"T ok", FailoverOn{}, protocol.Append, "T"},
		{"RE ok", FailoverOn{}, protocol.Append, "RE"},
		{"T ok", everywhere(on("timeout")), protocol.Append, "T"},
		{"D ok", everywhere(on("tko")), protocol.Add, "ok"},
		{"T ok", everywhere(on("timeout")), protocol.Set, "ok"},
		{"RE ok", everywhere(on("remote_error")), protocol.Increment, "RE"},
		{"D ok", FailoverOn{}, protocol.Decrement, "D"},
		{"TA ok", FailoverOn{}, protocol.Set, "TA"},
	} {
		_, routes := children(row.children)
		op := asks(row.operation, "k")
		do(failoverOf(t, routes, FailoverOptions{On: row.on}), op)
		require.Equal(t, row.want, said(op), "%+v", row)
	}
}

func TestFailoverListCompareAndSwap(t *testing.T) {
	_, routes := children("RE ok")
	op := asks(CompareAndSwap, "k")
	do(failoverOf(t, routes, FailoverOptions{On: FailoverOn{Update: on("remote_error")}}), op)
	require.Equal(t, "ok", said(op))
	op = asks(CompareAndSwap, "k")
	do(failoverOf(t, routes, FailoverOptions{}), op)
	require.Equal(t, "RE", said(op))
}

func TestFailoverListOfABatch(t *testing.T) {
	list, routes := children("T F:b")
	list[0].answer = func(op *Op) {
		if op.Request.Key < "k3" {
			timeout(op)
		} else {
			hit("a")(op)
		}
	}
	ops := gets("k1", "k2", "k3", "k4")
	do(failoverOf(t, routes, FailoverOptions{}), ops...)
	require.Equal(t, [][]string{{"k1", "k2", "k3", "k4"}}, list[0].calls)
	require.Equal(t, [][]string{{"k1", "k2"}}, list[1].calls, "only what failed moves on")
	require.Equal(t, "b", said(ops[0]))
	require.Equal(t, "a", said(ops[3]))
}

func TestFailoverListLimit(t *testing.T) {
	for line, want := range map[string]string{"T F:b": "b T b T", "D F:b": "b b b b", "CE F:b": "b b b b"} {
		limit, err := NewRequestLimit(.5, 1)
		require.NoError(t, err)
		_, routes := children(line)
		tree := failoverOf(t, routes, FailoverOptions{Limit: limit})
		var got []string
		for range 4 {
			op := get("k")
			do(tree, op)
			got = append(got, said(op))
		}
		require.Equal(t, want, strings.Join(got, " "), line)
	}
	for _, bad := range [][2]float64{{-1, 1}, {2, 1}, {.5, 0}, {.5, -1}} {
		_, err := NewRequestLimit(bad[0], bad[1])
		require.ErrorIs(t, err, ErrRequestLimit)
	}
}

func TestLeastFailures(t *testing.T) {
	for _, row := range []struct {
		children string
		tries    int
		want     string
	}{
		{"F:a F:b", 2, "a"},
		{"T F:b F:c", 3, "b"},
		{"T T F:c", 3, "c"},
		{"T T T", 3, "T"},
	} {
		_, routes := children(row.children)
		op := get("k")
		do(failoverOf(t, routes, FailoverOptions{Order: LeastFailures(len(routes)), MaxTries: row.tries}), op)
		require.Equal(t, row.want, said(op), row.children)
	}
	for line, want := range map[string][]int{"T T T F:d": {1, 2, 3, 3, 3}, "T T T T": {1, 2, 3, 1, 2, 3}} {
		list, routes := children(line)
		tree := failoverOf(t, routes, FailoverOptions{Order: LeastFailures(4), MaxTries: 2})
		for _, second := range want {
			do(tree, get("k"))
			require.Equal(t, []int{0, second}, askedChildren(list), line)
		}
	}
}

// Sets succeed at the second child now and then, which resets its count.
func TestLeastFailuresResets(t *testing.T) {
	list, routes := children("T T T T")
	works := func(f *fake, yes bool) {
		f.answer = timeout
		if yes {
			f.answer = says(protocol.OK)
		}
	}
	tree := failoverOf(t, routes, FailoverOptions{Order: LeastFailures(4), MaxTries: 2})
	step := func(second int) {
		t.Helper()
		do(tree, asks(protocol.Set, "k"))
		require.Equal(t, []int{0, second}, askedChildren(list))
	}
	step(1)
	step(2)
	step(3)
	step(1) // counts are now 2 1 1
	works(list[2], true)
	step(2) // 2 0 1
	works(list[2], false)
	step(2) // 2 1 1
	step(2) // 2 2 1
	step(3)
}

func TestDeterministicOrder(t *testing.T) {
	draw := func(key string) int { return int(HashKey(key) % 6) }
	for _, row := range []struct {
		children      string
		tries, errors int
		exclude       string
		reached       int
	}{
		{"T T T T", 4, 2, "", 2},
		{"D D D D D", 4, 2, "", 4},
		{"D D D D", 3, 0, "", 3},
		{"D CE D CE", 3, 2, "", 3},
		{"TA T D CE TA", 5, 2, "client_error", 5},
	} {
		list, routes := children(row.children)
		all := Failure(1<<16 - 1)
		o := FailoverOptions{
			Order: DeterministicOrder(draw), MaxTries: row.tries, MaxErrors: row.errors, On: FailoverOn{Get: &all},
		}
		if row.exclude != "" {
			o.Exclude = *on(row.exclude)
		}
		tree := failoverOf(t, routes, o)
		do(tree, get("k"))
		first := askedChildren(list)
		require.Len(t, first, row.reached, "%+v", row)
		do(tree, get("k"))
		require.Equal(t, first, askedChildren(list), "the same for the same key")
	}
}

// mcrouter counts a try that failed with an excluded error as none.
func TestFailoverListExclude(t *testing.T) {
	_, routes := children("T TA F:c")
	op := get("k")
	both := FailNode | FailClient
	do(failoverOf(t, routes, FailoverOptions{MaxErrors: 2, Exclude: *on("client_error"), On: FailoverOn{Get: &both}}), op)
	require.Equal(t, "c", said(op))
}

// The first child may be a choice among the others; that one is not asked twice.
func TestFailoverListSkipsTheOneChosen(t *testing.T) {
	list, servers := children("D D D")
	normal, err := Positions(servers, 1, func(key string) int { return len(key) % 3 })
	require.NoError(t, err)
	tree := failoverOf(t, append([]Route{Hash(normal)}, servers...), FailoverOptions{Order: RendezvousOrder([]string{"", "a", "b", "c"})})
	for _, key := range []string{"k", "kk", "kkk"} {
		do(tree, get(key))
		for i, f := range list {
			require.Len(t, f.calls, 1, "child %d", i)
		}
		askedChildren(list)
	}
}

func TestKeyOrder(t *testing.T) {
	list, routes := children("D D D F:d")
	backwards := func(dst []int, _ string) []int { return append(dst, 9, 2, 1, 0, 3) }
	tree := failoverOf(t, routes, FailoverOptions{Order: KeyOrder(backwards), MaxTries: 2})
	op := get("k")
	do(tree, op)
	require.Equal(t, []int{0, 2}, askedChildren(list))
	tree = failoverOf(t, routes, FailoverOptions{Order: KeyOrder(backwards)})
	do(tree, op)
	require.Equal(t, "d", said(op))
	tree = failoverOf(t, routes, FailoverOptions{Order: KeyOrder(func(dst []int, _ string) []int { return dst })})
	do(tree, op)
	require.Equal(t, "D", said(op))
}

func TestRendezvousOrderSpreads(t *testing.T) {
	list, routes := children("D F:b F:c F:d")
	tree := failoverOf(t, routes, FailoverOptions{Order: RendezvousOrder([]string{"a", "b", "c", "d"})})
	for _, k := range keys(300) {
		do(tree, get(k))
	}
	for _, f := range list[1:] {
		require.InDelta(t, 100, len(f.calls), 40)
	}
}

func TestFailoverListRefuses(t *testing.T) {
	_, routes := children("T T")
	_, err := FailoverList(nil, FailoverOptions{})
	require.ErrorIs(t, err, ErrNoMembers)
	_, err = FailoverList(routes, FailoverOptions{MaxTries: -1})
	require.ErrorIs(t, err, ErrFailover)
	_, err = FailoverList([]Route{routes[0], nil}, FailoverOptions{})
	require.ErrorIs(t, err, ErrNoPart)
	one, err := FailoverList(routes[:1], FailoverOptions{})
	require.NoError(t, err)
	require.Equal(t, routes[0], one)
}

func TestFailoverListEndsWithItsContext(t *testing.T) {
	list, routes := children("T F:b")
	ctx, cancel := context.WithCancel(t.Context())
	list[0].answer = func(op *Op) {
		cancel()
		failsWith("slow", pool.Ambiguous, context.Canceled)(op)
	}
	op := get("k")
	failoverOf(t, routes, FailoverOptions{}).Do(ctx, []*Op{op})
	require.ErrorIs(t, op.Err, context.Canceled)
	require.Empty(t, list[1].calls)
}

func TestFailoverWithExptime(t *testing.T) {
	for _, row := range []struct{ children, get, delete string }{
		{"F:a F:b F:c", "a", "a"},
		{"T F:b F:c", "b", "b"},
		{"T T F:c", "c", "c"},
		{"T T T", "T", "T"},
	} {
		list, routes := children(row.children)
		tree, err := FailoverWithExptime(routes[0], routes[1:], 2*time.Second, FailoverOptions{})
		require.NoError(t, err)
		for c, want := range map[protocol.Command]string{protocol.Get: row.get, protocol.Delete: row.delete} {
			op := asks(c, "k")
			do(tree, op)
			require.Equal(t, want, said(op))
			for _, f := range list {
				for _, r := range f.seen {
					require.Zero(t, r.Exptime)
				}
			}
		}
	}
	list, routes := children("T ok")
	tree, err := FailoverWithExptime(routes[0], routes[1:], time.Minute, FailoverOptions{})
	require.NoError(t, err)
	for was, want := range map[int64]int64{0: 60, 10: 10, 1000: 60} {
		op := asks(protocol.Set, "k")
		op.Request.Exptime = was
		do(tree, op)
		require.Equal(t, was, list[0].seen[0].Exptime, "the normal one gets what was asked for")
		require.Equal(t, want, list[1].seen[0].Exptime)
		askedChildren(list)
	}
	for _, line := range []string{"CE ok", "T ok", "D ok"} {
		for _, c := range []protocol.Command{protocol.Get, protocol.Set, protocol.Delete} {
			_, routes := children(line)
			never := FailoverOn{Get: on(), Update: on(), Delete: on()}
			for _, moves := range []bool{false, true} {
				o := FailoverOptions{On: never}
				if moves {
					o = FailoverOptions{}
				}
				tree, err := FailoverWithExptime(routes[0], routes[1:], 0, o)
				require.NoError(t, err)
				op := asks(c, "k")
				do(tree, op)
				require.Equal(t, moves, said(op) == "ok", "%s %v", line, c)
			}
		}
	}
	_, err = FailoverWithExptime(routes[0], routes[1:], -1, FailoverOptions{})
	require.ErrorIs(t, err, protocol.ErrInvalidTTL)
}

func TestParseFailure(t *testing.T) {
	f, err := ParseFailure("tko")
	require.NoError(t, err)
	require.Equal(t, FailDown, f)
	_, err = ParseFailure("found")
	require.ErrorIs(t, err, ErrFailureName)
}

func TestFailoverListExplains(t *testing.T) {
	_, routes := children("T T F:c")
	tree := failoverOf(t, routes, FailoverOptions{MaxTries: 2})
	require.Equal(t, "failover: in order\n  route.fake\n  route.fake\n", Explain(tree, get("k")).String())
	require.Contains(t, Explain(tree, asks(protocol.Increment, "k")).String(), "does not fail over")
}

func TestLatest(t *testing.T) {
	list, routes := children("F:a F:b F:c F:d")
	tree, err := Latest(routes, LatestOptions{HostID: 7, Count: 3})
	require.NoError(t, err)
	var order []int
	ask := func() []int {
		do(tree, get(fmt.Sprint(len(order))))
		return askedChildren(list)
	}
	first := ask()
	require.Len(t, first, 1)
	require.Equal(t, first, ask(), "the same child for every key")
	for len(order) < 3 {
		seen := ask()
		for _, i := range seen {
			if !slices.Contains(order, i) {
				order = append(order, i)
			}
		}
		list[order[len(order)-1]].answer = down
	}
	op := get("k")
	do(tree, op)
	require.Equal(t, "D", said(op), "a fourth is healthy, but was not chosen")
	list[order[0]].answer = hit("back")
	do(tree, op)
	require.Equal(t, "back", said(op))

	chosen := map[string]bool{}
	for host := range uint64(50) {
		_, routes := children("F:a F:b F:c F:d")
		tree, err := Latest(routes, LatestOptions{HostID: host})
		require.NoError(t, err)
		op := get("k")
		do(tree, op)
		chosen[said(op)] = true
	}
	require.Len(t, chosen, 4, "hosts choose apart")
}

func TestLatestWeights(t *testing.T) {
	_, routes := children("F:a F:b")
	for host := range uint64(50) {
		tree, err := Latest(routes, LatestOptions{HostID: host, Weights: []float64{0, 1}})
		require.NoError(t, err)
		op := get("k")
		do(tree, op)
		require.Equal(t, "b", said(op))
	}
	_, err := Latest(routes, LatestOptions{Weights: []float64{-1}})
	require.ErrorIs(t, err, ErrBadWeight)
	_, err = Latest(routes, LatestOptions{Count: -1})
	require.Error(t, err)
	_, err = Latest(nil, LatestOptions{})
	require.ErrorIs(t, err, ErrNoMembers)
}

func TestRandomAndHostID(t *testing.T) {
	list, routes := children("F:a F:b F:c")
	r, err := Random(routes)
	require.NoError(t, err)
	for _, k := range keys(300) {
		do(r, get(k))
	}
	do(r, gets(keys(300)...)...)
	for _, f := range list {
		require.InDelta(t, 200, len(f.asked()), 80)
	}
	for host, want := range []string{"a", "b", "c", "a"} {
		child, err := HostID(routes, uint64(host))
		require.NoError(t, err)
		op := get("k")
		do(child, op)
		require.Equal(t, want, said(op))
	}
	_, err = Random(nil)
	require.ErrorIs(t, err, ErrNoMembers)
	_, err = HostID(nil, 1)
	require.ErrorIs(t, err, ErrNoMembers)
}

// While one child is slow, the others get the requests.
func TestLoadBalancer(t *testing.T) {
	for _, balance := range []Balance{TwoChoices, LeastOutstanding} {
		slow := &gate{open: make(chan struct{})}
		list, routes := children("F:b F:c")
		tree, err := LoadBalancer(append([]Route{slow}, routes...), balance)
		require.NoError(t, err)
		l := tree.(*loadBalancer)
		l.pick = func(n int) int { return 0 } // the first two
		done := make(chan struct{})
		go func() {
			do(tree, get("slow"))
			close(done)
		}()
		require.Eventually(t, func() bool { return l.children[0].busy.Load() == 1 }, 10*time.Second, time.Millisecond)
		for _, k := range keys(20) {
			do(tree, get(k))
		}
		require.Len(t, list[0].asked(), 20)
		require.Contains(t, Explain(tree, get("k")).String(), "1 under way")
		close(slow.open)
		<-done
		do(tree, gets(keys(30)...)...)
		for i := range l.children {
			require.Zero(t, l.children[i].busy.Load())
		}
	}
	_, err := LoadBalancer(nil, TwoChoices)
	require.ErrorIs(t, err, ErrNoMembers)
	_, routes := children("F:b F:c")
	_, err = LoadBalancer(routes, 9)
	require.Error(t, err)
}

func TestAskHome(t *testing.T) {
	servers, nodes, routes := realNodes(t, 3)
	home := readingAt(0, routes)
	reads := failoverOf(t, []Route{routes[2], routes[1]}, FailoverOptions{})
	tree := ByOperation(AllSync(home), map[protocol.Command]Route{protocol.Get: AskHome(reads, home)})
	do(tree, asks(protocol.Add, "k"))
	require.Equal(t, 1, servers[0].Stats().CurrItems)
	op := get("k")
	do(tree, op)
	require.Equal(t, "v", string(op.Value))
	require.Same(t, nodes[0], op.Node)

	update := asks(GetForUpdate, "k")
	gets := servers[2].Stats().Gets
	do(tree, update)
	require.Same(t, nodes[0], update.Node)
	require.Equal(t, gets, servers[2].Stats().Gets, "the others are not asked")

	do(nodes[2], store(protocol.Set, "local", "v"))
	gets = servers[0].Stats().Gets
	op = get("local")
	do(tree, op)
	require.Same(t, nodes[2], op.Node)
	require.Equal(t, gets, servers[0].Stats().Gets, "a hit is an answer")

	servers[0].Kill()
	op = get("nowhere")
	do(tree, op)
	require.NoError(t, op.Err)
	require.Equal(t, protocol.Miss, op.Reply.Status, "the home cannot say more")
	require.Contains(t, Explain(tree, op).String(), "ask home")
	require.Contains(t, Explain(tree, update).String(), "home")
}

// TestFailoverListAfterAChoiceByChance: the node that was chosen is not asked again, and no other is left out.
func TestFailoverListAfterAChoiceByChance(t *testing.T) {
	servers, nodes, routes := realNodes(t, 3)
	servers[0].Close()
	servers[1].Close()
	first, err := Random(routes)
	require.NoError(t, err)
	tree := failoverOf(t, append([]Route{first}, routes...), FailoverOptions{})
	for range 50 {
		op := get("k")
		do(tree, op)
		require.NoError(t, op.Err)
		require.Equal(t, nodes[2].Name(), op.Node.Name())
	}
	servers[2].Close()
	for range 10 {
		op := get("k")
		do(tree, op)
		require.Error(t, op.Err)
		require.Equal(t, 2, op.Failovers)
	}
}
