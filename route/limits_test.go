package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// mcrouter's rows. Over the limit the answer is the default one, or the fallback's.
func TestRateLimit(t *testing.T) {
	for name, c := range map[string]struct {
		rate   Rate
		wait   time.Duration
		passed int // of 4
	}{
		"rate 2, after .5 s":          {Rate{PerSecond: 2}, 500 * time.Millisecond, 1},
		"rate 4, burst 3, after 1 s":  {Rate{PerSecond: 4, Burst: 3}, time.Second, 3},
		"nothing at the start":        {Rate{PerSecond: 1000}, 0, 0},
		"burst is the rate":           {Rate{PerSecond: 2}, time.Hour, 2},
		"a rate below 1 passes too":   {Rate{PerSecond: 0.5}, 2 * time.Second, 1}, // mcrouter's burst of .5 never holds a token
		"no limit":                    {Rate{}, 0, 4},
		"a rate that never passes":    {Rate{PerSecond: 1e-300}, time.Hour, 0},
		"a rate beyond the clock":     {Rate{PerSecond: 1e300}, time.Microsecond, 4},
		"a burst beyond what is held": {Rate{PerSecond: 1, Burst: 1e300}, 3 * time.Second, 3},
	} {
		for _, group := range []struct {
			options    RateLimitOptions
			operations []protocol.Command
			rejected   string
		}{
			{RateLimitOptions{Gets: c.rate}, getGroup, "miss"},
			{RateLimitOptions{Sets: c.rate}, updateGroup, "not stored"},
			{RateLimitOptions{Deletes: c.rate}, deleteGroup, "miss"},
			{RateLimitOptions{Deletes: c.rate, Over: &fake{answer: says(protocol.Exists)}}, deleteGroup, "exists"},
		} {
			for _, operation := range group.operations {
				t.Run(fmt.Sprint(name, "/", operationName(operation)), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						child := &fake{}
						tree, err := RateLimit(child, group.options)
						require.NoError(t, err)
						time.Sleep(c.wait)
						for i := range 4 {
							want := "ok"
							if i >= c.passed {
								want = group.rejected
							}
							require.Equal(t, want, outcome(asked(tree, asks(operation, "k"))), i)
						}
						require.Len(t, child.calls, c.passed)
					})
				})
			}
		}
	}
}

// Groups have limits of their own, the rest has none, and of a batch each op counts.
func TestRateLimitOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		child := &fake{}
		one := Rate{PerSecond: 1}
		tree, err := RateLimit(child, RateLimitOptions{Gets: one, Sets: one, Deletes: one})
		require.NoError(t, err)
		time.Sleep(time.Second)
		do(tree, asks(protocol.Get, "g1"), asks(protocol.Get, "g2"), asks(protocol.Set, "s1"), asks(protocol.Append, "s2"),
			asks(protocol.Delete, "d1"), asks(protocol.Delete, "d2"), asks(protocol.Increment, "i"), asks(protocol.Touch, "t"))
		require.Equal(t, [][]string{{"g1", "s1", "d1", "i", "t"}}, child.calls)
	})
}

func TestRateLimitRefusesNonsense(t *testing.T) {
	for _, r := range []Rate{
		{PerSecond: -1}, {PerSecond: math.NaN()}, {PerSecond: math.Inf(1)}, {Burst: 1}, {PerSecond: 1, Burst: 0.5},
		{PerSecond: 1, Burst: math.NaN()}, {PerSecond: 1, Burst: math.Inf(1)}, {PerSecond: 1, Burst: -1},
	} {
		for _, o := range []RateLimitOptions{{Gets: r}, {Sets: r}, {Deletes: r}} {
			_, err := RateLimit(&fake{}, o)
			require.ErrorIs(t, err, ErrRate, r)
		}
	}
	_, err := RateLimit(nil, RateLimitOptions{})
	require.ErrorIs(t, err, ErrNoPart)
}

// To explain takes no token.
func TestRateLimitExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree, err := RateLimit(&fake{}, RateLimitOptions{Gets: Rate{PerSecond: 1, Burst: 2}})
		require.NoError(t, err)
		time.Sleep(time.Second)
		for range 5 {
			require.Equal(t, "rate limit: 1 a second, at most 2 at once\n  route.fake\n  over the limit\n    null: the answer is: a miss\n",
				Explain(tree, get("k")).String())
		}
		require.Equal(t, "ok", outcome(asked(tree, get("k"))))
		require.Equal(t, "rate limit: not limited\n  route.fake\n", Explain(tree, asks(protocol.Touch, "k")).String())
	})
}

