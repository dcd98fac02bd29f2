package route

import (
	"context"
	"slices"
	"sync"

	"github.com/nohop/memcache/pool"
)

// race is ops under way at all replicas of their keys, of which the caller waits for no more than it must. The rest ends
// in the background, so nothing in it is the caller's.
//
// The nodes are written to by the caller; then each route has a goroutine. One for all would not do: it would wait at the
// first node while the second has answered.
type race struct {
	ops     []*Op // the caller's; only the caller touches them
	judge   func(op *Op, replies []*Op) bool
	copies  []Op  // of all ops, those of one together, home first; each is its route's until that has arrived
	ends    []int // of each op's copies
	parts   []part
	members [][]int  // of each part: which of copies
	arrived chan int // parts; there is room for all

	// The caller's own.
	replies   []*Op // the copies that are in; nil for the others
	owner     []int // of copies: which op
	decided   []bool
	undecided int
}

// doRace sends each of ops to all its replicas. Whenever one of an op's replies is in, judge gets all of them, nil for those
// that are not, home first; it settles op and returns true, or returns false to wait for more, unless all are in. doRace
// returns when all ops are decided. What is still under way then ends in b. If b has no room, it is waited for too.
func doRace(ctx context.Context, ops []*Op, p Placement, b *Background, judge func(op *Op, replies []*Op) bool) {
	if len(ops) == 0 {
		return
	}
	r := newRace(ops, p, judge)
	r.begin(ctx)
	if !b.goIfRoom(func() { r.run(context.WithoutCancel(ctx)) }) {
		r.run(ctx)
	}
	r.await(ctx)
}

func newRace(ops []*Op, p Placement, judge func(*Op, []*Op) bool) *race {
	r := &race{ops: slices.Clone(ops), judge: judge, decided: make([]bool, len(ops)), undecided: len(ops)}
	total := 0
	all := make([][]Route, len(ops)) // a second look might find others
	for i, op := range ops {
		all[i] = p.Replicas(op).All
		total += len(all[i])
		r.ends = append(r.ends, total)
	}
	r.copies, r.replies, r.owner = make([]Op, total), make([]*Op, total), make([]int, total)
	b := &batch{index: make(map[Route]int)} // not of the pool: it outlives the caller
	for i, op := range ops {
		r.enter(b, i, op, all[i])
	}
	r.parts, r.arrived = b.parts, make(chan int, len(b.parts))
	return r
}

// enter adds a copy of op, the i-th, for each of replicas. The copies share a value of their own.
func (r *race) enter(b *batch, i int, op *Op, replicas []Route) {
	value := slices.Clone(op.Request.Value)
	for j, route := range replicas {
		k := r.ends[i] - len(replicas) + j
		c := &r.copies[k]
		c.Request, c.Hash, c.Token, c.ForUpdate = op.Request, op.Hash, op.Token, op.ForUpdate
		c.Request.Value = value
		r.owner[k] = i
		part := b.add(resolve(route, c), c)
		if part == len(r.members) {
			r.members = append(r.members, nil)
		}
		r.members[part] = append(r.members[part], k)
	}
}

// begin has all nodes work before the first goroutine runs.
func (r *race) begin(ctx context.Context) {
	r.eachNode(func(n *pool.Node, ops []*Op) { n.Begin(ctx, ops) })
	r.eachNode(func(n *pool.Node, ops []*Op) { n.Flush(ops) })
}

func (r *race) eachNode(f func(*pool.Node, []*Op)) {
	for _, p := range r.parts {
		if !p.alone() {
			f(p.route.(*pool.Node), p.ops)
		}
	}
}

// run returns when all parts have arrived.
func (r *race) run(ctx context.Context) {
	var others sync.WaitGroup
	for i := range r.parts[1:] {
		others.Go(func() { r.serve(ctx, i+1) })
	}
	r.serve(ctx, 0)
	others.Wait()
	r.noteMissed()
}

func (r *race) serve(ctx context.Context, i int) {
	if p := r.parts[i]; p.alone() {
		p.route.Do(ctx, p.ops)
	} else {
		p.route.(*pool.Node).Wait(ctx, p.ops)
	}
	r.arrived <- i
}

// noteMissed tells the nodes that have missed a write of which the caller may long have been told that it is done.
func (r *race) noteMissed() {
	start := 0
	for _, end := range r.ends {
		replies := make([]*Op, 0, end-start)
		for k := start; k < end; k++ {
			replies = append(replies, &r.copies[k])
		}
		noteIfPartial(replies)
		start = end
	}
}

// noteIfPartial tells the nodes that have missed a write which others have done.
func noteIfPartial(replies []*Op) {
	if isRead(replies[0].Request.Command) {
		return
	}
	if failed := failures(replies); len(failed) > 0 && len(failed) < len(replies) {
		noteMissed(replies)
	}
}

// await takes parts as they arrive, until all ops are decided.
func (r *race) await(ctx context.Context) {
	for r.undecided > 0 {
		select {
		case i := <-r.arrived:
			r.arrive(i)
		case <-ctx.Done():
			r.giveUp(ctx.Err())
		}
	}
}

func (r *race) arrive(part int) {
	for _, k := range r.members[part] {
		r.replies[k] = &r.copies[k]
		r.decide(r.owner[k])
	}
}

func (r *race) decide(i int) {
	if r.decided[i] || !r.judge(r.ops[i], r.repliesOf(i)) {
		return
	}
	r.decided[i] = true
	r.undecided--
}

func (r *race) repliesOf(i int) []*Op {
	start := 0
	if i > 0 {
		start = r.ends[i-1]
	}
	return r.replies[start:r.ends[i]]
}

// giveUp decides what is left: what is not in by now has failed with err.
func (r *race) giveUp(err error) {
	for len(r.arrived) > 0 {
		r.arrive(<-r.arrived)
	}
	for part, ks := range r.members {
		for _, k := range ks {
			if r.replies[k] == nil {
				r.replies[k] = notIn(r.ops[r.owner[k]], r.parts[part].route, err)
			}
		}
	}
	for i := range r.ops {
		r.decide(i)
	}
}

// notIn returns what stands for the reply of a route that was asked and not waited for.
func notIn(op *Op, route Route, err error) *Op {
	failed := &pool.Error{Command: op.Request.Command, Outcome: pool.Ambiguous, Err: err}
	if n, ok := route.(*pool.Node); ok {
		failed.Node = n.Name()
	}
	return &Op{Err: failed}
}
