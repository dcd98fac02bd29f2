package route_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// must is for examples whose options are right.
func must(r route.Route, err error) route.Route {
	if err != nil {
		panic(err)
	}
	return r
}

// With one of three nodes gone a write still has its majority.
func ExampleAllMajority() {
	c := newCluster(3)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	defer background.Close()
	tree := must(route.AllMajority(route.Fixed(c.routes...), background))

	c.servers[0].Kill()
	fmt.Println(do(tree, set("greeting", "hello")).Err)
	c.servers[1].Kill()
	fmt.Println(errors.Is(do(tree, set("greeting", "hello")).Err, route.ErrPartialWrite))
	// Output:
	// <nil>
	// true
}

// A read is as fast as the fastest replica that has the value.
func ExampleAllFastest() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	defer background.Close()
	tree := must(route.AllFastest(route.Fixed(c.routes...), route.FastestOptions{MissIsNotGood: true}, background))

	do(c.routes[1], set("greeting", "hello"))
	op := do(tree, get("greeting"))
	fmt.Println(string(op.Value), "from", op.Node.Name())
	// Output: hello from b
}

// The first node answers; the others follow.
func ExampleAllInitial() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	tree := must(route.AllInitial(route.Fixed(c.routes...), background))

	op := do(tree, set("greeting", "hello"))
	background.Close() // waits for what is under way
	fmt.Println(op.Err, "from", op.Node.Name(), "stored on", c.holds())
	// Output: <nil> from a stored on ab
}

// Nobody waits: the answer says nothing of what becomes of the write.
func ExampleAllAsync() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	tree := must(route.AllAsync(route.Fixed(c.routes...), background))

	op := do(tree, set("greeting", "hello"))
	background.Close()
	fmt.Println(op.Reply.Status == protocol.NotStored, "stored on", c.holds())
	// Output: true stored on ab
}

// Reads leave the local zone only when that fails.
func ExampleZoneFailover() {
	c := newCluster(3) // a zone each
	defer c.close()
	zones, err := route.Zones(c.members(), "b")
	if err != nil {
		fmt.Println(err)
		return
	}
	tree := must(route.ZoneFailover(zones, route.ZoneOptions{}))

	do(tree, set("greeting", "hello"))
	fmt.Println(c.holds(), "read from", do(tree, get("greeting")).Node.Name())
	c.servers[1].Kill()
	fmt.Println(string(do(tree, get("greeting")).Value))
	// Output:
	// abc read from b
	// hello
}

// A node that hangs costs a read the delay.
func ExampleHedged() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	defer background.Close()
	placement := route.Fixed(c.routes...)
	tree := must(route.Hedged(placement, route.HedgeOptions{Delay: 2 * time.Millisecond}, background))

	do(route.AllSync(placement), set("greeting", "hello"))
	c.servers[0].Pause()
	op := do(tree, get("greeting"))
	fmt.Println(string(op.Value), "from", op.Node.Name())
	// Output: hello from b
}

// What is over the limit is answered without a node.
func ExampleRateLimit() {
	c := newCluster(1)
	defer c.close()
	tree := must(route.RateLimit(c.routes[0], route.RateLimitOptions{
		Deletes: route.Rate{PerSecond: 0.001}, // none at the start
		Over:    route.Error(errors.New("too many deletes")),
	}))
	do(tree, set("greeting", "hello"))
	fmt.Println(do(tree, protocol.Request{Command: protocol.Delete, Key: "greeting"}).Err)
	// Output: delete: too many deletes
}

// tenantKey finds the tenant in a context.
type tenantKey struct{}

// At most 100 ops are under way; tenants take turns for them.
func ExampleOutstandingLimit() {
	c := newCluster(1)
	defer c.close()
	tree := must(route.OutstandingLimit(c.routes[0], route.OutstandingOptions{
		Max: 100,
		Caller: func(ctx context.Context) string {
			tenant, _ := ctx.Value(tenantKey{}).(string)
			return tenant
		},
	}))
	fmt.Println(do(tree, set("greeting", "hello")).Err)
	// Output: <nil>
}

// A cache that is switched off.
func ExampleNull() {
	op := do(route.Null(), get("greeting"))
	fmt.Println(op.Reply.Status == protocol.Miss, op.Err)
	// Output: true <nil>
}

// Every op fails, as with a dead node or as one likes.
func ExampleError() {
	fmt.Println(do(route.Error(errors.New("maintenance")), get("greeting")).Err)
	fmt.Println(do(must(route.NamedError("tko")), get("greeting")).Err)
	// Output:
	// get: maintenance
	// get: memcache: node is down
}

// NamedError stands for a failing node in tests of what is above it.
func ExampleNamedError() {
	c := newCluster(1)
	defer c.close()
	do(c.routes[0], set("greeting", "hello"))
	tree := route.Failover(route.Fixed(must(route.NamedError("timeout")), c.routes[0]))
	fmt.Println(string(do(tree, get("greeting")).Value))
	// Output: hello
}

// A record of each op.
func ExampleLogging() {
	c := newCluster(1)
	defer c.close()
	dropTimes := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "took" {
			return slog.Attr{}
		}
		return a
	}
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: dropTimes}))
	tree := must(route.Logging(c.routes[0], route.LoggingOptions{Logger: logger, Key: true}))
	do(tree, get("greeting"))
	// Output: level=INFO msg=memcache operation=get key=greeting node=a status=miss
}

// Gets take 20 ms longer, for a test of what is above.
func ExampleLatency() {
	c := newCluster(1)
	defer c.close()
	slow := must(route.Latency(c.routes[0], route.LatencyOptions{Before: 20 * time.Millisecond}))
	tree := route.ByOperation(c.routes[0], map[protocol.Command]route.Route{protocol.Get: slow})
	start := time.Now()
	do(tree, get("greeting"))
	fmt.Println(time.Since(start) >= 20*time.Millisecond)
	// Output: true
}