type tenant struct{}

func tenantOf(ctx context.Context) string {
	name, _ := ctx.Value(tenant{}).(string)
	return name
}

// mcrouter's row: 14 requests of the senders below, three at a time. A sender "" is nobody in particular.
func TestOutstandingLimitIsFair(t *testing.T) {
	senders := []string{"1", "1", "1", "1", "2", "2", "2", "1", "", "3", "", "4", "3", ""}
	for _, c := range []struct {
		caller func(context.Context) string
		want   string
	}{
		{tenantOf, "1 2 3 4 5 9 10 11 12 14 8 6 13 7"},
		{nil, "1 2 3 4 5 6 7 8 9 10 11 12 13 14"}, // without identity: first come, first served
	} {
		synctest.Test(t, func(t *testing.T) {
			order := make(chan string, len(senders))
			begin := make(chan struct{})
			child := answering(func(op *Op) {
				order <- op.Request.Key
				<-begin
			})
			tree := built(t)(OutstandingLimit(child, OutstandingOptions{Max: 3, Caller: c.caller}))
			for i, sender := range senders {
				ctx := context.WithValue(t.Context(), tenant{}, sender)
				go tree.Do(ctx, gets(fmt.Sprint(i+1)))
				synctest.Wait()
			}
			var got []string
			for range senders {
				got = append(got, <-order)
				if len(got) >= 3 {
					begin <- struct{}{}
					synctest.Wait()
				}
			}
			close(begin)
			require.Equal(t, c.want, strings.Join(got, " "))
		})
	}
}

// answering is a route without a lock, for many callers.
type answeringRoute struct{ answer func(*Op) }

func answering(f func(*Op)) Route { return &answeringRoute{f} }

func (a *answeringRoute) Do(_ context.Context, ops []*Op) {
	for _, op := range ops {
		a.answer(op)
		says(protocol.OK)(op)
	}
}

// A batch larger than the limit goes in parts, and lets others in between them.
func TestOutstandingLimitOfABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		child := &fake{answer: func(op *Op) {
			time.Sleep(time.Nanosecond)
			says(protocol.OK)(op)
		}}
		tree := built(t)(OutstandingLimit(child, OutstandingOptions{Max: 2}))
		go tree.Do(t.Context(), gets("a1", "a2", "a3", "a4", "a5"))
		synctest.Wait()
		op := get("b")
		do(tree, op)
		require.NoError(t, op.Err)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, [][]string{{"a1", "a2"}, {"b"}, {"a3", "a4"}, {"a5"}}, child.calls)
	})
}

// Who waits heeds its context, and its place is free for the next; what has begun is not touched.
func TestOutstandingLimitHeedsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		child := &timed{replica: replica{says(protocol.OK), time.Minute}}
		requireCalls := func(want ...[]string) {
			child.mu.Lock()
			defer child.mu.Unlock()
			require.Equal(t, want, child.calls)
		}
		tree := built(t)(OutstandingLimit(child, OutstandingOptions{Max: 2}))
		go tree.Do(t.Context(), gets("a"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		large := gets("b1", "b2") // for which there is no room, so that c waits behind it
		go tree.Do(ctx, large)
		synctest.Wait()
		small := get("c")
		go do(tree, small)
		synctest.Wait()
		requireCalls([]string{"a"}) // c does not overtake
		time.Sleep(2 * time.Second)
		synctest.Wait()
		requireCalls([]string{"a"}, []string{"c"}) // c went on when b left
		for _, op := range large {
			require.ErrorIs(t, op.Err, context.DeadlineExceeded)
			var e *pool.Error
			require.ErrorAs(t, op.Err, &e)
			require.Equal(t, pool.NotSent, e.Outcome)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		require.NoError(t, small.Err)
		do(tree, gets("d", "e")...) // all room is back
		require.Equal(t, 2, tree.(*outstandingLimit).free)
		dead, cancelNow := context.WithCancel(t.Context())
		cancelNow()
		op := get("f")
		tree.Do(dead, []*Op{op})
		require.ErrorIs(t, op.Err, context.Canceled)
	})
}

