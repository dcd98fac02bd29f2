// Package sflowrt answers: which keys does an sFlow-RT analyzer say are hot, or missed?
//
// sFlow-RT (https://sflow-rt.com) adds up the samples of all agents: memcached servers with sFlow, and clients that export
// with package sflow. A Source speaks its REST API (https://sflow-rt.com/reference.php, "REST API"):
//
//  1. It defines two flows and a threshold for each: "hotkey" is bytes per second by key, above 1,000,000; "missedkey" is
//     requests per second by key with the status NOT_FOUND, above 20.
//  2. It waits in a long poll for events, which come when an agent passes a threshold.
//  3. It reads the top keys of the agent that did, and the active flows summed over all agents: many clients can make a key
//     hot of which none of them alone sends much.
//  4. It tells of keys that pass a threshold, and of those that stay below a quarter of it for 30 seconds, as package
//     hotkey's detector does.
//
// An analyzer that was restarted has forgotten its flows, and counts its events from the start; both are noticed. While it
// cannot be reached nothing is said to have ended.
//
//	source, err := sflowrt.New(sflowrt.Config{
//		URL:     "http://10.0.0.9:8008",
//		OnEvent: func(e hotkey.Event) { … },
//	})
//	go source.Run(ctx)
//
// A client takes what the analyzer says as if it had seen it itself, and acts on it (memcache.WithHotKeySource); no OnEvent is
// needed then:
//
//	source, err := sflowrt.New(sflowrt.Config{URL: "http://10.0.0.9:8008"})
//	client, err := memcache.New(…, memcache.WithHotKeySource(source))
//
// The definitions are left in place when a Source ends, since others may use them.
package sflowrt
