package route

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// The answers of mcrouter's tests, by the letters of its results.
var (
	remoteError = failsWith("a", pool.Refused, &protocol.ServerError{Kind: protocol.KindServerError, Text: "SERVER_ERROR busy"})
	clientError = failsWith("a", pool.Refused, &protocol.ServerError{Kind: protocol.KindClientError, Text: "CLIENT_ERROR bad"})
)

// never is the delay of a replica that answers long after all others.
const never = time.Hour

// replica is an answer and when it comes.
type replica struct {
	answer func(*Op)
	after  time.Duration
}

// timed is a route that takes its time, unless the context ends.
type timed struct {
	replica
	fake // records what is asked when it is asked
}

func (r *timed) Do(ctx context.Context, ops []*Op) {
	r.fake.Do(ctx, ops)
	err := pause(ctx, r.after)
	for _, op := range ops {
		if err != nil {
			refuse(op, err)
		} else {
			r.replica.answer(op)
		}
	}
}

// replicas returns a route for each, and what records the questions.
func replicas(list ...replica) (asked []*fake, routes []Route) {
	for _, r := range list {
		timed := &timed{replica: r}
		asked, routes = append(asked, &timed.fake), append(routes, timed)
	}
	return asked, routes
}

// outcome says what op came to: its value, its status, or "fails" with the node's name.
func outcome(op *Op) string {
	switch {
	case op.Err != nil:
		return "fails: " + op.Err.Error()
	case len(op.Value) > 0:
		return string(op.Value)
	}
	return statusNames[op.Reply.Status]
}

// fanRow is a fan-out of one op: what each replica answers when, what comes of it and after how long.
type fanRow struct {
	operation protocol.Command
	replicas  []replica
	want      string // part of the outcome
	after     time.Duration
}

func (row fanRow) check(t *testing.T, make func(Placement, *Background) (Route, error)) {
	synctest.Test(t, func(t *testing.T) {
		asked, routes := replicas(row.replicas...)
		b := NewBackground(10)
		tree, err := make(Fixed(routes...), b)
		require.NoError(t, err)
		op, start := asks(row.operation, "k"), time.Now()
		do(tree, op)
		require.Contains(t, outcome(op), row.want)
		require.Equal(t, row.after, time.Since(start))
		b.Close() // the rest ends in the background
		for i, f := range asked {
			require.Equal(t, []string{"k"}, f.asked(), "all see the key once: %d", i)
		}
	})
}

// The rows of mcrouter's tests come first; where ours differs the name says why.
func TestAllMajority(t *testing.T) {
	ok, deleted := says(protocol.OK), says(protocol.OK)
	for name, row := range map[string]fanRow{
		"RE, NF paused, RE": {protocol.Get, []replica{{remoteError, 0}, {miss, never}, {remoteError, 0}}, "SERVER_ERROR", 0},
		"RE, NF, NF, RE":    {protocol.Get, []replica{{remoteError, 1}, {miss, 2}, {miss, 3}, {remoteError, 4}}, "SERVER_ERROR", 4},

		"deleted on 4 of 4":                        {protocol.Delete, []replica{{deleted, 1}, {deleted, 2}, {deleted, 3}, {deleted, 4}}, "ok", 3},
		"deleted on 3 of 4":                        {protocol.Delete, []replica{{deleted, 1}, {deleted, 2}, {miss, 3}, {deleted, 4}}, "ok", 4},
		"deleted on 2 of 4: done, as combine says": {protocol.Delete, []replica{{miss, 1}, {deleted, 2}, {deleted, 3}, {miss, 4}}, "ok", 4},
		"deleted on 1 of 4":                        {protocol.Delete, []replica{{deleted, 1}, {miss, 2}, {miss, 3}, {miss, 4}}, "miss", 4},

		"two hits decide":                         {protocol.Get, []replica{{hit("A"), 1}, {hit("B"), 2}, {miss, never}}, "A", 2},
		"a tie of hit and miss is a miss":         {protocol.Get, []replica{{hit("A"), 1}, {down, 2}, {miss, 3}}, "miss", 3},
		"most of those that answer":               {protocol.Get, []replica{{down, 1}, {hit("B"), 1}, {hit("C"), 1}, {miss, 1}, {timeout, 5}}, "B", 5},
		"a set that two of three store":           {protocol.Set, []replica{{ok, 1}, {down, 1}, {ok, 2}}, "ok", 2},
		"a set that one of three stores":          {protocol.Set, []replica{{ok, 1}, {down, 1}, {timeout, 2}}, "acknowledged by 1 of 3", 2},
		"a failed set waits to tell of each":      {protocol.Set, []replica{{down, 1}, {down, 1}, {ok, 9}}, "acknowledged by 1 of 3", 9},
		"kinds of failure are not told apart":     {protocol.Get, []replica{{timeout, 1}, {down, 2}, {hit("C"), never}}, "at hung", 2},
		"half of two is no majority":              {protocol.Set, []replica{{ok, 1}, {down, 2}}, "acknowledged by 1 of 2", 2},
		"one of two that hits, the other one not": {protocol.Get, []replica{{hit("A"), 1}, {miss, 2}}, "miss", 2},
	} {
		t.Run(name, func(t *testing.T) { row.check(t, AllMajority) })
	}
}

