package fetchers_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/hotkey/fetchers"
)

// Have a client relieve the keys that others make hot on its nodes.
func ExampleSource() {
	source, err := fetchers.NewSource(fetchers.Options{})
	if err != nil {
		log.Fatal(err)
	}
	client, err := memcache.New(
		memcache.WithServers("10.0.0.7:11211", "10.0.0.8:11211"),
		memcache.WithHotKeySource(source), // the nodes are the client's
		memcache.WithSharedRules(),        // so that processes without the source learn of it, too
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for event := range client.HotKeyEvents(context.Background()) {
		fmt.Println(event.Kind, event.Key.Name, "seen by", event.Key.Origin)
	}
}

// Tell what gets hot on three nodes, whoever their clients are.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	detector, err := hotkey.New(hotkey.Options{Nodes: 3})
	if err != nil {
		log.Fatal(err)
	}
	for _, node := range []string{"10.0.0.7:11211", "10.0.0.8:11211", "10.0.0.9:11211"} {
		watcher, err := fetchers.New(node, detector.NewSampler(), fetchers.Options{})
		if err != nil {
			log.Fatal(err)
		}
		go watcher.Run(ctx)
	}
	go detector.Run(ctx)
	for event := range detector.Events(ctx) {
		fmt.Println(event.Kind, event.Key.Name, event.Missed.Name)
	}
}
