package route

import (
	"context"
	"slices"
	"sync"

	"github.com/nohop/memcache/pool"
	"golang.org/x/sync/errgroup"
)

// batch groups ops by the route that serves them, and has all routes work at once. Every fan-out of this package goes
// through it.
type batch struct {
	parts []part
	index map[Route]int // of parts
}

type part struct {
	route Route
	ops   []*Op
}

// maxTogether is up to how many ops a node is served by the caller's own goroutine, after the nodes before it. More may
// not fit on its connection at once, and then somebody must go on writing while another node is waited for.
const maxTogether = 256

// alone reports whether p needs a goroutine of its own.
func (p part) alone() bool {
	_, isNode := p.route.(*pool.Node)
	return !isNode || len(p.ops) > maxTogether
}

var batches = sync.Pool{New: func() any { return &batch{index: make(map[Route]int)} }}

func newBatch() *batch { return batches.Get().(*batch) }

// maxKeptParts bounds what a batch keeps for its next use.
const maxKeptParts = 64

func (b *batch) free() {
	b.reset()
	batches.Put(b)
}

// reset forgets everything but the memory.
func (b *batch) reset() {
	for i := range b.parts {
		clear(b.parts[i].ops)
		b.parts[i] = part{ops: b.parts[i].ops[:0]}
	}
	clear(b.index)
	if cap(b.parts) > maxKeptParts {
		b.parts = nil
	}
	b.parts = b.parts[:0]
}

// add has r serve op, and returns which part of b that is.
func (b *batch) add(r Route, op *Op) int {
	i, ok := b.find(r)
	if !ok {
		i = b.open(r)
	}
	b.parts[i].ops = append(b.parts[i].ops, op)
	return i
}

// fewParts is up to how many parts a scan beats the map.
const fewParts = 8

func (b *batch) find(r Route) (int, bool) {
	if len(b.parts) > fewParts {
		i, ok := b.index[r]
		return i, ok
	}
	for i := range b.parts {
		if b.parts[i].route == r {
			return i, true
		}
	}
	return 0, false
}

// open adds a part for r, in the memory of an earlier one if there is any.
func (b *batch) open(r Route) int {
	i := len(b.parts)
	if i < cap(b.parts) {
		b.parts = b.parts[:i+1]
	} else {
		b.parts = append(b.parts, part{})
	}
	b.parts[i].route = r
	if i == fewParts {
		for j := range b.parts {
			b.index[b.parts[j].route] = j
		}
	} else if i > fewParts {
		b.index[r] = i
	}
	return i
}

// do serves all parts at once and returns when every op is settled.
func (b *batch) do(ctx context.Context) {
	if len(b.parts) == 1 {
		b.parts[0].route.Do(ctx, b.parts[0].ops)
		return
	}
	if !slices.ContainsFunc(b.parts, part.alone) {
		b.doTogether(ctx)
		return
	}
	var others errgroup.Group
	for _, p := range b.parts {
		if p.alone() {
			others.Go(func() error {
				p.route.Do(ctx, p.ops)
				return nil
			})
		}
	}
	b.doTogether(ctx)
	_ = others.Wait() // always nil: errors are in the ops
}

// doTogether needs no goroutine: all nodes are begun, then all are written to, then each is waited for.
func (b *batch) doTogether(ctx context.Context) {
	b.eachNode(func(n *pool.Node, ops []*Op) { n.Begin(ctx, ops) })
	b.eachNode(func(n *pool.Node, ops []*Op) { n.Flush(ops) })
	b.eachNode(func(n *pool.Node, ops []*Op) { n.Wait(ctx, ops) })
}

func (b *batch) eachNode(f func(*pool.Node, []*Op)) {
	for _, p := range b.parts {
		if !p.alone() {
			f(p.route.(*pool.Node), p.ops)
		}
	}
}
