package rulestore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
	"github.com/nohop/memcache/rulestore"
)

// A file brings rules to whoever follows it.
func ExampleFile() {
	dir, err := os.MkdirTemp("", "rules")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "rules.json")
	rules := `{"rules": [
		{"prefix": "abuse:", "do": "deny"},
		{"key": "counter", "do": "pin", "nodes": ["cache-2"]}
	]}`
	if err := os.WriteFile(path, []byte(rules), 0o644); err != nil {
		fmt.Println(err)
		return
	}

	follower, err := rulestore.NewFollower(rulestore.Config{
		Store: &rulestore.File{Path: path},
		Nodes: []string{"cache-1", "cache-2"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	follower.Run(ctx, func(t *hotkey.Table) { // in a goroutine, in earnest
		for rule := range t.Rules() {
			fmt.Println(rule.Action.Kind, rule.Key+rule.Prefix, rule.Action.Nodes)
		}
		cancel()
	})
	// Output:
	// deny abuse: []
	// pin counter [cache-2]
}

// threeNodes returns an order of three nodes, and what ends them.
func threeNodes() (order rulestore.Order, end func()) {
	var nodes []rulestore.Node
	var ends []func()
	for range 3 {
		server := memcachetest.NewServer()
		node := pool.NewNode(pool.Config{Addr: server.Addr()})
		nodes = append(nodes, node)
		ends = append(ends, func() { node.Close() }, server.Close)
	}
	order = func(key string, n int) []rulestore.Node { return nodes[:min(n, len(nodes))] } // in earnest, by the key's hash
	return order, func() {
		for _, end := range ends {
			end()
		}
	}
}

// The table is in the cache itself; any process can change it.
func ExampleMemcached() {
	order, end := threeNodes()
	defer end()
	ctx := context.Background()
	store := rulestore.NewMemcached(order)
	_, err := rulestore.Update(ctx, store, "alice", func(d *rulestore.Draft) error {
		d.Put(hotkey.Rule{Prefix: "abuse:", Action: hotkey.Action{Kind: hotkey.Deny}})
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	table, err := rulestore.NewMemcached(order).Load(ctx) // another process
	fmt.Println(table.Header().Epoch, table.Header().Controller, table.Len(), err)
	// Output: 1 alice 1 <nil>
}

// All processes report what they cannot help by themselves; the one that holds the lease pins it.
func ExamplePublisher() {
	order, end := threeNodes()
	defer end()
	nodes := []string{"cache-1", "cache-2", "cache-3"}
	home := func(string) string { return "cache-1" } // in earnest, the first node of the key's order
	ctx := context.Background()

	reports := rulestore.NewReports(order)
	err := reports.Send(ctx, rulestore.Report{
		ID: "process-7", View: rulestore.View(nodes), Loads: []float64{900, 300, 200},
		Keys: []rulestore.KeyLoad{{Key: "counter", Cost: 400}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	store := rulestore.NewMemcached(order)
	follower, err := rulestore.NewFollower(rulestore.Config{Store: store, Nodes: nodes})
	if err != nil {
		fmt.Println(err)
		return
	}
	publisher, err := rulestore.NewPublisher(rulestore.PublisherConfig{
		ID: "process-7", Follower: follower, Lease: rulestore.NewMemcachedLease(order),
		Rules: rulestore.Pins(reports, func() []string { return nodes }, home),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := publisher.Round(ctx); err != nil { // Run calls it once a second
		fmt.Println(err)
		return
	}
	table, err := store.Load(ctx)
	for rule := range table.Rules() {
		fmt.Println(rule.Key, rule.Action.Kind, rule.Action.Nodes, err)
	}
	// Output: counter pin [cache-3] <nil>
}

// A process to which a key is half of all, and one that hardly uses it. Both learn what it is of the whole.
func ExampleHeat() {
	order, end := threeNodes()
	defer end()
	hash := route.HashKey("front-page")
	start := time.Now().Truncate(2 * time.Second)
	for _, uses := range []int{50, 10} { // of a hundred ops
		detector, err := hotkey.New(hotkey.Options{Nodes: 3})
		if err != nil {
			fmt.Println(err)
			return
		}
		heat, err := rulestore.NewHeat(rulestore.HeatConfig{Order: order, Detector: detector})
		if err != nil {
			fmt.Println(err)
			return
		}
		sampler := detector.NewSampler()
		for tick := range 5 { // Detector.Run in earnest
			detector.Tick(start.Add(time.Duration(tick) * hotkey.TickInterval))
			for i := range 10_000 {
				if i%100 < uses {
					sampler.Read("front-page", hash, 1000)
				} else {
					sampler.Read("another", hash+uint64(i), 1000)
				}
			}
		}
		if err := heat.Round(context.Background(), start.Add(time.Second)); err != nil { // Heat.Run in earnest
			fmt.Println(err)
			return
		}
		key := detector.Top(1)[0]
		fmt.Printf("%s: %.1f of this process, %.1f of the fleet\n", key.Name, key.Share, key.FleetShare)
	}
	// Output:
	// front-page: 0.5 of this process, 0.5 of the fleet
	// front-page: 0.1 of this process, 0.3 of the fleet
}