// A turn that begins while its caller gives up is given back.
func TestOutstandingLimitGivesBackWhatCameTooLate(t *testing.T) {
	l := built(t)(OutstandingLimit(&fake{}, OutstandingOptions{Max: 1})).(*outstandingLimit)
	require.Nil(t, l.enter("", 1))
	late := l.enter("", 1)
	l.give(1)
	<-late.begun
	l.leave(late)
	require.Equal(t, 1, l.free)
	require.Empty(t, l.turns)
}

func TestOutstandingLimitRefusesNonsense(t *testing.T) {
	for _, limit := range []int{0, -1} {
		_, err := OutstandingLimit(&fake{}, OutstandingOptions{Max: limit})
		require.ErrorIs(t, err, ErrOutstanding)
	}
	_, err := OutstandingLimit(nil, OutstandingOptions{Max: 1})
	require.ErrorIs(t, err, ErrNoPart)
	require.Equal(t, "outstanding limit: at most 1 at once\n  route.fake\n",
		Explain(built(t)(OutstandingLimit(&fake{}, OutstandingOptions{Max: 1})), get("k")).String())
}

// mcrouter's row, and every other operation.
func TestNull(t *testing.T) {
	for operation, want := range map[protocol.Command]string{
		protocol.Get: "miss", protocol.Delete: "miss", protocol.Touch: "miss", protocol.Increment: "miss",
		protocol.GetAndTouch: "miss", protocol.Decrement: "miss", GetForUpdate: "miss",
		protocol.Set: "not stored", protocol.Append: "not stored", protocol.Prepend: "not stored",
		protocol.Add: "not stored", protocol.Replace: "not stored", CompareAndSwap: "not stored",
	} {
		op := asks(operation, "k")
		op.Value, op.Err = []byte("old"), pool.ErrTimeout
		do(Null(), op)
		require.Equal(t, want, outcome(op), operationName(operation))
		require.Equal(t, -1, op.Reply.Block)
	}
	require.Equal(t, "null: the answer is: not stored\n", Explain(Null(), asks(protocol.Set, "k")).String())
}

func TestError(t *testing.T) {
	mine := errors.New("mine")
	for given, want := range map[error]error{nil: ErrConfigured, mine: mine} {
		op := asked(Error(given), asks(protocol.Set, "k"))
		require.ErrorIs(t, op.Err, want)
		var e *pool.Error
		require.ErrorAs(t, op.Err, &e)
		require.Equal(t, pool.NotSent, e.Outcome)
	}
	require.Equal(t, "error: mine\n", Explain(Error(mine), get("k")).String())
}

func TestNamedError(t *testing.T) {
	for name, want := range map[string]Failure{
		"timeout": FailTimeout, "mc_res_timeout": FailTimeout, "connect_timeout": FailDown | FailConnectTimeout,
		"connect_error": FailDown | FailConnect, "tko": FailDown, "remote_error": FailServer, "busy": FailServer,
		"try_again": FailServer, "shutdown": FailClosed, "client_error": FailClient, "local_error": FailOther,
	} {
		op := asked(built(t)(NamedError(name)), get("k"))
		require.Equal(t, want, FailureOf(op.Err), name)
	}
	for _, name := range []string{"", "mc_res_", "found", "TIMEOUT"} {
		_, err := NamedError(name)
		require.ErrorIs(t, err, ErrFailureName)
	}
}

func TestLogging(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		noTime := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
		logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: noTime}))
		node := pool.NewNode(pool.Config{Name: "a", Addr: "127.0.0.1:1"})
		defer node.Close()
		child := &fake{answer: func(op *Op) {
			time.Sleep(time.Millisecond)
			miss(op)
			if op.Request.Command == protocol.Set {
				timeout(op)
			}
			op.Node = node
		}}
		do(built(t)(Logging(child, LoggingOptions{Logger: logger, Key: true})), get("k"))
		do(built(t)(Logging(child, LoggingOptions{Logger: logger, Level: slog.LevelWarn})), asks(CompareAndSwap, "secret"), get("k"))
		do(built(t)(Logging(child, LoggingOptions{Logger: logger, Level: slog.LevelDebug})), get("unseen"))
		do(built(t)(Logging(Null(), LoggingOptions{Logger: logger})), get("k"))
		require.Equal(t, `level=INFO msg=memcache operation=get took=1ms key=k node=a status=miss
level=WARN msg=memcache operation=compare-and-swap took=2ms node=a error="set at hung: memcache: no answer within the timeout"
level=WARN msg=memcache operation=get took=2ms node=a status=miss
level=INFO msg=memcache operation=get took=0s status=miss
`, out.String())
		require.Equal(t, []string{"k", "secret", "k", "unseen"}, child.asked())
	})
	_, err := Logging(nil, LoggingOptions{Logger: slog.Default()})
	require.ErrorIs(t, err, ErrNoPart)
	_, err = Logging(&fake{}, LoggingOptions{})
	require.ErrorIs(t, err, ErrNoPart)
	require.Equal(t, "logging\n  route.fake\n", Explain(built(t)(Logging(&fake{}, LoggingOptions{Logger: slog.Default()})), get("k")).String())
}

