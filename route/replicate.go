package route

import (
	"context"
	"slices"
	"sync"

	"github.com/nohop/memcache/protocol"
)

// allSync sends to every replica of a key.
type allSync struct {
	placement Placement
	home      Route // of what only it can decide
	verifier  *Verifier
}

// AllSync sends each op to every replica of its key at once, waits for all, and combines their replies as combine.go says.
// If one of several replicas fails a write, the error is a *WriteError that tells what became of each. What depends on the
// item that is there is never sent to all: AtHome serves it.
func AllSync(p Placement) Route { return Verified(p, nil) }

// Verified is AllSync whose whole Sets v looks at afterwards, so that replicas that several processes set at once do not
// stay different. With a nil v it is AllSync. It goes below Available, which takes from its errors.
func Verified(p Placement, v *Verifier) Route { return &allSync{p, AtHome(p), v} }

func (a *allSync) Do(ctx context.Context, ops []*Op) {
	if slices.ContainsFunc(ops, needsHome) {
		a.home.Do(ctx, filter(ops, needsHome))
		ops = without(ops, needsHome)
	}
	if len(ops) == 1 {
		if r := a.placement.Replicas(ops[0]).All; len(r) == 1 {
			resolve(r[0], ops[0]).Do(ctx, ops)
			return
		}
	}
	w := newWrite()
	defer w.free()
	for _, op := range ops {
		w.add(op, a.placement.Replicas(op).All, &op.Request)
	}
	a.do(ctx, w)
	w.combine()
}

// do sends w and leaves its whole Sets for the verifier, if there is one.
func (a *allSync) do(ctx context.Context, w *write) {
	if a.verifier == nil {
		w.do(ctx)
		return
	}
	for _, c := range w.copies[:w.used] {
		c.WantCAS = verifies(c)
	}
	w.do(ctx)
	w.each(func(op *Op, copies []*Op) {
		if verifies(op) && len(copies) > 1 {
			a.verifier.offer(op, a.placement.Replicas(op).All, copies)
		}
	})
}

func (a *allSync) Explain(op *Op) Step {
	if needsHome(op) {
		return Explain(a.home, op)
	}
	return Step{Route: "all-sync", Why: Why(a.placement, op), Next: explainAll(a.placement.Replicas(op).All, op)}
}

// write is one op for each replica of each op of a batch, under way together.
type write struct {
	copies []*Op // kept for the next use beyond used
	used   int
	ops    []*Op
	ends   []int // of each op's copies
	batch  *batch
}

var writes = sync.Pool{New: func() any { return new(write) }}

func newWrite() *write {
	w := writes.Get().(*write)
	w.batch = newBatch()
	return w
}

// maxKeptCopies bounds the ops that a write keeps for its next use.
const maxKeptCopies = 256

func (w *write) free() {
	for _, c := range w.copies[:w.used] {
		*c = Op{}
	}
	w.batch.free()
	clear(w.ops)
	if len(w.copies) > maxKeptCopies {
		w.copies = nil
	}
	*w = write{copies: w.copies, ops: w.ops[:0], ends: w.ends[:0]}
	writes.Put(w)
}

// add queues what op asks of its replicas: request, for each of them. It counts for the heat of the key once. Nobody has no say:
// with an acknowledgement of his, a write that no node has taken would be a partial one.
func (w *write) add(op *Op, replicas []Route, request *protocol.Request) {
	w.ops = append(w.ops, op)
	for i, r := range replicas {
		if r == nobody {
			w.next().Err = errNobody
			continue
		}
		w.send(op, r, request, op.Hash).Uncounted = op.Uncounted || i > 0
	}
	w.ends = append(w.ends, w.used)
}

// addKeys queues what op asks of r: request, for each of keys.
func (w *write) addKeys(op *Op, r Route, request *protocol.Request, keys []string) {
	w.ops = append(w.ops, op)
	for _, key := range keys {
		keyed := *request
		keyed.Key = key
		w.send(op, r, &keyed, HashKey(key)).Uncounted = op.Uncounted
	}
	w.ends = append(w.ends, w.used)
}

func (w *write) send(op *Op, r Route, request *protocol.Request, hash uint64) *Op {
	sub := w.next()
	sub.Request, sub.Hash, sub.Token, sub.ForUpdate = *request, hash, op.Token, op.ForUpdate
	w.batch.add(resolve(r, sub), sub)
	return sub
}

func (w *write) next() *Op {
	if w.used == len(w.copies) {
		w.copies = append(w.copies, new(Op))
	}
	w.used++
	return w.copies[w.used-1]
}

func (w *write) do(ctx context.Context) { w.batch.do(ctx) }

// each calls f with each op and its copies.
func (w *write) each(f func(op *Op, copies []*Op)) {
	start := 0
	for i, op := range w.ops {
		f(op, w.copies[start:w.ends[i]])
		start = w.ends[i]
	}
}

func (w *write) combine() { w.each(combine) }
