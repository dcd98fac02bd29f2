package route

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/pool"
)

// HedgeOptions say when a read is sent to a second replica, and how often.
type HedgeOptions struct {
	Delay time.Duration // how long the first replica has; 0: as long as 95 of 100 recent reads took
	Limit *RequestLimit // of second reads, a token each, those of a batch too; nil: 5 % of the reads, at most 10 at once
}

// ErrHedgeDelay means that the delay of hedged reads is negative.
var ErrHedgeDelay = errors.New("memcache: delay of hedged reads is negative")

// The default limit.
const (
	hedgedRate   = 0.05
	hedgedAtOnce = 10
)

// hedged reads a second replica where the first is slow.
type hedged struct {
	placement     Placement
	first, second Route // failover from the replica to read first, and from the next
	fixed         time.Duration
	slow          slowness
	limit         *RequestLimit
	background    *Background
	idle          sync.Pool // of *hedge; of this route, so that a test's bubble shares no timer with another
}

// Hedged reads as Failover does, and sends a plain read that has not been answered after a delay to the next replica too;
// the first reply wins, and if both ways fail the error is that of the first. Each read fills Limit, and where that has no
// token, there is no second read. The slower read is given up: its late reply is dropped, and what ends later than Do runs in b,
// on copies. All that is no plain read is served as Failover serves it.
//
// Reads of a batch are hedged by the node that they go to first. A read answered before the delay costs a timer and no
// goroutine; of a batch that ends at several nodes, each has one, for each has a delay of its own. That the second replica has
// won is noticed at once, or where the first read had moved on to another one by then, within 5 ms (pool.Node.Do).
//
// A negative delay is ErrHedgeDelay; without p or b the error is ErrNoPart.
//
// Source: J. Dean and L. A. Barroso, "The Tail at Scale", CACM 56(2), 2013.
func Hedged(p Placement, o HedgeOptions, b *Background) (Route, error) {
	if p == nil || b == nil {
		return nil, ErrNoPart
	}
	if o.Delay < 0 {
		return nil, ErrHedgeDelay
	}
	if o.Limit == nil {
		o.Limit = &RequestLimit{rate: hedgedRate, burst: hedgedAtOnce, tokens: hedgedAtOnce}
	}
	h := &hedged{placement: p, first: Failover(p), second: Failover(nextFirst{p}), fixed: o.Delay, limit: o.Limit, background: b}
	h.slow.delay.Store(int64(startDelay))
	h.idle.New = func() any { return h.newHedge() }
	return h, nil
}

// nextFirst is a placement whose second replica to be read is the first.
type nextFirst struct{ Placement }

func (n nextFirst) Replicas(op *Op) Replicas {
	r := n.Placement.Replicas(op)
	if len(r.All) > 1 {
		r.Read, r.Then = r.index(1), nil
	}
	return r
}

func (h *hedged) canHedge(op *Op) bool {
	return isPlainGet(op) && len(h.placement.Replicas(op).All) > 1
}

// asked returns the route that op goes to first.
func (h *hedged) asked(op *Op) Route { return resolve(h.placement.Replicas(op).nth(0), op) }

func (h *hedged) Do(ctx context.Context, ops []*Op) {
	if rest := without(ops, h.canHedge); len(rest) > 0 {
		h.first.Do(ctx, rest)
		ops = filter(ops, h.canHedge)
	}
	switch len(ops) {
	case 0:
	case 1:
		h.read(ctx, ops)
	default:
		doEach(ctx, ops, func(op *Op) Route { return hedgedPart{h, h.asked(op)} })
	}
}

// hedgedPart is the ops of a batch that go to one route first.
type hedgedPart struct {
	*hedged
	to Route
}

func (p hedgedPart) Do(ctx context.Context, ops []*Op) { p.read(ctx, ops) }