func TestAllFastest(t *testing.T) {
	fastest := func(p Placement, b *Background) (Route, error) { return AllFastest(p, FastestOptions{}, b) }
	hits := func(p Placement, b *Background) (Route, error) {
		return AllFastest(p, FastestOptions{MissIsNotGood: true}, b)
	}
	for name, c := range map[string]struct {
		make func(Placement, *Background) (Route, error)
		row  fanRow
	}{
		"RE, NF paused, F c":            {fastest, fanRow{protocol.Get, []replica{{remoteError, 0}, {miss, never}, {hit("c"), 0}}, "c", 0}},
		"first dead: set":               {fastest, fanRow{protocol.Set, []replica{{down, 0}, {says(protocol.OK), 1}, {says(protocol.OK), 1}}, "ok", 1}},
		"first dead: get":               {fastest, fanRow{protocol.Get, []replica{{down, 0}, {hit("b"), 1}, {hit("c"), 2}}, "b", 1}},
		"first dead: get-and-touch":     {fastest, fanRow{protocol.GetAndTouch, []replica{{down, 0}, {hit("b"), 1}, {hit("c"), 2}}, "b", 1}},
		"a miss is good":                {fastest, fanRow{protocol.Get, []replica{{remoteError, 0}, {miss, 1}, {hit("c"), 2}}, "miss", 1}},
		"a client error is good":        {fastest, fanRow{protocol.Get, []replica{{clientError, 1}, {hit("b"), 2}}, "CLIENT_ERROR", 1}},
		"all fail: the last in order":   {fastest, fanRow{protocol.Get, []replica{{down, 3}, {remoteError, 2}, {timeout, 1}}, "at hung", 3}},
		"a set that all fail":           {fastest, fanRow{protocol.Set, []replica{{down, 3}, {timeout, 1}}, "acknowledged by 0 of 2", 3}},
		"routelib miss: SE, EN, HD":     {hits, fanRow{protocol.Get, []replica{{remoteError, 1}, {miss, 2}, {hit("HD"), 3}}, "HD", 3}},
		"routelib miss: SE, SE, SE":     {hits, fanRow{protocol.Get, []replica{{remoteError, 1}, {remoteError, 2}, {timeout, 3}}, "at hung", 3}},
		"routelib miss: SE, EN, SE":     {hits, fanRow{protocol.Get, []replica{{remoteError, 1}, {miss, 2}, {remoteError, 3}}, "miss", 3}},
		"routelib miss: third hits":     {hits, fanRow{protocol.Get, []replica{{miss, 5}, {miss, 5}, {hit("HD"), 3}}, "HD", 3}},
		"routelib: SE, EN, HD":          {fastest, fanRow{protocol.Get, []replica{{remoteError, 1}, {miss, 2}, {hit("HD"), 3}}, "miss", 2}},
		"a delete's miss is its answer": {hits, fanRow{protocol.Delete, []replica{{miss, 1}, {says(protocol.OK), 2}}, "miss", 1}},
	} {
		t.Run(name, func(t *testing.T) { c.row.check(t, c.make) })
	}
}

func TestAllInitial(t *testing.T) {
	for name, row := range map[string]fanRow{
		"F a, NF, RE":                        {protocol.Get, []replica{{hit("a"), 1}, {miss, never}, {remoteError, 2}}, "a", 1},
		"the first fails, so does the op":    {protocol.Get, []replica{{down, 1}, {hit("b"), 0}}, "at dead", 1},
		"the first stores, the others may":   {protocol.Set, []replica{{says(protocol.OK), 1}, {timeout, never}}, "ok", 1},
		"the first fails, the others stored": {protocol.Set, []replica{{down, 1}, {says(protocol.OK), 0}}, "at dead", 1},
	} {
		t.Run(name, func(t *testing.T) { row.check(t, AllInitial) })
	}
}

