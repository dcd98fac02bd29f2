package route

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/internal/mechanism"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// Verifier looks, after a Set was stored at several replicas, whether it still stands at all of them or at none, and
// removes it if it stands at some while others hold another value. What it closes: two processes that set the same key at
// once may reach the replicas in different orders, and the replicas then differ until the TTL ends (more than half of the
// rounds of two such writers, measured).
//
// Why this is enough. Let a and b be sets by two writers, and let replica X end with b and replica Y with a; the order at X
// was a, b and at Y it was b, a. Each writer looks after all of its own have been acknowledged. When a's looks at Y it finds
// a, so it removes a there unless it has looked at X before b came. In that case all of b was acknowledged later than that,
// and b's writer looks later than a came to Y: it finds b at X and a at Y, and removes b. A replica that has nothing counts
// neither way, since a miss disagrees with nobody; one where the Set was a delete, because it is joining for its writer, is
// looked at like the others, and so the same holds if it is joining for one writer and not for the other.
//
// A copy is the own one if it has the CAS that the Set has returned, on the same connection. What cannot be looked at, or
// may or may not have been stored, is deleted by the node's journal (pool.Node.Missed).
//
// It runs off the caller's path: what Sets have left for it within Delay is looked at together, by one goroutine that
// lives while there is work. Safe for concurrent use.
type Verifier struct {
	delay time.Duration
	limit int

	mu      sync.Mutex
	queue   pushes
	running bool
	closed  bool
	closing chan struct{} // closed with closed
	worker  sync.WaitGroup

	count struct{ verified, splits, removed, unknown, skipped, inCaller atomic.Uint64 }
}

// VerifierStats are numbers of a Verifier, counted from its start.
type VerifierStats struct {
	Verified uint64 // Sets that were looked at
	Splits   uint64 // of which the replicas had come to differ
	Removed  uint64 // copies that were removed for it
	Unknown  uint64 // copies that could not be looked at: they are deleted
	Skipped  uint64 // Sets with copies that could not be told from others: nodes before 1.6.13, with classic text or -C. They may differ
	InCaller uint64 // of Verified, those whose callers had to wait for it, because the queue was full or closed
	Queued   int    // Sets that wait now
}

const (
	DefaultVerifyDelay = 50 * time.Millisecond // of NewVerifier
	verifyLimit        = 1 << 14               // Sets that wait; more are looked at by their callers
	verifyBatch        = 256                   // Sets that are looked at together; more would need goroutines (maxTogether)
)

// NewVerifier returns a Verifier that lets Sets wait for delay, so that many are looked at together; DefaultVerifyDelay if
// it is not positive. It ends with Close.
func NewVerifier(delay time.Duration) *Verifier {
	if delay <= 0 {
		delay = DefaultVerifyDelay
	}
	return &Verifier{delay: delay, limit: verifyLimit, closing: make(chan struct{})}
}

// pushes are Sets to be looked at, with their copies one after the other.
type pushes struct {
	sets   []push
	copies []stored
}

// push is one Set.
type push struct {
	key    string
	binary protocol.MetaFlags
	hash   uint64
	copies int
}

// stored is one copy of a Set.
type stored struct {
	route   Route
	node    *pool.Node
	token   pool.Token
	cas     uint64
	cleared bool // the replica is joining: nothing was stored
}

func (p *pushes) reset() {
	clear(p.sets)
	clear(p.copies)
	p.sets, p.copies = p.sets[:0], p.copies[:0]
}

// add takes op, which was done as copies, if there is something to look at: an own copy that tells its CAS and another
// one.
func (p *pushes) add(op *Op, replicas []Route, copies []*Op) bool {
	start, own := len(p.copies), 0
	for i, c := range copies {
		at := whoHas(c, replicas, i)
		if c.Err != nil || isUntold(c) || at == nil {
			continue
		}
		if !c.Cleared {
			own++
		}
		p.copies = append(p.copies, stored{at, c.Node, c.Token, c.Reply.CAS, c.Cleared})
	}
	if found := len(p.copies) - start; found >= 2 && own >= 1 {
		p.sets = append(p.sets, push{op.Request.Key, op.Request.Meta & protocol.BinaryKey, op.Hash, found})
		return true
	}
	p.copies = p.copies[:start]
	return false
}