// read serves ops, which go to one route first.
func (h *hedged) read(ctx context.Context, ops []*Op) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h.limit.count(len(ops))
	second := h.idle.Get().(*hedge)
	second.arm(ctx, cancel, ops)
	h.first.Do(ctx, ops)
	if second.timer.Stop() {
		h.slow.note(false)
		second.rest()
		h.idle.Put(second)
		return
	}
	h.slow.note(true)
	second.settle(ops)
}

func (h *hedged) delay() time.Duration {
	if h.fixed > 0 {
		return h.fixed
	}
	return time.Duration(h.slow.delay.Load())
}

func (h *hedged) Explain(op *Op) Step {
	first := Explain(h.first, op)
	if !h.canHedge(op) {
		return first
	}
	next := Explain(h.placement.Replicas(op).nth(1), op)
	return Step{
		Route: "hedged",
		Why:   fmt.Sprintf("at most %g %% of the reads go to a second replica", 100*h.limit.rate),
		Next:  []Step{first, {Route: "if that takes longer than " + h.delay().String(), Next: []Step{next}}},
	}
}

// hedge is the second read of some ops, which begins when its timer fires. If that was stopped in time, it may be used
// again.
type hedge struct {
	route  *hedged
	timer  *time.Timer
	ctx    context.Context
	cancel context.CancelFunc // gives up what is slower
	block  []Op               // copies of the ops
	copies []*Op              // into block
	done   chan struct{}      // closed when copies are settled, or if they will not be sent
	sent   atomic.Bool        // written before done is closed
}

func (h *hedged) newHedge() *hedge {
	s := &hedge{route: h, done: make(chan struct{})}
	s.timer = time.AfterFunc(time.Hour, s.fire)
	s.timer.Stop()
	return s
}

// arm starts the timer. The copies are made now: a route below may change ops while it serves them.
func (s *hedge) arm(ctx context.Context, cancel context.CancelFunc, ops []*Op) {
	s.ctx, s.cancel = ctx, cancel
	if cap(s.block) < len(ops) {
		s.block, s.copies = make([]Op, len(ops)), make([]*Op, len(ops))
	}
	s.block, s.copies = s.block[:len(ops)], s.copies[:len(ops)]
	for i, op := range ops {
		c := &s.block[i]
		c.Request, c.Hash = op.Request, op.Hash
		s.copies[i] = c
	}
	s.timer.Reset(s.route.delay())
}

// rest forgets the ops.
func (s *hedge) rest() {
	clear(s.block)
	s.ctx, s.cancel = nil, nil
	if len(s.block) > maxTogether {
		s.block, s.copies = nil, nil
	}
}

// fire runs when the delay is over. It must not wait.
func (s *hedge) fire() {
	if !s.route.limit.takeAll(len(s.copies)) || !s.route.background.goIfRoom(s.run) {
		close(s.done)
	}
}

// run reads, and gives up the first read if there is nothing left that it could do better.
func (s *hedge) run() {
	defer close(s.done)
	s.route.second.Do(s.ctx, s.copies)
	s.sent.Store(true)
	for _, c := range s.copies {
		if c.Err != nil {
			return
		}
	}
	s.cancel()
	s.route.lookNow(s.copies[0])
}

// lookNow has a caller that reads from a connection of the node that op goes to first notice that it was given up.
func (h *hedged) lookNow(op *Op) {
	if n, isNode := h.asked(op).(*pool.Node); isNode {
		n.LookNow()
	}
}

// settle gives ops that the first read has not served what the second came to, if that is better.
func (s *hedge) settle(ops []*Op) {
	answered := true
	for _, op := range ops {
		answered = answered && (op.Err == nil || FailureOf(op.Err)&(FailNode|FailContext) == 0)
	}
	if answered {
		return
	}
	<-s.done
	if !s.sent.Load() {
		return
	}
	for i, op := range ops {
		if c := s.copies[i]; op.Err != nil && c.Err == nil {
			op.Settle(c, nil)
		}
	}
}
