package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// OutstandingOptions say how many ops may be under way, and who shares the waiting.
type OutstandingOptions struct {
	Max    int                              // ops; at least 1
	Caller func(ctx context.Context) string // who asks, such as a tenant; nil or "": nobody in particular
}

// ErrOutstanding means that not a single op may be under way.
var ErrOutstanding = errors.New("memcache: limit of ops under way is not positive")

// outstandingLimit bounds what its child has to do at once.
type outstandingLimit struct {
	child   Route
	options OutstandingOptions

	mu    sync.Mutex // guards what follows
	free  int
	turns []*queue // of callers that wait, next first
}

// queue is what one caller waits for, in its order.
type queue struct {
	caller  string
	waiting []*turn
}

// turn is the right to have a number of ops under way.
type turn struct {
	ops   int
	begun chan struct{}
}

// OutstandingLimit sends ops to child, at most Max at a time; more wait until some of those have been answered. Nothing
// is rejected: only an op whose context ends while it waits fails, with the context's error, and was not sent then.
//
// Waiting is fair between callers: they have turns, one of each caller and then the next one's, so one that asks for much
// waits behind itself. mcrouter tells callers apart by their connections; in a process there are none, so Caller has to, and
// if it is nil or returns "" each call of Do counts as a caller. That is first come, first served, but a batch
// larger than Max has a turn for each part and waits at the end again. Errors are ErrOutstanding and, without child, ErrNoPart.
func OutstandingLimit(child Route, o OutstandingOptions) (Route, error) {
	switch {
	case child == nil:
		return nil, ErrNoPart
	case o.Max < 1:
		return nil, ErrOutstanding
	case o.Caller == nil:
		o.Caller = func(context.Context) string { return "" }
	}
	return &outstandingLimit{child: child, options: o, free: o.Max}, nil
}

func (l *outstandingLimit) Do(ctx context.Context, ops []*Op) {
	for part := range slices.Chunk(ops, l.options.Max) {
		if err := l.wait(ctx, len(part)); err != nil {
			for _, op := range part {
				refuse(op, err)
			}
			continue
		}
		l.serve(ctx, part)
	}
}

func (l *outstandingLimit) serve(ctx context.Context, ops []*Op) {
	defer l.give(len(ops)) // also if a route of the caller's panics
	doEach(ctx, ops, func(*Op) Route { return l.child })
}

// wait returns when ops more may be under way, or the context's error.
func (l *outstandingLimit) wait(ctx context.Context, ops int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := l.enter(l.options.Caller(ctx), ops)
	if t == nil {
		return nil
	}
	select {
	case <-t.begun:
		return nil
	case <-ctx.Done():
		l.leave(t)
		return ctx.Err()
	}
}

// enter takes ops, or returns the turn to wait for.
func (l *outstandingLimit) enter(caller string, ops int) *turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.turns) == 0 && ops <= l.free {
		l.free -= ops
		return nil
	}
	t := &turn{ops, make(chan struct{})}
	i := slices.IndexFunc(l.turns, func(q *queue) bool { return caller != "" && q.caller == caller })
	if i < 0 {
		i = len(l.turns)
		l.turns = append(l.turns, &queue{caller: caller})
	}
	l.turns[i].waiting = append(l.turns[i].waiting, t)
	return t
}

// leave takes t out, or gives it back if it has begun meanwhile.
func (l *outstandingLimit) leave(t *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, q := range l.turns {
		if at := slices.Index(q.waiting, t); at >= 0 {
			q.waiting = slices.Delete(q.waiting, at, at+1)
			if len(q.waiting) == 0 {
				l.turns = slices.Delete(l.turns, i, i+1)
			}
			l.nextLocked()
			return
		}
	}
	l.free += t.ops
	l.nextLocked()
}

func (l *outstandingLimit) give(ops int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free += ops
	l.nextLocked()
}

// nextLocked begins turns, in their order, while there is room for the next.
func (l *outstandingLimit) nextLocked() {
	for len(l.turns) > 0 {
		q := l.turns[0]
		t := q.waiting[0]
		if t.ops > l.free {
			return
		}
		l.free -= t.ops
		close(t.begun)
		l.turns, q.waiting = l.turns[1:], q.waiting[1:]
		if len(q.waiting) > 0 {
			l.turns = append(l.turns, q)
		}
	}
}

func (l *outstandingLimit) Explain(op *Op) Step {
	return Step{Route: "outstanding limit", Why: fmt.Sprintf("at most %d at once", l.options.Max), Next: []Step{Explain(l.child, op)}}
}
