package pool

import (
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/protocol"
)

// conn is one pipelined connection. It has no goroutine of its own while all is well: of the callers that share it,
// one at a time is the flusher and one at a time is the reader (flush.go, read.go). A timer, armed only while replies
// are owed, looks after those who cannot look after themselves (watch.go).
type conn struct {
	node       *Node
	nc         net.Conn
	dialect    protocol.Dialect
	id         uint64 // counts the node's connections: a later one has a larger id
	generation uint64 // of the node's life, which no connection outlives; 0: not known
	born       int64  // Node.now
	tls        bool   // an interrupted write cannot be continued

	mu       sync.Mutex // never held across a wait or a write
	err      error      // why the connection broke; nothing is queued any more
	wbuf     []byte     // requests that the flusher has not taken yet
	group    group      // what the last requests in wbuf are
	flushing bool       // somebody is the flusher
	crowd    []*waiter  // callers that wait for room
	opaque   uint32     // of the last request
	lastPush int64      // Node.now
	records  records    // of TLS in wbuf
	queued   uint32     // requests in wbuf
	singles  uint64     // requests so far that came alone
	batches  uint32     // and batches
	batch    uint32     // which of them is being queued; 0: none
	hold     hold
	watch    watch

	owed     owedQueue
	reads    atomic.Uint32 // nobody, theFlusher or somebody; changed under the lock
	sentTail atomic.Uint32 // requests before this index of owed may have been written
	crowded  atomic.Bool   // crowd is not empty
	flusher  flusher       // owned by the flusher
	reader   reader        // owned by the reader
}

func newConn(n *Node, met *greeting, id uint64) *conn {
	c := &conn{node: n, nc: met.nc, dialect: met.dialect, id: id, generation: met.seen.generation(), born: n.now()}
	_, c.tls = c.nc.(*tls.Conn)
	c.records.apart = c.tls && needsRecordsApart(c.dialect)
	c.reader.buf, c.reader.size = make([]byte, minReadBuf), minReadBuf
	c.reader.spin = newSpin(c.nc)
	c.hold.most = holdFor(c.nc)
	if n.cfg.NewSampler != nil {
		c.reader.tally.sampler = n.cfg.NewSampler()
	}
	c.lastPush = c.born
	return c
}

// push queues ops until there is no more room and returns how many it took. An op that cannot be said in the
// connection's dialect fails alone. If somebody must flush, it is the first op, whose caller then calls flush. A broken
// connection takes nothing.
func (c *conn) push(ops []*Op, now int64) (n int) {
	if c.lock(now); c.err != nil {
		c.mu.Unlock()
		return 0
	}
	defer c.mu.Unlock()
	if c.queued == 0 {
		c.hold.since = now
	}
	first := c.owed.tail.Load()
	c.openBatch(len(ops))
	for _, op := range ops {
		if op.phase == waiting && !c.pushOne(op) {
			break
		}
		n++
	}
	if n > 1 {
		c.owed.noteBatch(first)
	} else {
		c.singles++
	}
	if c.takeFlushing(now) {
		ops[0].flushes = c
	}
	c.watch.arm(c)
	return n
}

// openBatch notes that n ops are to be queued together.
func (c *conn) openBatch(n int) {
	if c.batch = 0; n > 1 {
		c.batches = max(c.batches+1, 1) // never 0
		c.batch = c.batches
	}
}

// lock takes the connection's lock for a push. A connection that was idle for long is looked at first: the node may have
// closed it meanwhile, and a request written to it would be lost.
func (c *conn) lock(now int64) {
	c.mu.Lock()
	idle := now - c.lastPush
	c.lastPush = now
	if idle < int64(idleCheckAfter) || c.err != nil || c.owed.len() > 0 || c.flushing || c.reads.Load() != nobody || c.reader.owesEnd {
		return
	}
	if err := peek(c.nc); err != nil {
		c.mu.Unlock()
		c.fail(err)
		c.mu.Lock()
	}
}

// idleCheckAfter is how long a connection must have been idle to be looked at before use: the look is a system call.
const idleCheckAfter = 100 * time.Millisecond

// pushOne queues one op; false means that there is no room.
func (c *conn) pushOne(op *Op) bool {
	if !c.hasRoom() {
		return false
	}
	if c.node.quarantine.until.Load() != 0 && c.node.Joining() {
		c.pushJoining(op)
	} else {
		c.pushRequest(op, &op.Request)
	}
	return true
}

// pushJoining queues what a node that is joining may be asked of op.
func (c *conn) pushJoining(op *Op) {
	switch entryOf(op) {
	case refused:
		op.fail(NotSent, ErrJoining)
	case cleared:
		clear := clearOf(&op.Request)
		c.pushRequest(op, &clear)
	default:
		c.pushRequest(op, &op.Request)
	}
}