// whoHas returns the route to a copy, nil if there is none to look at: the node that has it, if that is known, for who the
// replicas are may have changed.
func whoHas(c *Op, replicas []Route, i int) Route {
	if c.Node != nil {
		return c.Node
	}
	if i >= len(replicas) {
		return nil
	}
	switch at := resolve(replicas[i], c).(type) {
	case *former, *empty:
		return nil
	default:
		return at
	}
}

// isUntold reports whether a copy was stored without telling its CAS.
func isUntold(c *Op) bool { return c.Err == nil && c.Reply.CAS == 0 && !c.Cleared }

// take moves up to n Sets from the front of p to batch.
func (p *pushes) take(batch *pushes, n int) {
	n = min(n, len(p.sets))
	copies := 0
	for _, s := range p.sets[:n] {
		copies += s.copies
	}
	batch.sets = append(batch.sets, p.sets[:n]...)
	batch.copies = append(batch.copies, p.copies[:copies]...)
	p.sets, p.copies = p.sets[n:], p.copies[copies:]
}

// verifies reports whether op is what a Verifier looks at.
func verifies(op *Op) bool {
	return mechanism.Verification && op.Request.Command == protocol.Set && !op.Request.Has(protocol.Compare)
}

// offer takes op, which was done as copies at replicas.
func (v *Verifier) offer(op *Op, replicas []Route, copies []*Op) {
	acked := 0
	for _, c := range copies {
		if c.Err == nil {
			acked++
		}
	}
	if acked == 0 {
		return
	}
	deleteUnsure(copies)
	if acked < 2 {
		return
	}
	if slices.ContainsFunc(copies, isUntold) {
		v.count.skipped.Add(1)
	}
	v.mu.Lock()
	if !v.closed && len(v.queue.sets) < v.limit {
		v.enqueueLocked(op, replicas, copies)
		v.mu.Unlock()
		return
	}
	v.mu.Unlock()
	v.verifyNow(op, replicas, copies)
}

// deleteUnsure has the journals delete what may or may not have been stored: if it was, no CAS is known by which it could
// be told from others.
func deleteUnsure(copies []*Op) {
	for _, c := range copies {
		if failed, ok := c.Err.(*pool.Error); ok && failed.Outcome == pool.Ambiguous && c.Node != nil {
			c.Node.Missed(&c.Request, c.Hash)
		}
	}
}

func (v *Verifier) enqueueLocked(op *Op, replicas []Route, copies []*Op) {
	if v.queue.add(op, replicas, copies) && !v.running {
		v.running = true
		v.worker.Go(v.run)
	}
}

// verifyNow is the back-pressure of a queue that is full: the caller does it.
func (v *Verifier) verifyNow(op *Op, replicas []Route, copies []*Op) {
	var one pushes
	if one.add(op, replicas, copies) {
		v.count.inCaller.Add(1)
		v.verify(&one)
	}
}

// run looks at what is queued until nothing is left.
func (v *Verifier) run() {
	var taken, batch pushes
	timer := time.NewTimer(v.delay)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-v.closing:
		}
		if !v.swap(&taken) {
			return
		}
		for rest := taken; len(rest.sets) > 0; {
			batch.reset()
			rest.take(&batch, verifyBatch)
			v.verify(&batch)
		}
		timer.Reset(v.delay)
	}
}

// swap exchanges the queue for taken, which was worked off; false if the queue is empty: then the goroutine must end.
func (v *Verifier) swap(taken *pushes) bool {
	taken.reset()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.queue, *taken = *taken, v.queue
	v.running = len(taken.sets) > 0
	return v.running
}

