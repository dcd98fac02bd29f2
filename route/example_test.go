package route_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// cluster is some nodes of this process, named a, b, c …
type cluster struct {
	servers []*memcachetest.Server
	routes  []route.Route
	nodes   []*pool.Node
}

func newCluster(n int) *cluster {
	c := &cluster{}
	for i := range n {
		s := memcachetest.NewServer()
		node := pool.NewNode(pool.Config{Name: string(rune('a' + i)), Addr: s.Addr(), Timeout: time.Second})
		c.servers, c.nodes, c.routes = append(c.servers, s), append(c.nodes, node), append(c.routes, node)
	}
	return c
}

func (c *cluster) close() {
	for i := range c.servers {
		c.nodes[i].Close()
		c.servers[i].Close()
	}
}

// holds tells which nodes have items.
func (c *cluster) holds() (names string) {
	for i, s := range c.servers {
		if s.Stats().CurrItems > 0 {
			names += c.nodes[i].Name()
		}
	}
	return names
}

func (c *cluster) members() (list []route.Member) {
	for _, n := range c.nodes {
		list = append(list, route.Member{Route: n, Name: n.Name()})
	}
	return list
}

// do sends one request down a tree.
func do(tree route.Route, r protocol.Request) *route.Op {
	op := &route.Op{Request: r, Hash: route.HashKey(r.Key)}
	tree.Do(context.Background(), []*route.Op{op})
	return op
}

func set(key, value string) protocol.Request {
	return protocol.Request{Command: protocol.Set, Key: key, Value: []byte(value)}
}

func get(key string) protocol.Request {
	return protocol.Request{Command: protocol.Get, Key: key, Meta: protocol.ReturnValue}
}

// Each key lives on its home, and its requests go there.
func ExampleHash() {
	c := newCluster(3)
	defer c.close()
	placement, err := route.NewSlots(c.members(), 1, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	tree := route.Hash(placement)

	stored := do(tree, set("greeting", "hello"))
	read := do(tree, get("greeting"))
	fmt.Println(string(read.Value), stored.Node == read.Node, c.holds() == read.Node.Name())
	// Output: hello true true
}

// Reads move on from a node that is gone.
func ExampleFailover() {
	c := newCluster(3)
	defer c.close()
	placement := route.Fixed(c.routes...) // every key on all nodes, a first
	do(route.AllSync(placement), set("greeting", "hello"))

	c.servers[0].Kill()
	op := do(route.Failover(placement), get("greeting"))
	fmt.Println(string(op.Value), "from", op.Node.Name(), op.Err)
	// Output: hello from b <nil>
}

// A write reaches all replicas, or its error says which it did not reach.
func ExampleAllSync() {
	c := newCluster(3)
	defer c.close()
	tree := route.AllSync(route.Fixed(c.routes...))
	fmt.Println(do(tree, set("greeting", "hello")).Err, c.holds())

	c.servers[1].Kill()
	op := do(tree, set("greeting", "hello again"))
	var failed *route.WriteError
	fmt.Println(errors.As(op.Err, &failed), errors.Is(op.Err, route.ErrPartialWrite))
	fmt.Println(failed.Acked, "of 3; b:", failed.Outcome("b") != 0, "c:", failed.Outcome("c") != 0)
	// Output:
	// <nil> abc
	// true true
	// 2 of 3; b: true c: false
}

// Reads and writes take different ways: here, reads fail over and everything else goes to all.
func ExampleByOperation() {
	c := newCluster(2)
	defer c.close()
	placement := route.Fixed(c.routes...)
	tree := route.ByOperation(route.AllSync(placement), map[protocol.Command]route.Route{
		protocol.Get: route.Failover(placement),
	})

	do(tree, set("greeting", "hello"))
	op := do(tree, get("greeting"))
	fmt.Println(c.holds(), string(op.Value), "from", op.Node.Name())
	// Output: ab hello from a
}

// Placement goes by the nodes' names alone: the same nodes in another order hold the same keys.
func ExampleNewSlots() {
	names := func(r route.Replicas) (list []string) {
		for _, n := range r.All { // home first
			list = append(list, n.(*pool.Node).Name())
		}
		return list
	}
	var members []route.Member
	for _, name := range []string{"10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211", "10.0.0.4:11211"} {
		members = append(members, route.Member{Route: pool.NewNode(pool.Config{Addr: name}), Name: name})
	}
	op := &route.Op{Hash: route.HashKey("user:42")}
	for range 2 {
		placement, err := route.NewSlots(members, 2, "10.0.0.1:11211")
		if err != nil {
			fmt.Println(err)
			return
		}
		replicas := placement.Replicas(op)
		fmt.Println(names(replicas), "reads from", names(replicas)[replicas.Read])
		members[0], members[3] = members[3], members[0]
	}
	// Output:
	// [10.0.0.4:11211 10.0.0.1:11211] reads from 10.0.0.1:11211
	// [10.0.0.4:11211 10.0.0.1:11211] reads from 10.0.0.1:11211
}

// A rule moves one key and no other.
func ExampleNewRules() {
	c := newCluster(3)
	defer c.close()
	placement := route.NewRules(route.Fixed(c.routes[0]), map[string]route.Replicas{
		"hot": {All: c.routes[1:]},
	})
	tree := route.AllSync(placement)

	do(tree, set("hot", "on b and c"))
	fmt.Println(c.holds())
	do(tree, set("cold", "on a"))
	fmt.Println(c.holds())
	// Output:
	// bc
	// abc
}