// pushRequest queues r, which is op's request or stands for it, unless it must not or cannot be sent on this connection.
func (c *conn) pushRequest(op *Op, r *protocol.Request) {
	if c.node.journal.active.Load() && !op.passesFence() && c.node.journal.fences(r, c.id) {
		op.fail(NotSent, ErrMissedWrite)
		return
	}
	form, err := protocol.Plan(c.dialect, r)
	if err != nil {
		op.fail(NotSent, err)
		return
	}
	if r.Has(protocol.Compare) && op.Token.node != nil && !c.honours(op) {
		return
	}
	c.queue(op, r, form)
}

// honours settles a compare-and-swap whose CAS must not be compared here. One of another node is an error. One that is
// older than the connection does not match: the node may have restarted in between, and its count of CAS with it, so that
// the same number may by now stand for another value.
func (c *conn) honours(op *Op) bool {
	switch {
	case op.Token.node != c.node:
		op.fail(NotSent, ErrForeignCAS)
		return false
	case c.id > op.Token.conn:
		op.Reply.Status = protocol.Exists
		op.phase = settled
		return false
	}
	return true
}

// queue encodes r behind what is queued already and adds op's call to the owed replies.
func (c *conn) queue(op *Op, r *protocol.Request, form protocol.Form) {
	k := c.node.newCall()
	k.command, k.form, k.key, k.binary = r.Command, form, r.Key, r.Has(protocol.BinaryKey)
	k.hash, k.size, k.fresh, k.batch = op.Hash, len(r.Value), op.Dst == nil, c.batch
	k.sampled = c.node.cfg.NewSampler != nil && op.isCallers() && r.Command.IsKeyed()
	switch {
	case form == protocol.FormLine:
		c.appendLine(r, k)
	case form == protocol.FormMeta && !op.WantCAS && r.CanBeQuiet() && !c.node.isLoud():
		c.appendStore(r, k)
	default:
		c.closeGroup()
		asked := r.Meta
		if op.WantCAS && form == protocol.FormMeta && (r.Command.IsStore() || r.Command.IsArithmetic()) {
			r.Meta |= protocol.ReturnCAS
		}
		c.appendRequest(r, k)
		r.Meta = asked
	}
	c.records.wrote(r.Value)
	op.call, op.conn, op.phase = k, c, flying
	c.owed.push(k, op.expires)
	c.queued++
}

// appendRequest encodes a request of its own. Meta requests carry an opaque where the node repeats it, so that a
// shifted reply is detected.
func (c *conn) appendRequest(r *protocol.Request, k *call) {
	if k.form == protocol.FormMeta && r.Command != protocol.Noop && r.Command != protocol.Debug {
		r.Meta |= protocol.WithOpaque
		c.opaque = c.opaque%maxOpaque + 1
		k.opaque = c.opaque
	}
	c.records.begin(len(c.wbuf))
	c.wbuf = protocol.AppendRequest(c.wbuf, r, k.form, k.opaque)
	r.Meta &^= protocol.WithOpaque
}

// maxOpaque keeps opaques short on the wire; four times the replies that can be owed at once.
const maxOpaque = 4*ringSize - 1

// fail breaks the connection: every owed reply, and every caller that waits for room, gets the error. Safe to call
// from anywhere, more than once.
func (c *conn) fail(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	c.watch.stop()
	c.wakeCrowd(len(c.crowd))
	idle := c.reads.Swap(somebody) != somebody // for good: nobody reads a broken connection
	c.mu.Unlock()
	c.node.lost(c, err) // before the close: callers must not find a broken connection again and again
	closeNow(c.nc)
	if idle {
		c.abort()
	}
}

// beneath returns the connection that a TLS connection is made of, and any other as it is.
func beneath(nc net.Conn) net.Conn {
	if secured, ok := nc.(*tls.Conn); ok {
		return secured.NetConn()
	}
	return nc
}

// closeNow closes nc without a farewell. That of TLS could wait for seconds where the peer does not read; that of TCP has the
// kernel deliver what is still queued, for minutes if need be, and a write would arrive after newer ones that went by another
// connection. With no time to linger, closing sends a reset and throws away what is queued (socket(7), SO_LINGER).
func closeNow(nc net.Conn) {
	nc = beneath(nc)
	if lingers, ok := nc.(interface{ SetLinger(seconds int) error }); ok {
		lingers.SetLinger(0)
	}
	nc.Close()
}

// abort gives every owed call the connection's error. The caller is the reader, for the last time.
func (c *conn) abort() {
	err := &brokenError{c.err}
	for k := c.owed.peek(0); k != nil; k = c.owed.peek(0) {
		k.sent = int32(c.sentTail.Load()-c.owed.head.Load()) > 0
		c.owed.pop()
		k.err = err
		c.deliver(k)
	}
}