// verify looks at the copies of all sets at once, and then removes what must go. The nodes' timeouts bound it.
func (v *Verifier) verify(p *pushes) {
	w := newWrite()
	defer w.free()
	i := 0
	for _, s := range p.sets {
		for range s.copies {
			look := w.next()
			look.Request = protocol.Request{
				Command: protocol.Get, Key: s.key, Meta: s.binary | protocol.ReturnCAS | protocol.NoBump,
			}
			look.Hash, look.Inspect = s.hash, true
			w.batch.add(p.copies[i].route, look)
			i++
		}
	}
	w.do(context.Background())
	v.judgeAll(p, w.copies[:w.used])
}

// judgeAll compares what was stored with what was found.
func (v *Verifier) judgeAll(p *pushes, found []*Op) {
	removal := newWrite()
	defer removal.free()
	i := 0
	for _, s := range p.sets {
		v.judge(removal, s, p.copies[i:i+s.copies], found[i:i+s.copies])
		i += s.copies
	}
	v.count.verified.Add(uint64(len(p.sets)))
	removal.do(context.Background())
	for _, r := range removal.copies[:removal.used] {
		switch {
		case r.Err != nil:
			v.giveToJournal(r.Node, r.Request, r.Hash)
		case r.Reply.Status == protocol.OK:
			v.count.removed.Add(1)
		}
	}
}

// giveToJournal has a node delete a key as soon as it can.
func (v *Verifier) giveToJournal(n *pool.Node, r protocol.Request, hash uint64) {
	v.count.unknown.Add(1)
	if n != nil {
		n.Missed(&protocol.Request{Command: protocol.Delete, Key: r.Key, Meta: r.Meta & protocol.BinaryKey}, hash)
	}
}

// finding is what a replica holds, as the writer sees it.
type finding uint8

const (
	absent finding = iota
	mine
	foreign
	unknown
)

func (s *stored) compare(found *Op) finding {
	switch {
	case found.Err != nil || found.Reply.Has(protocol.Won): // looking at a stale item takes the right to recache it
		return unknown
	case found.Reply.Status != protocol.OK:
		return absent
	case s.cleared || found.Reply.CAS != s.cas:
		return foreign
	case found.Token != s.token: // the node may have restarted, and counted up to the same number
		return unknown
	}
	return mine
}

// judge queues the removals for one set.
func (v *Verifier) judge(removal *write, s push, copies []stored, found []*Op) {
	var of [unknown + 1]int
	for i := range copies {
		of[copies[i].compare(found[i])]++
	}
	split := of[mine] > 0 && of[foreign] > 0
	if split {
		v.count.splits.Add(1)
	}
	for i := range copies {
		switch c := &copies[i]; c.compare(found[i]) {
		case mine:
			if split {
				removal.remove(c, s)
			}
		case unknown:
			v.giveToJournal(c.node, found[i].Request, s.hash)
		}
	}
}

// remove queues the delete of a copy, if it is still the own one.
func (w *write) remove(c *stored, s push) {
	op := w.next()
	op.Request = protocol.Request{Command: protocol.Delete, Key: s.key, Meta: s.binary | protocol.Compare, CAS: c.cas}
	op.Hash = s.hash // without the token: on a new connection the worst is that another value goes, and that is a miss
	w.batch.add(c.route, op)
}

// Stats returns a snapshot.
func (v *Verifier) Stats() VerifierStats {
	c := &v.count
	s := VerifierStats{
		Verified: c.verified.Load(), Splits: c.splits.Load(), Removed: c.removed.Load(), Unknown: c.unknown.Load(),
		Skipped: c.skipped.Load(), InCaller: c.inCaller.Load(),
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s.Queued = len(v.queue.sets)
	return s
}

// Close looks at what is queued without waiting for more and returns when that is done: within some timeouts of the nodes,
// which should be closed after it. Sets that come later are looked at by their callers. Closing twice is allowed.
func (v *Verifier) Close() {
	v.mu.Lock()
	if !v.closed {
		v.closed = true
		close(v.closing)
	}
	v.mu.Unlock()
	v.worker.Wait()
}
