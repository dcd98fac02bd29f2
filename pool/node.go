package pool

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/internal/mechanism"
	"github.com/nohop/memcache/protocol"
)

// Node is one memcached process as this process sees it: its connections and its health. It dials when it is first
// needed, and again while it is down and has been needed of late. Safe for concurrent use.
type Node struct {
	cfg     Config
	born    time.Time // now counts from here, on the monotonic clock
	streams []atomic.Pointer[conn]
	calls   sync.Pool // of *call; per node, so that a test's bubble shares nothing with another
	count   counters
	latency histogram
	pace    pace
	turns   *turns // of the node set
	lanes   lanes
	health  health
	journal journal

	loudUntil atomic.Int64 // now, or 0: see isLoud

	quarantine quarantine

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex // guards dial and closed; taken after a connection's lock, never before
	dial   dialState
	closed bool
}

// NewNode returns a node. It does not dial, unless the node has Config.Joined: then what it holds must be known soon.
func NewNode(cfg Config) *Node {
	n := &Node{cfg: cfg.withDefaults(), born: time.Now()}
	n.streams = make([]atomic.Pointer[conn], n.cfg.streams())
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.journal.limit = n.cfg.MaxMissed
	if n.turns = new(turns); n.cfg.NodeSet != nil {
		n.turns = &n.cfg.NodeSet.turns
	}
	n.calls.New = func() any { return &call{wake: make(chan struct{}, 1)} }
	if n.cfg.Quarantine > 0 {
		n.quarantine.walks.Store(forever)
	}
	if n.cfg.Quarantine > 0 && n.cfg.Joined {
		n.holdOff()
		n.spawn(n.enter)
	}
	return n
}

// Name returns the node's stable identity.
func (n *Node) Name() string { return n.cfg.Name }

// Addr returns where the node is dialed.
func (n *Node) Addr() string { return n.cfg.Addr }

// now returns monotonic nanoseconds.
func (n *Node) now() int64 { return int64(time.Since(n.born)) }

func (n *Node) newCall() *call { return n.calls.Get().(*call) }

func (n *Node) freeCall(k *call) {
	k.reset()
	n.calls.Put(k)
}

// Do sends ops and waits until each is settled: answered, or failed with an *Error in Err. It returns by the time that
// ctx ends or the node's timeout is over, and shortly after at the latest (5 ms). Of a batch that the connection has no
// room for (Config.MaxOwed), the timeout of the next part begins when the part before it has been answered.
func (n *Node) Do(ctx context.Context, ops []*Op) {
	n.Begin(ctx, ops)
	n.flush(ops)
	n.Wait(ctx, ops)
}

// Begin queues ops on the node's connections; it neither writes nor waits. Begin, Flush and Wait are the three parts of
// Do, apart so that a caller can have several nodes work at once without a goroutine for each: Begin at all, then Flush at
// all, then Wait at all. All three must be called, soon after each other, with the same ops.
func (n *Node) Begin(ctx context.Context, ops []*Op) {
	if len(ops) == 0 {
		return
	}
	now := n.now()
	err := ctx.Err()
	for _, op := range ops {
		op.start(n, now+int64(n.cfg.Timeout))
		if err == nil {
			n.check(op)
		} else {
			op.fail(NotSent, err)
		}
	}
	n.queue(ops, now)
}

// Flush writes what Begin has queued.
func (n *Node) Flush(ops []*Op) {
	for _, op := range ops {
		if c := op.flushes; c != nil {
			op.flushes = nil
			c.flush()
			c.handReading()
		}
	}
}

// flush is Flush for a caller that waits for the first op next.
func (n *Node) flush(ops []*Op) {
	if len(ops) > 0 && ops[0].flushes != nil && ops[0].phase == flying {
		c := ops[0].flushes
		ops[0].flushes = nil
		c.flush()
		if ops[0].call.state.Load() == done { // it will not come to read
			c.handReading()
		}
	}
	n.Flush(ops)
}

// Wait waits until every op is settled.
func (n *Node) Wait(ctx context.Context, ops []*Op) {
	for i, op := range ops {
		if op.phase == flying && op.call.state.Load() == done {
			op.take(op.call) // as most of a batch
		}
		if op.phase == waiting && (i == 0 || ops[i-1].Err == nil) {
			n.renew(ops[i:])
		}
		for op.phase != settled || n.again(op) {
			if op.phase == flying {
				op.conn.await(ctx, op)
			} else {
				n.tryQueue(ctx, ops[i:])
			}
		}
	}
}