func TestAllAsync(t *testing.T) {
	for name, row := range map[string]fanRow{
		"F, NF, RE": {protocol.Get, []replica{{hit("a"), 1}, {miss, 1}, {remoteError, never}}, "miss", 0},
		"a set":     {protocol.Set, []replica{{says(protocol.OK), 1}, {says(protocol.OK), never}}, "not stored", 0},
		"a delete":  {protocol.Delete, []replica{{says(protocol.OK), 1}}, "miss", 0},
		"a touch":   {protocol.Touch, []replica{{says(protocol.OK), 1}}, "miss", 0},
	} {
		t.Run(name, func(t *testing.T) { row.check(t, AllAsync) })
	}
}

// mcrouter drops what its queue has no room for and answers as if it had been sent. Nobody would know of a lost delete.
func TestAllAsyncFailsWithoutRoom(t *testing.T) {
	f := &fake{}
	b := NewBackground(1)
	b.Close()
	op := asked(built(t)(AllAsync(Fixed(f), b)), asks(protocol.Delete, "k"))
	require.ErrorIs(t, op.Err, ErrNoRoom)
	var e *pool.Error
	require.ErrorAs(t, op.Err, &e)
	require.Equal(t, pool.NotSent, e.Outcome)
	require.Empty(t, f.calls)
}

// fanOuts are all of them, by name.
func fanOuts(t *testing.T, p Placement, b *Background) map[string]Route {
	return map[string]Route{
		"all-majority": built(t)(AllMajority(p, b)),
		"all-fastest":  built(t)(AllFastest(p, FastestOptions{}, b)),
		"all-initial":  built(t)(AllInitial(p, b)),
	}
}

// mcrouter fans everything out. What depends on the item that is there would leave another value at each replica, a CAS
// means nothing elsewhere, and a lease is to be given once.
func TestFanOutsSendHomeWhatOnlyTheHomeCanDecide(t *testing.T) {
	lease := get("k")
	lease.Request.Meta |= protocol.Vivify
	for _, op := range []*Op{asks(protocol.Add, "k"), asks(protocol.Increment, "k"), asks(CompareAndSwap, "k"), asks(GetForUpdate, "k"), lease} {
		b, wait := background(t)
		list, routes := fakes(nil, nil, nil)
		for name, tree := range fanOuts(t, Fixed(routes...), b) {
			do(tree, op)
			require.NoError(t, op.Err, name)
			wait()
		}
		require.Equal(t, []string{"k", "k", "k"}, list[0].asked())
		for _, other := range list[1:] {
			for _, c := range other.commands() {
				require.Equal(t, protocol.Delete, c, "only cleared")
				require.True(t, isReadModifyWrite(op))
			}
		}
	}
}

// A read at home must not clear the other replicas.
func TestFanOutsDoNotClearAfterReads(t *testing.T) {
	b, wait := background(t)
	list, routes := fakes(hit("v"), nil)
	for _, tree := range fanOuts(t, Fixed(routes...), b) {
		do(tree, asks(GetForUpdate, "k"))
	}
	wait()
	require.Empty(t, list[1].calls)
}

// Ops of a batch settle by their own replies, mixed commands and single replicas included.
func TestFanOutsOfABatch(t *testing.T) {
	for _, name := range []string{"all-majority", "all-fastest", "all-initial"} {
		b, wait := background(t)
		answer := func(value string) func(*Op) {
			return func(op *Op) {
				switch {
				case op.Request.Command != protocol.Get:
					says(protocol.OK)(op)
				case op.Request.Key == "absent":
					miss(op)
				default:
					hit(value)(op)
				}
			}
		}
		list, routes := fakes(answer("v"), answer("v"), answer("v"), answer("alone"))
		p := NewRules(Fixed(routes[:3]...), map[string]Replicas{"single": {All: routes[3:]}})
		ops := append(gets("k1", "absent", "single", "k2"), asks(protocol.Set, "s"), asks(protocol.Add, "a"))
		do(fanOuts(t, p, b)[name], ops...)
		wait()
		var got []string
		for _, op := range ops {
			got = append(got, outcome(op))
		}
		require.Equal(t, []string{"v", "miss", "alone", "v", "ok", "ok"}, got, name)
		for _, f := range list[:3] {
			require.Contains(t, f.calls, []string{"k1", "absent", "k2", "s"}, "one batch for each replica")
		}
		require.Equal(t, []string{"single"}, list[3].asked())
	}
}

