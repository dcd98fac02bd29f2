// Faulttable answers: what does an application notice when a node dies, hangs, comes back, joins or leaves?
//
//	cd internal/faulttable && go run .
//
// It starts real memcached, breaks them, and prints a table in Markdown: what was done, the goal, what this client came to
// and what stands beside it, and whether the goal was met. The exit status is 1 if one was not. It takes about ten minutes
// and two processors to itself: a machine that is busy otherwise misses the goals that are times.
//
// Beside it stands bradfitz/gomemcache, with one idle connection for each worker, where it can do the same at all: it has
// no replicas. In the two last rows it is this client with everything in place that the origin of the problem had, writes
// to all nodes and failover, or plain rendezvous hashing, but without what it does about nodes that come and go
// (memcache.WithPropagation(0)).
//
// The load is 64 workers, each on its next operation as soon as the last has returned, values of 100 bytes, a timeout of
// 100 ms. What joins and leaves do is checked on histories (package history): several clients, told of each change at moments
// up to 3 s apart, each with a view of its own.
package main
