package route_test

import (
	"fmt"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// A new node is filled with what is asked of it.
func ExampleWarmUp() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	cold, warm := c.routes[0], c.routes[1]
	tree, err := route.WarmUp(cold, warm, 0, background)
	if err != nil {
		fmt.Println(err)
		return
	}
	do(warm, set("greeting", "hello"))

	fmt.Println(do(tree, get("greeting")).Node.Name())
	background.Close() // waits
	fmt.Println(do(tree, get("greeting")).Node.Name())
	// Output:
	// b
	// a
}

// A node is taken to be warm until its hit rate is known.
func ExampleSlowWarmUp() {
	c := newCluster(2)
	defer c.close()
	tree, err := route.SlowWarmUp(c.routes[0], c.routes[1], route.SlowWarmUpOptions{MinRequests: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	from := map[string]int{}
	for range 1010 { // all miss
		from[do(tree, get("absent")).Node.Name()]++
	}
	fmt.Println(from["a"] < 150, from["b"] > 850)
	// Output: true true
}

// In the middle of a migration a key is written where it lives, and deleted everywhere.
func ExampleMigrate() {
	c := newCluster(2)
	defer c.close()
	tree, err := route.Migrate(c.routes[0], c.routes[1], route.Migration{
		Start:    time.Now().Add(-90 * time.Minute), // the keys move in the second hour
		Interval: time.Hour,
		Hash: func(key string) uint32 {
			return map[string]uint32{"early": 60, "late": 3540}[key] // seconds
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(do(tree, set("early", "1")).Node.Name(), do(tree, set("late", "1")).Node.Name())
	do(tree, protocol.Request{Command: protocol.Delete, Key: "early"})
	fmt.Println(c.holds())
	// Output:
	// b a
	// a
}

// A node that serves nobody yet follows the one that does.
func ExampleStaging() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	tree, err := route.Staging(c.routes[0], c.routes[1], background)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(do(tree, set("greeting", "hello")).Node.Name())
	background.Close() // waits
	fmt.Println(c.holds())
	// Output:
	// a
	// ab
}

// What the near tier does not have is read at the far one, once.
func ExampleL1L2() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	l1, l2 := c.routes[0], c.routes[1]
	tree, err := route.L1L2(l1, l2, route.L1L2Options{TTL: time.Minute, NegativeTTL: 10 * time.Second}, background)
	if err != nil {
		fmt.Println(err)
		return
	}
	do(l2, set("greeting", "hello"))
	fmt.Println(do(tree, get("greeting")).Node.Name(), do(tree, get("absent")).Node.Name())
	background.Close() // waits
	fmt.Println(do(tree, get("greeting")).Node.Name(), do(tree, get("absent")).Reply.Status == protocol.Miss)
	// Output:
	// b b
	// a true
}

// Large values live on other nodes than small ones.
func ExampleL1L2SizeSplit() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	defer background.Close()
	tree, err := route.L1L2SizeSplit(c.routes[0], c.routes[1], route.SizeSplitOptions{Threshold: 10}, background)
	if err != nil {
		fmt.Println(err)
		return
	}
	do(tree, set("small", "hello"))
	fmt.Println(c.holds())
	do(tree, set("large", "hello hello hello"))
	fmt.Println(c.holds())
	fmt.Println(do(tree, get("large")).Node.Name())
	// Output:
	// a
	// ab
	// b
}

// A tenth of the keys is tried on a new node.
func ExampleShadow() {
	c := newCluster(2)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	tree, err := route.Shadow(c.routes[0], c.routes[1], route.ShadowOptions{To: 0.1}, background)
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 1000 {
		do(tree, set(fmt.Sprint("key:", i), "v"))
	}
	background.Close() // waits
	copies := c.servers[1].Stats().CurrItems
	fmt.Println(c.servers[0].Stats().CurrItems, copies > 70 && copies < 130)
	// Output: 1000 true
}
