package hotcopy

import (
	"context"
	"strings"
	"sync"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// batch serves some ops in rounds. In each, every job that is not done has one op under way.
type batch struct {
	route   *Route
	table   *hotkey.Table
	jobs    []job
	flushes bool        // an op flushes the nodes
	down    []*route.Op // of a round: for the tree
	copies  []*job      // of a round: that ask nodes for copies
	own     []*route.Op // of copies
}

// job is one op of a caller's and how far it is.
type job struct {
	op   *route.Op
	step step
	rule *hotkey.Rule
	e    *entry // nil: the op is handed on and that is all

	// Of reads.
	held   *held
	writes int64      // of e, before anything was sent
	asked  int64      // Copies.now before anything was sent; 0 where the rule is strict
	own    route.Op   // what is asked on the op's behalf
	found  held       // the version that the home has named, now or lately enough, without a value
	told   *pool.Node // who has named it in answer to this job; nil: nobody was asked
	at     *member    // the node to read from, the home or another; its account is charged with size
	size   int
	sent   int64 // Copies.now, when the copy was asked for
	waited bool

	// Of writes.
	effect  effect
	began   int64
	wantCAS bool // of the op, as it came
}

// step is what a job has under way.
type step uint8

const (
	done    step = iota
	handing      // the op itself goes down the tree
	reading      // the same; what it brings may be kept
	writing      // the same; it may change the item
	asking       // the home is asked for the CAS
	copying      // a node is asked for its copy
	filling      // the home is read, since this process is to make the copy
)

var batches = sync.Pool{New: func() any { return new(batch) }}

// maxKeptJobs bounds the memory of a batch that is kept for use again.
const maxKeptJobs = 64

func (b *batch) free() {
	clear(b.jobs)
	clear(b.down[:cap(b.down)])
	clear(b.copies[:cap(b.copies)])
	clear(b.own[:cap(b.own)])
	*b = batch{jobs: b.jobs[:0], down: b.down[:0], copies: b.copies[:0], own: b.own[:0]}
	if cap(b.jobs) <= maxKeptJobs {
		batches.Put(b)
	}
}

// reserve makes room for n jobs: they must not move, for their ops are pointed to.
func (b *batch) reserve(n int) {
	if cap(b.jobs) < n {
		b.jobs = make([]job, 0, n)
	}
}

// add begins with an op.
func (b *batch) add(op *route.Op) {
	q := &op.Request
	switch {
	case !q.Command.IsKeyed():
		b.flushes = b.flushes || q.Command == protocol.FlushAll
		b.hand(op)
		return
	case pool.IsReserved(q.Key):
		refuse(op, ErrReservedKey)
		return
	}
	rule := b.table.Lookup(op.Hash, q.Key)
	switch {
	case rule != nil && rule.Action.Kind == hotkey.Deny:
		b.route.copies.count.denied.Add(1)
		refuse(op, ErrDenied)
	case !makesCopies(rule) || op.Inspect:
		b.hand(op)
	case isAnswerable(op):
		b.read(op, rule)
	case q.Command == protocol.Get:
		b.readAtHome(op, rule)
	case q.Command.Mutates():
		b.write(op, rule)
	default:
		b.hand(op)
	}
}

// job returns a new job for op; it is zero otherwise, as free has left it. There is room, or it would move.
func (b *batch) job(op *route.Op, s step) *job {
	b.jobs = b.jobs[:len(b.jobs)+1]
	j := &b.jobs[len(b.jobs)-1]
	j.op, j.step = op, s
	return j
}

// hand has the tree serve op, and that is all.
func (b *batch) hand(op *route.Op) { b.job(op, handing) }

// entry returns the entry of op's key; nil if there is none and none can be made.
func (b *batch) entry(op *route.Op) *entry {
	c := b.route.copies
	if e := c.shelf.find(op.Hash, op.Request.Key); e != nil {
		e.use()
		return e
	}
	return c.shelf.add(op.Hash, strings.Clone(op.Request.Key), c.now(), func() bool { return c.table.Load() == b.table })
}

// send sends a round and waits for it. False means that nothing is left to send.
func (b *batch) send(ctx context.Context) bool {
	b.down, b.copies = b.down[:0], b.copies[:0]
	for i := range b.jobs {
		j := &b.jobs[i]
		switch j.step {
		case handing, reading, writing:
			b.down = append(b.down, j.op)
		case asking, filling:
			b.down = append(b.down, &j.own)
		case copying:
			b.copies = append(b.copies, j)
		}
	}
	switch {
	case len(b.copies) == 0 && len(b.down) == 0:
		return false
	case len(b.copies) == 0:
		b.route.next.Do(ctx, b.down)
	case len(b.down) == 0:
		b.askForCopies(ctx)
	default:
		var tree sync.WaitGroup
		tree.Go(func() { b.route.next.Do(ctx, b.down) })
		b.askForCopies(ctx)
		tree.Wait()
	}
	return true
}

// askForCopies asks all nodes at once.
func (b *batch) askForCopies(ctx context.Context) {
	if len(b.copies) == 1 {
		j := b.copies[0]
		b.own = append(b.own[:0], &j.own)
		j.at.node.Do(ctx, b.own)
		return
	}
	byNode := make(map[*member][]*route.Op)
	for _, j := range b.copies {
		byNode[j.at] = append(byNode[j.at], &j.own)
	}
	var nodes sync.WaitGroup
	for m, ops := range byNode {
		nodes.Go(func() { m.node.Do(ctx, ops) })
	}
	nodes.Wait()
}

// judge takes each job that was sent one step further.
func (b *batch) judge(ctx context.Context) {
	for i := range b.jobs {
		j := &b.jobs[i]
		j.op.Failovers += j.own.Failovers
		j.own.Failovers = 0
		switch j.step {
		case done:
			continue
		case handing:
			j.step = done
		case reading:
			j.step = b.route.haveRead(j)
		case writing:
			j.step = b.route.haveWritten(j)
		case asking:
			j.step = b.route.haveAsked(j)
		case copying:
			j.step = b.route.haveCopied(ctx, j, len(b.jobs))
		case filling:
			j.step = b.route.haveFilled(j)
		}
		if j.step == done {
			j.leave()
		}
	}
}

// enter charges the account of the node that j reads from.
func (j *job) enter(m *member, size int) {
	j.leave()
	j.at, j.size = m, size
	m.ahead.Add(int64(size))
}

func (j *job) leave() {
	if j.at != nil {
		j.at.ahead.Add(-int64(j.size))
		j.at = nil
	}
}
