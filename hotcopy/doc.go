// Package hotcopy answers: how are copies of hot keys read without ever being stale?
//
// A Route stands above a client's tree of routes. Where a rule (hotkey.Table) says so, it serves reads from copies: values
// kept in this process, or values that other nodes hold.
//
//	copies := hotcopy.New(hotcopy.Config{})
//	top := copies.Route(tree, nodes...)    // again with each view; what is kept stays
//	copies.SetTable(table)                 // whenever the rules change
//	top.Do(ctx, ops)
//
// Without a rule for an op's key it costs a look at the table's filter.
//
// # Why no copy is stale
//
// The home of a key, which is where the tree below reads it, stays the only authority. It does every write, and nobody else
// has a say in whether the key exists. All that is ever copied is a version: a value under the name that the home has
// given it, its CAS. memcached draws the CAS of each change from one counter in its process, so together with the life of
// that process it stands for one value for ever (version.go). The life is known by the connection, which does not outlive
// it, and by the node's generation (pool.Token), which all processes know.
//
// A read therefore takes two facts, of which only one can change: which version is current, and what are its bytes.
//
//  1. The home is asked for the CAS, "mg key c s", 20 bytes of answer. A strict rule does so at each read; a rule with a
//     staleness goes by an answer for so long, counted from before it was asked for, and has it renewed from half of that
//     time on by one goroutine (refresh.go).
//  2. The bytes come from the process, if it keeps that version; or from one of the nodes that hold it, if the rule says
//     spread; or else from the home.
//
// So an answer was current at the home at some time since the read began, or since the staleness before. Who else knows of
// the rule does not matter, nor does what others write or with which client, nor a copy made late: bytes of version v
// under the name of v are right whenever they come, and a version that was replaced is not asked for again. Histories
// on real memcached look for the contrary (history_test.go), and find it where the design is broken on purpose.
//
// # What rules do
//
//   - Keep holds the value in the process (read.go, shelf.go).
//   - Spread reads it from the least loaded of some nodes (nodes.go, copy.go), for values that are too large for the
//     process; what fits and needs nobody else's room is kept as well. The first reader who finds no copy gets the lease to
//     make it, and reads the home; others wait for one round trip, once. A copy lives for Config.CopyTTL at most.
//   - Deny refuses all ops of the key with ErrDenied: nothing is sent, deletes included.
//   - Pin, None and Auto are not for this package: the tree serves the op.
//
// # Ops with a rule of Keep or Spread
//
//	get, GetMulti               as above; by a batch, in two rounds, or three where a copy has yet to be made
//	get for update, for a lease,
//	with the time left …        the home; what it brings is kept
//	set, compare-and-swap       the home; then the process keeps the new value and, with Spread, copies it in the background
//	add, replace, append,
//	prepend, incr, decr         the home; what was kept is dropped
//	delete, mark stale          the home; what was kept is dropped, copies are left to expire
//	touch, get-and-touch        the home; with a staleness, the next read asks
//	flush_all                   the nodes; all that was kept is dropped (Copies.Forget, for who flushes past the routes)
//
// A write of this process takes what was kept with it before its caller learns of it, and a read that had begun before it
// keeps nothing (write.go). So with a staleness too, a process reads what it wrote.
//
// Where the home says that an item is stale or being made (flags W, X and Z), reads go to the tree for 100 ms. Asking for
// the CAS of a stale item takes its lease, so the lease is given back, and then reaches who asks for it.
//
// # Which trees, which nodes
//
// With one replica for each key, the home is the key's node. Where keys have several replicas the process keeps what the
// tree would have read, in its order and with its failover, and is as strict as the tree without a rule. Where every node has
// every key there is nothing to spread: give Copies.Route no nodes. A tree that asks the home for the CAS and reads the value
// nearer, as route.Coherent does, gains nothing by copies (Elsewhere).
//
// Nodes before memcached 1.6.13, those that know only classic text, and those without CAS ("-C") are found out by their
// first answers: Config.OnEvent is told, and their keys are read as without a rule. Spread needs pool.Config.Generations or
// a Quarantine. Behind a proxy that hides the restart of a node, and speaks meta, a connection is no identity: then do not
// use rules.
//
// # Reserved keys
//
// Keys that begin with "~" are refused with ErrReservedKey, whatever the op: "~c" are copies and "~m" is the mark of a
// node's life, on which all this rests. The whole prefix is refused, and not just those two, because package pool has
// claimed it, and what is added later must not find users' items there.
package hotcopy
