package hotcopy_test

import (
	"context"
	"fmt"
	"time"

	"github.com/nohop/memcache/hotcopy"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// A value of 100 KB is read a thousand times, and sent once.
func Example() {
	server := memcachetest.NewServer()
	defer server.Close()
	node := pool.NewNode(pool.Config{Addr: server.Addr(), Timeout: time.Second})
	defer node.Close()
	ctx := context.Background()

	copies := hotcopy.New(hotcopy.Config{})
	defer copies.Close()
	top := copies.Route(node)
	table, err := hotkey.NewTable(hotkey.Header{}, []hotkey.Rule{{Key: "front-page", Action: hotkey.Action{Kind: hotkey.Keep}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	copies.SetTable(table)

	do := func(q protocol.Request) *route.Op {
		op := &route.Op{Request: q, Hash: route.HashKey(q.Key)}
		top.Do(ctx, []*route.Op{op})
		return op
	}
	get := protocol.Request{Command: protocol.Get, Key: "front-page"}
	do(protocol.Request{Command: protocol.Set, Key: "front-page", Value: make([]byte, 100_000)})
	for range 1000 {
		do(get)
	}
	stats := copies.Stats()
	fmt.Println(stats.Kept, "of 1000 reads answered by the process")
	fmt.Println(node.BytesIn() < 150_000, "that the node has sent little more than one value")

	// A writer that knows nothing of all this is seen by the next read.
	node.Do(ctx, []*route.Op{{Request: protocol.Request{Command: protocol.Set, Key: "front-page", Value: []byte("new")}}})
	fmt.Printf("%s\n", do(get).Value)
	// Output:
	// 999 of 1000 reads answered by the process
	// true that the node has sent little more than one value
	// new
}

// A key that harms everybody is denied until its users are mended.
func ExampleErrDenied() {
	copies := hotcopy.New(hotcopy.Config{})
	defer copies.Close()
	table, err := hotkey.NewTable(hotkey.Header{}, []hotkey.Rule{{Prefix: "abuse:", Action: hotkey.Action{Kind: hotkey.Deny}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	copies.SetTable(table)
	op := &route.Op{Request: protocol.Request{Command: protocol.Get, Key: "abuse:7"}, Hash: route.HashKey("abuse:7")}
	copies.Route(route.Null()).Do(context.Background(), []*route.Op{op})
	fmt.Println(op.Err)
	// Output:
	// get: memcache: a rule denies the key
}
