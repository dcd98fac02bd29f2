// Package hotkey answers: which keys are too hot for one node, and what is to be done about them?
//
// It knows no network and starts no goroutine. A client feeds it what it does, asks it what is hot, and acts.
//
//	detector, err := hotkey.New(hotkey.Options{Nodes: 5})
//	go detector.Run(ctx)               // or Tick four times a second
//
//	sampler := detector.NewSampler()   // one for each connection, owned by whoever reads it
//	sampler.Read(key, hash, len(key)+len(value))
//
//	for event := range detector.Events(ctx) { … }
//
// The size is what the op would have moved without a remedy. A client that told only the bytes that a remedy left would
// see its cured keys cool down.
//
// # Detection
//
// Each op costs the bytes that it moves and a constant for the request, so that one stream shows keys that are hot by
// bytes and keys that are hot by requests. A Sampler subtracts the cost from a countdown (sampler.go, countdown.go); when
// that runs out, the op is a sample and stands for the mean of the gaps. The mean follows the traffic: 4,096 samples per
// second in a process, and never more than one op in 16, so the processor time of detection is bounded.
//
// The samples go to a sink (sink.go), which counts them by Space-Saving in windows of 250 ms (window.go, trail.go). Tick
// ends a window and judges the four before (verdict.go). There are two verdicts:
//
//   - a key is acted on from a tenth of a node's fair share of the cost: liberal, since a mistake costs one copy and
//     changes no meaning;
//   - a key is reported, as HotStart, if its share is above Options.Share or its bytes above Options.BytesPerSecond at two
//     ticks in a row, or twice above at one. A key at 2, 5 and 20 times the threshold is reported within 1.2, 0.75 and
//     0.4 seconds in 99 of 100 cases (TestTimeToDetect); one at half of it practically never.
//
// Both need five sampled ops in the trailing second. What happens fewer than five times a second is not judged, and as one
// op in 16 at most is sampled, a key whose ops are of mean size is hardly judged below some 80 of them per second. Both end
// when the key has been below a quarter of the threshold for 30 seconds.
//
// Reads that find nothing go through a countdown of their own, and are counted by key and by template, the key with its
// numbers and ids replaced (template.go, missed.go). Up to 512 misses per second every one is counted.
//
// The memory of all that is fixed, below 512 KiB, whatever the keys.
//
// # Other eyes
//
// An Eye (eye.go) takes in what the owner of the samplers does not do himself. Single ops go to a sampler of the eye's and count
// like all others; package fetchers gets them from the nodes' logs. Rates of keys are judged by the same verdict, by the bytes
// or misses that are told; package sflowrt gets them from an analyzer. Key.Origin names the eyes that have seen a key.
//
// # Remedies
//
// Choose is the automatic choice as a pure function: keep the value in the process, spread it over nodes, or nothing and
// an Advice event. Detector.Remedies makes it for each key that is acted on.
//
// One process does not see what a key is of the load of a whole fleet. Where something counts that, as package rulestore
// does, Detector.SetFleetShares takes it, and the choice goes by it.
//
// # Rules
//
// Rules are data: a key or a prefix, and an action. A Table of them is immutable, so that a client can swap it in one
// atomic pointer and look up each op with the hash it has anyway; ParseTable reads one from a file or a store. Rules of
// people and of the detector stand side by side in it. After each Tick, a client does
//
//	table, err := explicit.WithRemedies(detector.Remedies(policy, explicit))
//
// and with each op
//
//	if rule := table.Lookup(hash, key); rule != nil { … }
package hotkey