// The caller's memory is his own again when Do returns, and his Dst is written once.
func TestFanOutsShareNothingWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackground(10)
		list, routes := replicas(replica{says(protocol.OK), 1}, replica{says(protocol.OK), 1}, replica{says(protocol.OK), 2})
		late := &fake{}
		routes[2] = built(t)(Latency(late, LatencyOptions{Before: never}))
		for name, tree := range fanOuts(t, Fixed(routes...), b) {
			op := store(protocol.Set, name, "value")
			do(tree, op)
			require.NoError(t, op.Err)
			copy(op.Request.Value, "XXXXX")
			op.Request.Key = "another"
		}
		b.Close()
		require.Len(t, late.seen, 3)
		for _, r := range append(late.seen, list[1].seen...) {
			require.Equal(t, "value", string(r.Value))
			require.Contains(t, fanOuts(t, Fixed(routes...), b), r.Key)
		}
	})
}

func TestFanOutsAppendToDst(t *testing.T) {
	b, _ := background(t)
	_, routes := fakes(hit("v"), hit("v"), hit("v"))
	for name, tree := range fanOuts(t, Fixed(routes...), b) {
		op := get("k")
		op.Dst = append(make([]byte, 0, 100), "before "...)
		do(tree, op)
		require.Equal(t, "before v", string(op.Value), name)
	}
}

// A caller whose context ends is not kept; what became of those that did not answer is not known.
func TestFanOutsEndWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBackground(10)
		_, routes := replicas(replica{says(protocol.OK), 1}, replica{says(protocol.OK), never}, replica{says(protocol.OK), never})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start, op := time.Now(), asks(protocol.Set, "k")
		built(t)(AllMajority(Fixed(routes...), b)).Do(ctx, []*Op{op})
		require.Equal(t, time.Second, time.Since(start))
		require.ErrorIs(t, op.Err, context.DeadlineExceeded)
		var e *pool.Error
		require.ErrorAs(t, op.Err, &e)
		require.Equal(t, pool.Ambiguous, e.Outcome)
		require.ErrorIs(t, op.Err, ErrPartialWrite)
		b.Close()
		require.Equal(t, never, time.Since(start).Truncate(time.Minute), "the others were not given up")
	})
}

// With no room in the background nothing is lost: the caller waits for all, as with AllSync.
func TestFanOutsWaitForAllWithoutRoom(t *testing.T) {
	for _, name := range []string{"all-majority", "all-fastest", "all-initial"} {
		synctest.Test(t, func(t *testing.T) {
			full := NewBackground(1)
			full.Close()
			list, routes := replicas(replica{hit("v"), 1}, replica{hit("v"), 2}, replica{hit("v"), time.Minute})
			start, op := time.Now(), get("k")
			do(fanOuts(t, Fixed(routes...), full)[name], op)
			require.Equal(t, "v", outcome(op))
			require.Equal(t, time.Minute, time.Since(start).Truncate(time.Second))
			require.Equal(t, []string{"k"}, list[2].asked())
			require.Zero(t, full.Dropped())
		})
	}
}

// A node that misses a write in the background is not read for the key until it has deleted it, so nobody sees what it had.
func TestFanOutsNoteMissedWrites(t *testing.T) {
	for _, name := range []string{"all-majority", "all-fastest", "all-initial"} {
		t.Run(name, func(t *testing.T) {
			b, wait := background(t)
			_, nodes, routes := realNodes(t, 3)
			do(AllSync(Fixed(routes...)), store(protocol.Set, "k", "old"))
			require.Equal(t, "old", string(asked(nodes[2], get("k")).Value))
			routes[2] = &fake{answer: func(op *Op) {
				down(op)
				op.Node = nodes[2]
			}}
			do(fanOuts(t, Fixed(routes...), b)[name], store(protocol.Set, "k", "new"))
			wait()
			read := asked(nodes[2], get("k"))
			require.NotEqual(t, "old", string(read.Value))
		})
	}
}

// The caller and the goroutines of the race itself, no more: nodes are started without.
func TestRaceStartsAGoroutineForEachNode(t *testing.T) {
	_, _, routes := realNodes(t, 3)
	b, wait := background(t)
	tree := built(t)(AllMajority(Fixed(routes...), b))
	do(tree, store(protocol.Set, "k", "v")) // connected now
	wait()
	before := runtime.NumGoroutine()
	other := &counting{Route: &fake{}}
	do(built(t)(AllMajority(Fixed(append(routes, other)...), b)), store(protocol.Set, "k", "v"))
	wait()
	require.LessOrEqual(t, other.goroutines, before+4)
}

