package hotkey_test

import (
	"context"
	"fmt"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/nohop/memcache/hotkey"
)

// A process that reads one key half of the time, told op by op, finds it within half a second.
func ExampleDetector() {
	detector, err := hotkey.New(hotkey.Options{Nodes: 5})
	if err != nil {
		fmt.Println(err)
		return
	}
	sampler := detector.NewSampler()
	clock := time.Now()
	detector.Tick(clock)
	for range 2 {
		for i := range 20_000 {
			hot, cold := "front-page", fmt.Sprint("article:", i)
			sampler.Read(hot, xxhash.Sum64String(hot), 20_000)
			sampler.Read(cold, xxhash.Sum64String(cold), 20_000)
		}
		clock = clock.Add(hotkey.TickInterval)
		detector.Tick(clock) // a client leaves this to detector.Run
	}
	for _, key := range detector.Top(1) {
		fmt.Printf("%s takes %.1g of the cost\n", key.Name, key.Share)
	}
	for _, remedy := range detector.Remedies(hotkey.Policy{}, nil) {
		fmt.Printf("%v %s: %v\n", remedy.Decision.Action.Kind, remedy.Key.Name, remedy.Decision.Reason)
	}
	// Output:
	// front-page takes 0.5 of the cost
	// keep front-page: the value fits the process and is read more often than it changes
}

// Keys that are read and never there show by name, and families of them by template.
func ExampleDetector_MissedTemplates() {
	detector, _ := hotkey.New(hotkey.Options{})
	sampler := detector.NewSampler()
	clock := time.Now()
	detector.Tick(clock)
	for i := range 100 {
		key := fmt.Sprintf("user:%d:avatar", i)
		sampler.Miss(key, xxhash.Sum64String(key))
	}
	detector.Tick(clock.Add(time.Second))
	for _, family := range detector.MissedTemplates(1) {
		fmt.Printf("%s: %.0f misses per second\n", family.Template, family.MissesPerSecond)
	}
	// Output:
	// user:#:avatar: 100 misses per second
}

// Events are a loop that ends with its context.
func ExampleDetector_Events() {
	detector, _ := hotkey.New(hotkey.Options{})
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	go detector.Run(ctx)
	go func() {
		sampler := detector.NewSampler()
		for ctx.Err() == nil {
			sampler.Read("front-page", xxhash.Sum64String("front-page"), 20_000)
		}
	}()
	for event := range detector.Events(ctx) {
		fmt.Println(event.Kind, event.Key.Name)
		break
	}
	// Output:
	// hot-start front-page
}

// A table from a file decides what is done about a key before any detector does.
func ExampleParseTable() {
	table, err := hotkey.ParseTable([]byte(`{
		"rules": [
			{"key": "front-page", "do": "spread", "copies": 3},
			{"prefix": "abuse:", "do": "deny"}
		]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, key := range []string{"front-page", "abuse:81", "article:7"} {
		if rule := table.Lookup(xxhash.Sum64String(key), key); rule != nil {
			fmt.Println(key, rule.Action.Kind, rule.Action.Copies)
		}
	}
	_, err = hotkey.ParseTable([]byte(`{"rules": [{"key": "front-page", "do": "spread", "copies": 1}]}`))
	fmt.Println(err)
	// Output:
	// front-page spread 3
	// abuse:81 deny 0
	// hotkey: bad rule table: rules[0].copies: 1 is not between 2 and 1024
}

// The choice is a function of what is measured.
func ExampleChoose() {
	facts := hotkey.Facts{Share: 0.04, OpsPerSecond: 1000, ItemSize: 1 << 20, Nodes: 10, KeepLeft: 32 << 20}
	decision := hotkey.Choose(hotkey.Policy{}, facts)
	fmt.Printf("%v over %d nodes: %v\n", decision.Action.Kind, decision.Action.Copies, decision.Reason)
	facts.ItemSize = 100
	decision = hotkey.Choose(hotkey.Policy{}, facts)
	fmt.Printf("%v: %v (%.1f %% of them)\n", decision.Action.Kind, decision.Reason, 100*decision.Saves)
	// Output:
	// spread over 4 nodes: the value does not fit the process
	// none: small value: its requests make it hot, and only a staleness would save requests (99.6 % of them)
}
