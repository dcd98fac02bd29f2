// Nemesis answers: does the client keep its promises while everything around it fails?
//
//	cd internal/nemesis && go run . -duration 1m -seed 7
//
// It starts real memcached, each behind a proxy, and client processes that read and write the same few keys; breaks nodes,
// network and views on a schedule that the seed decides; then merges what every process recorded and checks it (package
// history). It prints what was done and seen, what was left out, and for each broken promise the few operations that show
// it. The exit status is 1 if there was a violation.
//
// A run is made of rounds (-round), each with new nodes and processes, so that a run of hours needs the memory of one
// round, and so that what the replicas hold in the end is compared often. A round: time for the nodes to join; traffic and
// faults (schedule.go, faults.go); then the traffic stops, everything is healed, and the time for repairs passes; then
// all processes set every second key at once, to leave the replicas different if they can; then every process reads every
// key, and every node is asked what it holds (round.go).
//
// The seed decides faults and operations, not how threads interleave: another run of a seed is alike, not the same. -dir keeps
// the histories.
//
// # Views
//
// Nodes have addresses in 127.0.0.0/8 and one port, and the processes know them by one name, dns+nodes:port, with a
// resolver whose answers this program sends them (views.go, resolver.go). When a node joins or leaves, each process is
// told at another moment of the time -skew. That is also the bound D that the clients are told (-propagation,
// memcache.WithPropagation). A node that has joined is not read for some seconds, so such faults are seldom (-life-gap).
//
// Where keys are pinned (-topology pinned) each process is told of pins that come and go as it is of views (pins.go). A pin is
// seen best where nodes rest, as a key whose nodes are on their way is written in many places: -warm-up 1s, and faults other than
// leave.
//
// # What is checked
//
// All invariants of package history, with these exceptions, which the report begins with:
//
//   - Faults named hostile make replies wrong (-faults hostile). An acknowledgement may then be false and no client can
//     know, so only I1 is checked.
//   - Clients that are told that nodes never change (-propagation 0, the default for one node) do not look whether they have
//     left replicas different, so I5 is not checked. They show old values where nodes come and go.
//   - Where reads fill replicas (-topology coherent), or keys move as nodes come and go (all others but replicated), what one
//     node has lost may be back there at once; that all nodes were flushed is checked (I7).
//   - With one node (-nodes 1), the history of each key must be that of a register that may forget (linear.go).
//   - Where nothing is lost (-faults none -propagation 0 -topology sharded), nothing may be missed (I8).
//
// The last node lives in a network namespace of its own, whose packets can be dropped. That needs root; without, the
// report begins with what was left out.
//
// # Is the check any good?
//
// In a build with the tag "mechanisms" the client can be made to do without one of its mechanisms (package mechanism), and
// with -expect the exit status is 1 if there was no such violation, or one of integrity or honesty:
//
//	go run -tags mechanisms . -without M4 -expect I3,I7 -faults leave -life-gap 1s
//
// mechanism_test.go does so for each of them.
package main
