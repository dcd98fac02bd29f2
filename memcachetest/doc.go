// Package memcachetest answers: how do I test code that talks to memcached
// without a memcached, and with one that fails just when I want it to?
//
// It does for memcached what net/http/httptest does for HTTP:
//
//	node := memcachetest.NewServer()
//	defer node.Close()
//	client := dial(node.Addr()) // any memcached client
//
// # What it is
//
// A Server answers byte for byte like memcached 1.6.18: the classic text
// commands, the meta commands with every flag, error lines and what they do to
// the connection, CAS uniques, leases and stale items, expiry in whole seconds,
// and a memory limit. Tests replay conversations recorded from a real
// memcached, and send the same random commands to both.
//
// It listens on a free loopback port, on a unix socket (WithUnixSocket) or in
// memory (WithPipe), with TLS and authentication if asked. In memory it works
// inside testing/synctest, where a minute of expiry, delay or timeout passes in
// no time: give the client Server.DialContext, or Dialer for several servers.
//
// # The life of a server
//
// NewServer starts a process with an empty store. Kill ends it as kill -9 does,
// Start brings it back empty at the same address, Pause and Resume are SIGSTOP
// and SIGCONT, and Close ends it for good and waits for its goroutines. Stats
// tells what a server was asked, for instance which replica served the reads.
//
// # Faults
//
// Inject makes a server misbehave on all its connections, InjectNext on the
// next one only, Heal ends it. A Fault is a value, and faults combine:
//
//	node.Inject(memcachetest.Delay(20 * time.Millisecond))
//	node.Inject(memcachetest.StrayLine(3, "ERROR"), memcachetest.ResetAt(1000))
//
// A request passes these steps, one goroutine per connection: read a line, read
// its data block, run it on the store, queue the reply, send the queue through
// the faults.
//
// # What it leaves out
//
// The binary protocol and UDP; background work such as the LRU crawler, whose
// commands answer but change nothing; watch, whose log stays empty; the details
// of "stats slabs" and "stats items", and "stats conns", which answers ERROR as
// an unknown group does. The store is one LRU list without slab classes, so it
// evicts exactly the least recently used item. A memcached older or newer than
// 1.6.18 differs in details that WithVersion does not imitate.
package memcachetest
