package route_test

import (
	"fmt"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Sets move on only from a node that is down; after a timeout the node may still do them.
func ExampleFailoverList() {
	c := newCluster(3)
	defer c.close()
	onlyDown := route.FailDown
	tree, err := route.FailoverList(c.routes, route.FailoverOptions{
		On: route.FailoverOn{Update: &onlyDown}, Order: route.LeastFailures(3), MaxTries: 2,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.servers[0].Kill()
	fmt.Println(do(tree, set("greeting", "hello")).Err, c.holds())
	// Output: <nil> b
}

// What a substitute holds is soon forgotten.
func ExampleFailoverWithExptime() {
	c := newCluster(2)
	defer c.close()
	tree, err := route.FailoverWithExptime(c.routes[0], c.routes[1:], time.Minute, route.FailoverOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.servers[0].Kill()
	do(tree, set("greeting", "hello"))
	read := get("greeting")
	read.Meta |= protocol.ReturnTTL
	fmt.Println(do(c.routes[1], read).Reply.TTL > 0)
	// Output: true
}

// A value is looked for, and brought nearer.
func ExampleMissFailover() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	tree, err := route.MissFailover(c.routes, route.MissFailoverOptions{Refill: background})
	if err != nil {
		fmt.Println(err)
		return
	}
	do(c.routes[1], set("greeting", "hello"))
	fmt.Println(string(do(tree, get("greeting")).Value))
	background.Close() // waits
	fmt.Println(c.holds())
	// Output:
	// hello
	// ab
}

// Each host has a child of its own to read, and another where that fails.
func ExampleLatest() {
	c := newCluster(3)
	defer c.close()
	tree, err := route.Latest(c.routes, route.LatestOptions{HostID: 1, Count: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	first, second := do(tree, get("one")).Node, do(tree, get("two")).Node
	fmt.Println(first == second)
	// Output: true
}

func ExampleLoadBalancer() {
	c := newCluster(3)
	defer c.close()
	tree, err := route.LoadBalancer(c.routes, route.LeastOutstanding)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(do(tree, get("greeting")).Node.Name()) // nothing is under way: the first
	// Output: a
}

func ExampleRandom() {
	c := newCluster(3)
	defer c.close()
	tree, err := route.Random(c.routes)
	if err != nil {
		fmt.Println(err)
		return
	}
	seen := map[*pool.Node]bool{}
	for range 100 {
		seen[do(tree, get("greeting")).Node] = true
	}
	fmt.Println(len(seen))
	// Output: 3
}

func ExampleHostID() {
	c := newCluster(3)
	defer c.close()
	mine, err := route.HostID(c.routes, 4)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(do(mine, get("greeting")).Node.Name())
	// Output: b
}

// Reads go in an order of their own, and what was counted at the home is found.
func ExampleAskHome() {
	c := newCluster(3)
	defer c.close()
	placement := route.Fixed(c.routes...) // a is the home
	reads, err := route.FailoverList([]route.Route{c.routes[2], c.routes[1]}, route.FailoverOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tree := route.ByOperation(route.AllSync(placement), map[protocol.Command]route.Route{
		protocol.Get: route.AskHome(reads, placement),
	})
	do(tree, protocol.Request{Command: protocol.Add, Key: "visits", Value: []byte("1")})
	op := do(tree, get("visits"))
	fmt.Println(c.holds(), string(op.Value))
	// Output: a 1
}

func ExampleParseFailure() {
	timeouts, err := route.ParseFailure("timeout")
	fmt.Println(timeouts == route.FailTimeout, err)
	// Output: true <nil>
}
