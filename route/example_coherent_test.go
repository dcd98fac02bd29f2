package route_test

import (
	"fmt"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// A write is stored at the home alone; what other nodes hold is copied by readers, and removed by the next write.
func ExampleCoherent() {
	c := newCluster(3)
	defer c.close()
	background := route.NewBackground(route.DefaultBackground)
	placement, err := route.NewSlots(c.members(), 3, "c") // every key on all nodes; this process reads c first
	if err != nil {
		fmt.Println(err)
		return
	}
	tree, err := route.Coherent(placement, route.NewLateClears(background))
	if err != nil {
		fmt.Println(err)
		return
	}

	home := do(tree, set("price", "100")).Node.Name()
	fmt.Println("stored at the home alone:", c.holds() == home)
	first, second := do(tree, get("price")), do(tree, get("price"))
	fmt.Println(string(first.Value), "from the home:", first.Node.Name() == home)
	fmt.Println(string(second.Value), "from", second.Node.Name())
	do(tree, protocol.Request{Command: protocol.Increment, Key: "price", Delta: 5})
	fmt.Println("at the home alone again:", c.holds() == home)
	// Output:
	// stored at the home alone: true
	// 100 from the home: true
	// 100 from c
	// at the home alone again: true
}