// renew lets the tries of ops that found no connection or no room begin now. Their turn has come: those before them have
// been answered, or their caller has waited at other nodes first. It does nothing if there is no connection to wait at.
func (n *Node) renew(ops []*Op) {
	if n.streams[n.streamOf(ops...)].Load() == nil {
		return
	}
	expires := n.now() + int64(n.cfg.Timeout)
	for _, op := range ops[:min(len(ops), ringSize)] { // more will not fit at once
		if op.phase == waiting {
			op.expires = expires
		}
	}
}

// tryQueue waits until the first op can be queued, and queues what can be.
func (n *Node) tryQueue(ctx context.Context, ops []*Op) {
	if err := n.waitReady(ctx, ops); err != nil {
		ops[0].fail(NotSent, err)
		return
	}
	n.queue(ops, n.now())
	n.flush(ops)
}

// queue pushes those of ops that wait, as far as there are connections and room. An op of a node that is down fails.
func (n *Node) queue(ops []*Op, now int64) {
	for i, op := range ops {
		switch {
		case op.phase != waiting:
		case n.cfg.Conns <= 1:
			n.queueOn(n.streamOf(ops...), ops[i:], now)
			return
		default:
			n.queueOn(n.streamOf(op), ops[i:i+1], now)
		}
	}
}

// streamOf returns which connection the first of ops takes.
func (n *Node) streamOf(ops ...*Op) int {
	switch {
	case !mechanism.PinnedStreams:
		return rand.IntN(len(n.streams))
	case n.cfg.Conns > 0:
		return int(ops[0].Hash % uint64(n.cfg.Conns))
	case len(ops) == 1 && n.lanes.two.Load():
		return n.spread(ops[0])
	}
	return 0
}

func (n *Node) queueOn(stream int, ops []*Op, now int64) {
	c := n.streams[stream].Load()
	err := n.refuses(c, now)
	if err == nil {
		if c != nil && (c.push(ops, now) > 0 || n.streams[stream].Load() == c) {
			return
		}
		_, err = n.ready(stream)
	}
	if err != nil {
		failWaiting(ops, err)
	}
}

// Refuses reports whether op would fail here at once, with ErrNodeDown, as the node is down or suspect; or would wait for a
// dial to a node that was down when it was last dialed, long ago. Then the dial begins, so that who is answered elsewhere need
// not wait, and the node is in use again if it answers.
func (n *Node) Refuses(op *Op) bool {
	if n.health.suspected.Load() == nil && n.dial.refused.Load() == nil {
		return false
	}
	stream := n.streamOf(op)
	c := n.streams[stream].Load()
	if c == nil && n.dial.isOld() {
		n.ready(stream)
		return true
	}
	return n.refuses(c, n.now()) != nil
}

// refuses returns why callers are to fail at once, c being their connection, if that is known without the lock: all callers
// of a node that is away ask.
func (n *Node) refuses(c *conn, now int64) error {
	if c == nil {
		return n.dial.refusal(now)
	}
	return n.refusal()
}

// failWaiting fails those of ops that wait. While a node is away all that want to read there come by here, so they share one
// error.
func failWaiting(ops []*Op, err error) {
	down, isDown := err.(*downError)
	for _, op := range ops {
		switch {
		case op.phase != waiting:
		case isDown && op.Request.Command == protocol.Get:
			op.phase, op.Err = settled, &down.read
		default:
			op.fail(NotSent, err)
		}
	}
}

// Close breaks the node's connections, fails what is under way with ErrClosed, and returns when every goroutine of the
// node has ended. Closing twice is allowed.
func (n *Node) Close() error {
	n.mu.Lock()
	n.closed = true
	n.dial.noMore()
	n.publishDial()
	n.mu.Unlock()
	n.cancel()
	n.quarantine.stop()
	for i := range n.streams {
		if c := n.streams[i].Load(); c != nil {
			c.fail(ErrClosed)
		}
	}
	n.wg.Wait()
	n.readmit()
	return nil
}

// spawn starts f on a goroutine that Close waits for; false means that the node is closed.
func (n *Node) spawn(f func()) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.wg.Go(f)
	return true
}
