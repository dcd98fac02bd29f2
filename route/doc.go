// Package route answers: which nodes serve this request, in what order, and what do their replies mean together?
//
// A Route is one method over a batch of ops; a single get is a batch of one. *pool.Node is the route at the end of every
// tree. The others are small values that hold their children:
//
//   - a Placement says which routes hold a key, home first: Fixed for a list, Slots for rendezvous hashing, Zones for one
//     home in each zone, Rules to override another placement for single keys;
//   - Hash sends an op to its key's home, ByOperation by its command;
//   - Failover reads one replica after the other until one answers;
//   - AllSync writes all replicas at once and combines their replies (combine.go);
//   - Verified is AllSync that looks afterwards whether two processes have set a key at once, and removes what is left of
//     that (verify.go);
//   - AtHome has read-modify-writes take effect at the home and then clears the other replicas.
//
// A replica that is joining or leaving is written to by deletes and read by nobody; the home of a key is the first of its
// replicas that is not (joining.go).
//
// Where several children work at once, they go through one helper (fanout.go): it starts all nodes first and only
// then waits, so that nodes need no goroutine unless each gets many ops.
//
// Routes are immutable and safe for concurrent use. A change of nodes builds a new tree; requests under way finish on the
// old one.
package route
