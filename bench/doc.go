// Bench answers: how fast is this client beside the others, on this machine, now?
//
//	cd bench && go run .                                  # everything, in both modes
//	go run . -onecpu -workloads 'get-*,set-100-64'        # some workloads, in one mode
//	go run . -free -clients nohop,rueidis -rounds 3       # some clients; the anchor always runs
//	go run . -duration 100ms -rounds 25                   # shorter slices, and more; 400ms and 7 unless given
//	go run . -longer-calls 3us                            # as where system calls cost more
//	go run . -list                                        # what workloads there are
//	go run . -markdown > table.md
//
// It starts its own servers on free loopback ports: three memcached (-t 1), redis-server, and nutcracker in front of
// the first memcached. A server that is not installed is named in the tables of the clients that need it.
//
// The clients take turns: in each round every client runs one slice of the workload, and the order rotates. A ratio is
// taken between two slices of the same round, and the median of the rounds' ratios is shown, so that a disturbance
// which lasts longer than a round does not favour anybody. Absolute numbers depend on the machine; ratios hold better.
//
// Two clients are floors, and do nothing that a client does to be safe: "raw connection" has a connection for each goroutine,
// "raw pipeline" one for all. Beside a goal stands what the better of them came to: where that is below the goal, the goal is
// not one for this machine.
//
// Two modes: "free" pins nothing and sets GOMAXPROCS=2, which is what a user sees on a small machine; "one CPU" pins
// the program and its servers to one CPU with GOMAXPROCS=1, which shows what an operation costs in all.
//
// It runs on Linux.
package main
