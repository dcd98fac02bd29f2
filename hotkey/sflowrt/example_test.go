package sflowrt_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/hotkey/sflowrt"
)

// Have a client relieve the keys that an analyzer says are hot.
func ExampleSource_Watch() {
	source, err := sflowrt.New(sflowrt.Config{URL: "http://10.0.0.9:8008"})
	if err != nil {
		log.Fatal(err)
	}
	client, err := memcache.New(memcache.WithServers("10.0.0.7:11211", "10.0.0.8:11211"), memcache.WithHotKeySource(source))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for _, key := range client.TopKeys(10) {
		fmt.Println(key.Name, key.Origin)
	}
}

// Print what an analyzer finds.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	source, err := sflowrt.New(sflowrt.Config{
		URL: "http://10.0.0.9:8008",
		OnEvent: func(e hotkey.Event) {
			switch e.Kind {
			case hotkey.HotStart:
				fmt.Printf("hot: %s, %.0f bytes/s\n", e.Key.Name, e.Key.BytesPerSecond)
			case hotkey.HotEnd:
				fmt.Println("not hot any more:", e.Key.Name)
			case hotkey.Missed:
				fmt.Printf("missed: %s, %.0f/s\n", e.Missed.Name, e.Missed.MissesPerSecond)
			}
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	source.Run(ctx)
}
