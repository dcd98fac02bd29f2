package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/memcachetest"
)

func Example() {
	ctx := context.Background()
	node := memcachetest.NewServer() // or the address of any memcached
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	err = client.Set(ctx, &memcache.Item{Key: "greeting", Value: []byte("hello"), TTL: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	item, err := client.Get(ctx, "greeting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", item.Value)

	_, err = client.Get(ctx, "nothing")
	fmt.Println(errors.Is(err, memcache.ErrCacheMiss))
	// Output:
	// hello
	// true
}

// New dials nothing: nodes are dialed when they are first needed.
func ExampleNew() {
	client, err := memcache.New(memcache.WithServers("10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211"))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	for _, node := range client.Stats().Nodes {
		fmt.Println(node.Name, node.State)
	}
	// Output:
	// 10.0.0.1:11211 idle
	// 10.0.0.2:11211 idle
	// 10.0.0.3:11211 idle
}

// The three topologies, as they are configured.
func Example_topologies() {
	sharded := []memcache.Option{
		memcache.WithServers("10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211"),
		memcache.WithSharded(2), // each key on its home and on one node more
	}
	replicated := []memcache.Option{
		memcache.WithServers("10.0.0.1:11211", "10.0.0.2:11211", "10.0.0.3:11211"),
		memcache.WithReplicated(),      // each key on all nodes
		memcache.WithLocal("10.0.0.1"), // the node that reads ask first
	}
	zoned := []memcache.Option{
		memcache.WithZone("zone-a", "10.0.1.1:11211", "10.0.1.2:11211"), // each key on one node of each zone
		memcache.WithZone("zone-b", "10.0.2.1:11211", "10.0.2.2:11211"),
		memcache.WithLocal("zone-a"), // the zone that reads ask first
	}
	for _, opts := range [][]memcache.Option{sharded, replicated, zoned} {
		client, err := memcache.New(opts...)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(client.Stats().Nodes), "nodes")
		client.Close()
	}
	// Output:
	// 3 nodes
	// 3 nodes
	// 4 nodes
}

// What a caller does with the error of a read.
func Example_errors() {
	ctx := context.Background()
	node := memcachetest.NewServer()
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	read := func(key string) string {
		item, err := client.Get(ctx, key)
		switch {
		case err == nil:
			return string(item.Value)
		case errors.Is(err, memcache.ErrCacheMiss):
			return "not there: ask the source, then Set"
		case errors.Is(err, memcache.ErrMalformedKey):
			return "no such key can be: a mistake of the program"
		default: // ErrNodeDown, ErrTimeout, an ended context …
			return "no replica answered: ask the source"
		}
	}
	fmt.Println(read("greeting"))
	fmt.Println(read("two words"))
	node.Kill()
	fmt.Println(read("greeting"))
	// Output:
	// not there: ask the source, then Set
	// no such key can be: a mistake of the program
	// no replica answered: ask the source
}

// Each key lives on a home and on one node more: if the home dies, the other one has it.
func ExampleNew_sharded() {
	ctx := context.Background()
	nodes := map[string]*memcachetest.Server{}
	opts := []memcache.Option{memcache.WithSharded(2)}
	for range 3 {
		node := memcachetest.NewServer()
		defer node.Close()
		nodes[node.Addr()] = node
		opts = append(opts, memcache.WithServers(node.Addr()))
	}
	client, err := memcache.New(opts...)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	if err := client.Set(ctx, &memcache.Item{Key: "greeting", Value: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	where, err := client.Explain("greeting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("lives on", len(where.Replicas), "of", len(nodes), "nodes")
	nodes[where.Home].Kill()
	item, err := client.Get(ctx, "greeting")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("without its home: %s\n", item.Value)
	// Output:
	// lives on 2 of 3 nodes
	// without its home: hello
}

// Zones can come with the nodes, from a source that knows them: a file, Kubernetes, or a list.
func ExampleWithZoned() {
	client, err := memcache.New(
		memcache.WithZoned(),
		memcache.WithLocal("east"),
		memcache.WithDiscovery(discovery.Static{
			{Addr: "10.0.1.1", Zone: "east"}, {Addr: "10.0.1.2", Zone: "east"},
			{Addr: "10.0.2.1", Zone: "west"}, {Addr: "10.0.2.2", Zone: "west"},
		}),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	where, err := client.Explain("greeting")
	if err != nil {
		log.Fatal(err)
	}
	for _, replica := range where.Replicas { // in the order in which they are read
		fmt.Println(replica.Node)
	}
	// Output:
	// 10.0.1.2:11211
	// 10.0.2.2:11211
}

// Every node holds every key: reads are served by the local node, and by another one if it dies.
func ExampleNew_replicated() {
	ctx := context.Background()
	near, far := memcachetest.NewServer(), memcachetest.NewServer()
	defer near.Close()
	defer far.Close()

	client, err := memcache.New(
		memcache.WithServers(near.Addr(), far.Addr()),
		memcache.WithReplicated(),
		memcache.WithLocal(near.Addr()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	if err := client.Set(ctx, &memcache.Item{Key: "greeting", Value: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	read := func() {
		item, err := client.Get(ctx, "greeting")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s; reads of near %d, of far %d\n", item.Value, near.Stats().Gets, far.Stats().Gets)
	}
	read()
	near.Kill()
	read()
	// Output:
	// hello; reads of near 1, of far 0
	// hello; reads of near 1, of far 1
}

// Every zone holds every key once: reads stay in the own zone, writes reach all.
func ExampleNew_zones() {
	ctx := context.Background()
	a1, a2, b1 := memcachetest.NewServer(), memcachetest.NewServer(), memcachetest.NewServer()
	defer a1.Close()
	defer a2.Close()
	defer b1.Close()

	client, err := memcache.New(
		memcache.WithZone("zone-a", a1.Addr(), a2.Addr()),
		memcache.WithZone("zone-b", b1.Addr()),
		memcache.WithLocal("zone-a"),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	if err := client.Set(ctx, &memcache.Item{Key: "greeting", Value: []byte("hello")}); err != nil {
		log.Fatal(err)
	}
	if _, err := client.Get(ctx, "greeting"); err != nil {
		log.Fatal(err)
	}
	fmt.Println("zone-a: writes", a1.Stats().Sets+a2.Stats().Sets, "reads", a1.Stats().Gets+a2.Stats().Gets)
	fmt.Println("zone-b: writes", b1.Stats().Sets, "reads", b1.Stats().Gets)
	// Output:
	// zone-a: writes 1 reads 1
	// zone-b: writes 1 reads 0
}

// What the living nodes have is returned together with an error for each node that failed.
func ExampleClient_GetMulti() {
	ctx := context.Background()
	alive, dead := memcachetest.NewServer(), memcachetest.NewServer()
	defer alive.Close()
	defer dead.Close()

	client, err := memcache.New(
		memcache.WithServers(alive.Addr(), dead.Addr()),
		memcache.WithRule("user:1", alive.Addr()),
		memcache.WithRule("user:2", dead.Addr()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	for _, key := range []string{"user:1", "user:2"} {
		if err := client.Set(ctx, &memcache.Item{Key: key, Value: []byte("somebody")}); err != nil {
			log.Fatal(err)
		}
	}
	dead.Kill()

	items, err := client.GetMulti(ctx, []string{"user:1", "user:2"})
	for key, item := range items {
		fmt.Printf("%s is %s\n", key, item.Value)
	}
	var failed *memcache.MultiError
	if errors.As(err, &failed) {
		fmt.Println("keys without an answer:", failed.Keys)
		fmt.Println("node is down:", errors.Is(failed.Nodes[dead.Addr()], memcache.ErrNodeDown))
	}
	// Output:
	// user:1 is somebody
	// keys without an answer: 1
	// node is down: true
}

// A value is read, changed and stored only if nobody else has changed it meanwhile; else all is done again.
func ExampleClient_CompareAndSwap() {
	ctx := context.Background()
	nodes := []*memcachetest.Server{memcachetest.NewServer(), memcachetest.NewServer()}
	defer nodes[0].Close()
	defer nodes[1].Close()

	client, err := memcache.New(memcache.WithServers(nodes[0].Addr(), nodes[1].Addr()), memcache.WithReplicated())
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	// addName adds to a list of names. Where keys have several replicas, GetForUpdate asks the one that decides.
	addName := func(name string) error {
		for {
			item, err := client.GetForUpdate(ctx, "names")
			if err != nil {
				return err
			}
			item.Value = append(item.Value, ","+name...)
			item.TTL = time.Hour // a read does not tell it
			err = client.CompareAndSwap(ctx, item)
			if !errors.Is(err, memcache.ErrCASConflict) {
				return err
			}
		}
	}

	if err := client.Set(ctx, &memcache.Item{Key: "names", Value: []byte("ada"), TTL: time.Hour}); err != nil {
		log.Fatal(err)
	}
	done := make(chan error)
	for _, name := range []string{"grace", "edsger", "barbara"} {
		go func() { done <- addName(name) }()
	}
	for range 3 {
		if err := <-done; err != nil {
			log.Fatal(err)
		}
	}
	item, err := client.Get(ctx, "names")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(strings.Split(string(item.Value), ",")), "names")
	// Output: 4 names
}

// AppendGet reads into memory that the caller has, and allocates nothing if that is enough.
func ExampleClient_AppendGet() {
	ctx := context.Background()
	node := memcachetest.NewServer()
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	for key, value := range map[string]string{"head": "<h1>hello</h1>", "foot": "<p>bye</p>"} {
		if err := client.Set(ctx, &memcache.Item{Key: key, Value: []byte(value)}); err != nil {
			log.Fatal(err)
		}
	}
	page := make([]byte, 0, 4096)
	for _, key := range []string{"head", "foot"} {
		page, err = client.AppendGet(ctx, page, key)
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Printf("%s\n", page)
	// Output: <h1>hello</h1><p>bye</p>
}

// A rule overrides the placement of one key: here a key that is read a lot has a copy on both nodes, and this process reads
// the one beside it. All other keys stay where they are, each on one node.
func ExampleWithRule() {
	ctx := context.Background()
	near, far := memcachetest.NewServer(), memcachetest.NewServer()
	defer near.Close()
	defer far.Close()

	client, err := memcache.New(
		memcache.WithServers(near.Addr(), far.Addr()),
		memcache.WithLocal(near.Addr()),
		memcache.WithRule("front-page", far.Addr(), near.Addr()), // the first decides read-modify-writes
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	if err := client.Set(ctx, &memcache.Item{Key: "front-page", Value: []byte("news")}); err != nil {
		log.Fatal(err)
	}
	for range 100 {
		if _, err := client.Get(ctx, "front-page"); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("near: writes", near.Stats().Sets, "reads", near.Stats().Gets)
	fmt.Println("far: writes", far.Stats().Sets, "reads", far.Stats().Gets)
	// Output:
	// near: writes 1 reads 100
	// far: writes 1 reads 0
}

// Where every replica must have a write, one that some did not get names them, and says what is known of each.
func ExampleWriteError() {
	ctx := context.Background()
	alive, dead := memcachetest.NewServer(), memcachetest.NewServer()
	defer alive.Close()
	dead.Close()

	client, err := memcache.New(memcache.WithServers(alive.Addr(), dead.Addr()), memcache.WithReplicated(),
		memcache.WithWritePolicy(memcache.RequireAll))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	err = client.Set(ctx, &memcache.Item{Key: "greeting", Value: []byte("hello")})
	var partial *memcache.WriteError
	if errors.Is(err, memcache.ErrPartialWrite) && errors.As(err, &partial) {
		fmt.Println("acknowledged by", partial.Acked)
		fmt.Println("at the dead node:", partial.Outcome(dead.Addr()))
	}
	// Output:
	// acknowledged by 1
	// at the dead node: not sent
}

// Counters are decimal numbers; Add creates one unless somebody else was faster.
func ExampleClient_Increment() {
	ctx := context.Background()
	node := memcachetest.NewServer()
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	visit := func() (uint64, error) {
		n, err := client.Increment(ctx, "visits", 1)
		if !errors.Is(err, memcache.ErrCacheMiss) {
			return n, err
		}
		err = client.Add(ctx, &memcache.Item{Key: "visits", Value: []byte("0"), TTL: 24 * time.Hour})
		if err != nil && !errors.Is(err, memcache.ErrNotStored) {
			return 0, err
		}
		return client.Increment(ctx, "visits", 1)
	}
	for range 3 {
		n, err := visit()
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(n)
	}
	// Output:
	// 1
	// 2
	// 3
}
