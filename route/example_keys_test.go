package route_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Updates go to both nodes, everything else to the first.
func ExampleByGroup() {
	c := newCluster(2)
	defer c.close()
	tree := route.ByGroup(c.routes[0], route.Groups{Update: route.AllSync(route.Fixed(c.routes...))})

	do(tree, set("greeting", "hello"))
	fmt.Println(c.holds(), do(tree, get("greeting")).Node.Name())
	// Output: ab a
}

// Sessions have nodes of their own.
func ExampleByPrefix() {
	c := newCluster(2)
	defer c.close()
	tree := route.ByPrefix(c.routes[0], map[string]route.Route{"session:": c.routes[1]})

	fmt.Println(do(tree, get("session:7")).Node.Name(), do(tree, get("user:7")).Node.Name())
	// Output: b a
}

// The key names the cluster that it is for; the node sees the rest. A broadcast reaches all clusters.
func ExampleByRoutingPrefix() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	tree, err := route.ByRoutingPrefix(route.RoutingPrefixes{
		Routes:  map[string]route.Route{"/east/1/": c.routes[0], "/west/1/": c.routes[1]},
		Default: "/east/1/",
	}, background)
	if err != nil {
		fmt.Println(err)
		return
	}
	do(tree, set("/west/1/greeting", "hello"))
	fmt.Println(c.holds())
	do(tree, set("/*/1/greeting", "hello"))
	background.Close() // waits
	fmt.Println(c.holds())
	fmt.Println(do(tree, get("/north/1/greeting")).Err)
	// Output:
	// b
	// ab
	// get: memcache: no route for the routing prefix of the key
}

// All keys of a user live on one node.
func ExampleByKeyPart() {
	c := newCluster(3)
	defer c.close()
	placement, err := route.NewSlots(c.members(), 1, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	user := func(key string) string {
		part, _, _ := strings.Cut(key, "|#|")
		return part
	}
	tree := route.ByKeyPart(user, route.Hash(placement))
	a, b := do(tree, get("user:7|#|name")), do(tree, get("user:7|#|photo"))
	fmt.Println(a.Node == b.Node)
	// Output: true
}

// Every key is sent with the team's prefix.
func ExampleModifyKey() {
	c := newCluster(1)
	defer c.close()
	tree, err := route.ModifyKey(route.KeyChange{Prefix: "team7:"}, c.routes[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	do(tree, set("greeting", "hello"))
	fmt.Println(string(do(c.routes[0], get("team7:greeting")).Value))
	// Output: hello
}

// Nothing stays longer than an hour.
func ExampleModifyExptime() {
	c := newCluster(1)
	defer c.close()
	tree, err := route.ModifyExptime(route.MinExptime, time.Hour, c.routes[0])
	if err != nil {
		fmt.Println(err)
		return
	}
	do(tree, set("greeting", "hello")) // which says: never expires
	read := get("greeting")
	read.Meta |= protocol.ReturnTTL
	ttl := do(tree, read).Reply.TTL
	fmt.Println(ttl > 3590 && ttl <= 3600)
	// Output: true
}

// The key names its shard, and a map says where shards are.
func ExampleByShard() {
	c := newCluster(3)
	defer c.close()
	shard := func(key string) (n int, ok bool) {
		_, err := fmt.Sscanf(key, "shard:%d:", &n)
		return n, err == nil
	}
	tree := route.ByShard(shard, []route.Route{c.routes[1], c.routes[2]}, c.routes[0])
	for _, key := range []string{"shard:0:x", "shard:1:x", "x"} {
		fmt.Print(do(tree, get(key)).Node.Name(), " ")
	}
	// Output: b c a
}

// Keys are placed as another client places them.
func ExamplePositions() {
	c := newCluster(3)
	defer c.close()
	byLength := func(key string) int { return len(key) % 3 } // package placement has better ones
	placement, err := route.Positions(c.routes, 1, byLength)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(do(route.Hash(placement), get("four")).Node.Name())
	// Output: b
}

// A hot key has ten copies, one for every tenth host to read.
func ExampleKeySplit() {
	c := newCluster(5)
	defer c.close()
	placement, err := route.NewSlots(c.members(), 1, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	tree, err := route.KeySplit(route.KeySplitOptions{Copies: 10, HostID: 7, AllSync: true}, route.Hash(placement))
	if err != nil {
		fmt.Println(err)
		return
	}
	do(tree, set("front-page", "news"))
	fmt.Println("copies on", c.holds())
	fmt.Println(string(do(tree, get("front-page")).Value))
	fmt.Println(string(do(route.Hash(placement), get("front-page::7")).Value))
	// Output:
	// copies on bcde
	// news
	// news
}
