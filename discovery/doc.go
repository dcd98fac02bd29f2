// Package discovery answers: which nodes exist now, and what is known of each?
//
// A Source is asked for the complete list of nodes, or pushes it (Watcher). A Follower keeps asking and hands on every list
// that differs from the last: validated, sorted by name, without repetitions. So the order of a source's answers means
// nothing, and a list that arrives can be used as it is.
//
//	f, err := discovery.NewFollower(discovery.Config{Source: src, OnEvent: log})
//	...
//	go f.Run(ctx, apply) // until ctx ends
//
// # What is promised
//
//   - The last good list stays in force while the source fails, answers with nothing, or gives a list that is invalid: a
//     resolver in trouble must not take the cache away. An Event tells of it, with the error and the age of the list;
//     Status has the same at any time.
//   - A list is all or nothing: a part of an answer is never taken for the whole. The exception is Merge, whose parts
//     are sources of their own.
//   - Look-ups are bounded by a timeout, one at a time, at the source's interval give or take a fifth. While a source fails to
//     answer they get rarer, up to Config.MaxBackoff apart.
//   - Nothing runs in the background but what the caller runs, and Run returns soon after its context ends.
//
// # Sources
//
// Placement hashes names, so what counts most about a source is what it takes for a node's identity. A name that stays
// when the node's address changes keeps its keys at home.
//
//	source       identity              zone        a change is seen within  on failure
//	Static       name, else address    as given    never                    -
//	DNS          address               -           1 s + the record's TTL   last list; a part of an answer is no answer
//	SRV          target's name:port    -           1 s + the record's TTL   last list; so also if one target fails
//	SRVNoA       target's name:port    -           1 s + the record's TTL   last list; the address is resolved at the dial
//	File         name, else address    as given    1 s                      last list; the error names the line
//	ElastiCache  host name:port        -           10 s                     last list
//	Merge        as its parts          as parts    as its parts             each part keeps its own last list
//
// WithZone gives the nodes of a source a zone, Map changes anything about them, Every sets the interval. Parse makes sources
// from the text that people write into configurations. EndpointSlices of Kubernetes, which know zones and readiness
// and push changes at once, are in the module contrib/kubernetes.
//
// The package uses the standard library only and depends on no other package of the module.
package discovery
