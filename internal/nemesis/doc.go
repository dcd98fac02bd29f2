// Nemesis answers: does the client keep its promises while everything around it fails?
//
//	cd internal/nemesis && go run . -duration 1m -seed 7
//
// It starts real memcached, each behind a proxy, and client processes that read and write the same few keys; breaks nodes,
// network and views on a schedule that the seed decides; then merges what every process recorded and checks it (package
// history). It prints what was done and seen, and for each broken promise the few operations that show it. The exit
// status is 1 if there was a violation. With -expect I3,I7 it is 1 if there was none of those, or one of integrity or
// honesty: so a run shows that the checks notice what they should.
//
// A run is made of rounds (-round), each with new nodes and processes, so that a run of hours needs the memory of one
// round, and so that what the replicas hold in the end is compared often. A round: traffic and faults (schedule.go,
// faults.go); then the traffic stops, everything is healed, and the time for repairs passes; then every process reads
// every key, and every node is asked what it holds (round.go).
//
// The seed decides faults and operations, not how threads interleave: another run of a seed is alike, not the same.
//
// # Views
//
// Nodes have addresses in 127.0.0.0/8 and one port, and the processes know them by one name, dns+nodes:port, with a
// resolver whose answers this program sends them (views.go, resolver.go). When a node joins or leaves, each process is
// told at another moment of the time -skew, the bound D.
//
// # What to expect
//
// Integrity (I1) and honesty (I8) hold under every fault. With one node (-nodes 1), the history of each key must be that
// of a register that may forget (linear.go). The promises of coherence (I2 to I5, I7) are broken by any client that
// remembers nothing of the writes a node missed, and reads a node as soon as it joins.
//
// Faults named hostile make replies wrong (-faults hostile). An acknowledgement may then be false and no client can
// know, so only I1 is checked.
//
// The last node lives in a network namespace of its own, whose packets can be dropped. That needs root; without, the
// report begins with what was left out.
package main
