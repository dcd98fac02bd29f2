// Package history answers: did what the clients saw keep the promises?
//
// Processes that use a cache record what they did, each into a file of its own; afterwards the files are merged and
// checked, key by key:
//
//	w, err := history.Create("client-3.history")
//	op := history.Op{Client: 3, Key: "k", Command: history.Set, Value: history.NewValue(3, 1), Call: history.Now()}
//	w.Begin(&op) // a write is on record before it is sent: its process may die
//	… client.Set(ctx, &memcache.Item{Key: "k", Value: history.Seal(op.Value, 100)}) …
//	op.Outcome, op.Return = history.OK, history.Now()
//	w.End(&op)
//
//	h, err := history.Read("client-3.history", "client-4.history", "faults.history")
//	violations, err := history.Check(h, history.Bounds{Repair: time.Second})
//
// # The invariants
//
// Each stands in a file of its own. A miss is always legal: a cache may forget.
//
//	I1 integrity    a read returns what some write wrote for that key, whole             integrity.go
//	I2 own writes   a client never reads what is older than its own write                ownwrites.go
//	I3 full ack     nobody reads what is older than a write that all replicas took       fullack.go
//	I4 repair       nor, within R of the repair, than one that some replicas missed      repair.go
//	I5 convergence  in the end all replicas hold the same last value, or none            convergence.go
//	I6 fresh fill   what was loaded before such a write is not read after it             freshfill.go
//	I7 epochs       no value from before a flush or a join comes back                    epoch.go
//	I8 honesty      a write that failed for certain is seen by nobody, an acknowledged one exists    honesty.go
//
// # Order
//
// Every write has a Value of its own, so that a read names the write it saw. Two operations are ordered if one returned
// before the other was called, by one clock of the machine (Now); otherwise they are concurrent and either order is
// right. A write that timed out may still take effect, so it has not ended before the node that kept silent was reached
// again and had the time R: see index.end.
package history
