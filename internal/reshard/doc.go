// Package reshard answers: what do the users of a sharded fleet notice when it grows by a node and shrinks again?
//
// It is a test over real memcached that counts stale reads and misses under load, with the steps by which keys move
// (route.Walk) and with the same placement and nothing else:
//
//	go test -v ./internal/reshard
package reshard