func TestLatency(t *testing.T) {
	child := &fake{answer: func(op *Op) {
		time.Sleep(5 * time.Nanosecond)
		hit("v")(op)
	}}
	for _, c := range []struct {
		options LatencyOptions
		timeout time.Duration // of the context
		takes   time.Duration
		want    string
	}{
		{LatencyOptions{}, time.Hour, 5, "v"},
		{LatencyOptions{Before: 10}, time.Hour, 15, "v"},
		{LatencyOptions{After: 20}, time.Hour, 25, "v"},
		{LatencyOptions{Before: 10, After: 20}, time.Hour, 35, "v"},
		{LatencyOptions{Total: 50}, time.Hour, 50, "v"},
		{LatencyOptions{Before: 10, After: 20, Total: 50}, time.Hour, 50, "v"},
		{LatencyOptions{Total: 3}, time.Hour, 5, "v"},
		{LatencyOptions{Before: 10}, 7, 7, "deadline exceeded"},
		{LatencyOptions{After: 10}, 7, 7, "v"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
			defer cancel()
			start, ops := time.Now(), gets("k1", "k2")[:1]
			built(t)(Latency(child, c.options)).Do(ctx, ops)
			require.Equal(t, c.takes, time.Since(start))
			require.Contains(t, outcome(ops[0]), c.want)
		})
	}
	for _, o := range []LatencyOptions{{Before: -1}, {After: -1}, {Total: -1}} {
		_, err := Latency(child, o)
		require.ErrorIs(t, err, ErrLatency)
	}
	_, err := Latency(nil, LatencyOptions{})
	require.ErrorIs(t, err, ErrNoPart)
	require.Equal(t, "latency: 1s before, 0s after, at least 0s\n  route.fake\n",
		Explain(built(t)(Latency(child, LatencyOptions{Before: time.Second})), get("k")).String())
}

// BenchmarkRouteLimits is what a limit, a sink or a log that is off adds to a request.
func BenchmarkRouteLimits(b *testing.B) {
	child := &leaf{}
	rate, err1 := RateLimit(child, RateLimitOptions{Gets: Rate{PerSecond: 1e9}})
	outstanding, err2 := OutstandingLimit(child, OutstandingOptions{Max: 10})
	logging, err3 := Logging(child, LoggingOptions{Logger: slog.New(slog.DiscardHandler)})
	if err := errors.Join(err1, err2, err3); err != nil {
		b.Fatal(err)
	}
	for name, tree := range map[string]Route{"rate": rate, "outstanding": outstanding, "logging": logging, "null": Null()} {
		b.Run(name, func(b *testing.B) { benchRoute(b, tree, get("key:1")) })
	}
}

// What a limit lets pass costs no memory.
func TestLimitsDoNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	child := &leaf{}
	rate, err := RateLimit(child, RateLimitOptions{Gets: Rate{PerSecond: 1e9}})
	require.NoError(t, err)
	for _, tree := range []Route{
		rate, Null(), built(t)(OutstandingLimit(child, OutstandingOptions{Max: 10})),
		built(t)(Logging(child, LoggingOptions{Logger: slog.New(slog.DiscardHandler)})),
		built(t)(ZoneFailover(Fixed(child, child), ZoneOptions{})),
	} {
		ops := gets("k")
		require.Zero(t, testing.AllocsPerRun(100, func() { tree.Do(t.Context(), ops) }), Explain(tree, ops[0]).Route)
	}
}
