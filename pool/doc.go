// Package pool answers: how does one request reach one node and its reply come back, fast, and is that node healthy?
//
// A Node is one memcached process. Requests of many goroutines share its few connections (one by default, and two for reads
// while that is measured to bring more, lanes.go), and on a connection they share system calls. The life of a request:
//
//  1. Node.Begin checks the op and appends it to the connection's buffer, and its call to the queue of owed replies
//     (conn.go, owed.go). Plain reads that meet there share one "gets" line, and plain stores one
//     answer (group.go). If nobody is writing, this caller has become the flusher.
//  2. Node.Flush: the flusher lets others run, if that has been worth it lately (yield.go), and writes all that is queued,
//     again until nothing is left (flush.go).
//  3. Node.Wait: if nobody is reading, this caller becomes the reader; while the first of a batch has not written yet, that
//     is left to the flusher. The reader reads from the socket, gives every reply to the call at the head of the queue, wakes
//     the callers of those, and when its own has come hands the role to the next that waits (read.go, deliver.go). A large
//     value is read straight into the memory of the caller that wants it (block.go); small ones of a batch share memory
//     (arena.go). A reader alone looks for its reply for a moment before it sleeps (spin.go).
//
// So a caller alone writes, reads and returns without a hand-over, and sixty-four callers make a few system calls for all.
// There is no goroutine per request or per connection. A connection that owes replies has a timer that ticks every 5 ms and
// does what waiting callers cannot do for themselves (watch.go); where everybody who waited has given up, a goroutine
// drains what is owed.
//
// # What is promised
//
//   - A reply goes to the request it belongs to, or to none. Replies match by position; a "gets" line is checked by key, a
//     meta command by opaque; on any doubt the connection closes and its requests fail. Stores that were answered together
//     and refused in part all fail (ErrSomeRefused).
//   - A caller that gives up leaves its place in the queue behind: the late reply is dropped by position and the
//     connection stays in use. No memory of the caller is touched after Wait has returned.
//   - A key's mutations take the same connection, so those of one process are applied in their order. Single reads may take a
//     second one (lanes.go).
//   - Every failure is an *Error that says whether the request was not sent, may have been done, or was refused. A read is
//     repeated once if its connection broke, a mutation only if not a byte of it was written.
//   - A node that was silent for the length of a try while it owed replies is suspect: its callers fail at once until it
//     answers, on the same connection, which is drained and not replaced. Only where the node is seen to answer on a second
//     connection is the silent one given up (probe.go). A time in which this process itself stood still does not count.
//   - A node whose dial failed, or whose connections break before they bring an answer, is down until a dial gets an answer
//     to "version"; one dial at a time, fewer than five a second, so that it is back in use within a quarter of a second,
//     whether anybody asks for it or not. Only when nobody has for a minute, it waits for the next caller (redial.go).
//   - Nodes that share a NodeSet are not all refused at once: past a limit, they are tried (nodeset.go). One that is much slower
//     than the others is known to be, for routes to read it last (slow.go).
//   - A node that others may not know of yet, or not any more, is not read and not stored to, only deleted at
//     (Config.Quarantine, Node.Leave; quarantine.go). How long is told by a mark on the node itself, read on every new
//     connection; it also tells a node that restarted, and one that comes back with what it held (mark.go). Where nothing
//     is quarantined it can be had for that alone (Config.Generations, Token.Generation). Where keys have one home, routes
//     go by the step that the node is at (Node.Step, Node.Retire; step.go).
//   - Memory is bounded whatever the node sends: lines, values, replies owed, bytes queued.
package pool
