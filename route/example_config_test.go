package route_test

import (
	"fmt"
	"log"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// A configuration of mcrouter becomes a tree of routes over nodes that the program opens.
func ExampleParseConfig() {
	config := `{
	  "pools": {"users": {"servers": ["10.0.0.1:11211", "10.0.0.2:11211"], "qos": {"class": 1}}},
	  "route": {
	    "type": "OperationSelectorRoute",
	    "operation_policies": {"get": "FailoverRoute|Pool|users", "set": "AllSyncRoute|Pool|users"}
	  }
	}`
	var nodes []*pool.Node
	c, err := route.ParseConfig([]byte(config), "mcrouter.json", route.ConfigEnv{
		Node: func(s route.Server) (route.Route, error) {
			n := pool.NewNode(pool.Config{Addr: s.Addr, Timeout: s.Timeout})
			nodes = append(nodes, n)
			return n, nil
		},
	})
	if err != nil {
		log.Fatal(err) // with file, line, column and reason
	}
	for _, command := range []protocol.Command{protocol.Get, protocol.Delete} {
		op := &route.Op{Request: protocol.Request{Command: command, Key: "k"}}
		fmt.Print(route.Explain(c.Route, op))
	}
	for _, w := range c.Warnings {
		fmt.Println(w)
	}
	for _, n := range nodes {
		n.Close()
	}
	c.Background.Close()
	// Output:
	// by operation: get
	//   failover: in order
	//     node 10.0.0.1:11211 (idle)
	//     node 10.0.0.2:11211 (idle)
	// by operation: delete
	//   refused: memcache: the configuration has no policy for "delete", and no default policy
	// mcrouter.json:2:73: "qos" of pool has no effect here: packets are not marked
}