func TestFanOutsNeedTheirParts(t *testing.T) {
	b, _ := background(t)
	p := Fixed(&fake{})
	for _, err := range []error{
		second(AllMajority(nil, b)), second(AllMajority(p, nil)), second(AllFastest(nil, FastestOptions{}, b)),
		second(AllFastest(p, FastestOptions{}, nil)), second(AllInitial(nil, b)), second(AllInitial(p, nil)),
		second(AllAsync(nil, b)), second(AllAsync(p, nil)), second(ZoneFailover(nil, ZoneOptions{})),
		second(Hedged(nil, HedgeOptions{}, b)), second(Hedged(p, HedgeOptions{}, nil)),
	} {
		require.ErrorIs(t, err, ErrNoPart)
	}
}

func second(_ Route, err error) error { return err }

// Nothing to do is done.
func TestFanOutsOfNothing(t *testing.T) {
	b, _ := background(t)
	list, routes := fakes(nil, nil)
	p := Fixed(routes...)
	for _, tree := range []Route{
		built(t)(AllMajority(p, b)), built(t)(AllFastest(p, FastestOptions{}, b)), built(t)(AllInitial(p, b)),
		built(t)(AllAsync(p, b)), built(t)(ZoneFailover(p, ZoneOptions{})), built(t)(Hedged(p, HedgeOptions{}, b)),
	} {
		do(tree)
	}
	require.Empty(t, list[0].calls)
}

func TestExplainFanOuts(t *testing.T) {
	b, _ := background(t)
	a, c := pool.NewNode(pool.Config{Name: "a", Addr: "127.0.0.1:1"}), pool.NewNode(pool.Config{Name: "c", Addr: "127.0.0.1:1"})
	defer a.Close()
	defer c.Close()
	p := readingAt(1, []Route{a, c})
	both := "  node a (idle)\n  node c (idle)\n"
	for name, tree := range fanOuts(t, p, b) {
		require.Equal(t, name+"\n"+both, Explain(tree, get("k")).String())
		require.Equal(t, name+": only the home can answer\n  node a (idle)\n", Explain(tree, asks(GetForUpdate, "k")).String())
		require.True(t, strings.HasPrefix(Explain(tree, asks(protocol.Add, "k")).String(), "at home\n  node a"))
	}
	require.Equal(t, "all-async: in the background; the answer is: not stored\n  all-sync\n    node a (idle)\n    node c (idle)\n",
		Explain(built(t)(AllAsync(p, b)), asks(protocol.Set, "k")).String())
	inOrder, atOnce := built(t)(ZoneFailover(p, ZoneOptions{})), built(t)(ZoneFailover(p, ZoneOptions{AtOnce: b}))
	require.Equal(t, "zone failover\n  node c (idle)\n  node a (idle)\n", Explain(inOrder, get("k")).String())
	require.Equal(t, "zone failover\n  node c (idle)\n  all-fastest\n    node a (idle)\n", Explain(atOnce, get("k")).String())
	require.Equal(t, "all-sync\n"+both, Explain(inOrder, asks(protocol.Set, "k")).String())
	require.Equal(t, "zone failover: only the home can answer\n  node a (idle)\n", Explain(inOrder, asks(GetForUpdate, "k")).String())
	hedge := built(t)(Hedged(p, limitedTo(time.Second, 0.1, 1), b))
	require.Equal(t, `hedged: at most 10 % of the reads go to a second replica
  failover
    node c (idle)
    node a (idle)
  if that takes longer than 1s
    node a (idle)
`, Explain(hedge, get("k")).String())
	require.Equal(t, "failover\n  node a (idle)\n", Explain(hedge, asks(protocol.Add, "k")).String())
}

// BenchmarkRouteFanOut is what a fan-out adds, over leaves that answer at once.
func BenchmarkRouteFanOut(b *testing.B) {
	bg := NewBackground(DefaultBackground)
	defer bg.Close()
	p := Fixed(&leaf{}, &leaf{}, &leaf{})
	for name, make := range map[string]func() (Route, error){
		"majority": func() (Route, error) { return AllMajority(p, bg) },
		"fastest":  func() (Route, error) { return AllFastest(p, FastestOptions{}, bg) },
		"initial":  func() (Route, error) { return AllInitial(p, bg) },
		"async":    func() (Route, error) { return AllAsync(p, bg) },
		"zones":    func() (Route, error) { return ZoneFailover(p, ZoneOptions{}) },
		"hedged":   func() (Route, error) { return Hedged(p, HedgeOptions{}, bg) },
	} {
		tree, err := make()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(name, "/get"), func(b *testing.B) { benchRoute(b, tree, get("key:1")) })
		b.Run(fmt.Sprint(name, "/set"), func(b *testing.B) { benchRoute(b, tree, store(protocol.Set, "key:1", "v")) })
	}
}
