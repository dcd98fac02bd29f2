package route

import (
	"context"

	"github.com/nohop/memcache/pool"
)

// Op is one request and what came of it.
type Op = pool.Op

// Route serves ops. When Do returns, each op is settled: it has a reply, or an error in Err. Do returns by the time that
// ctx ends, or its nodes' timeouts are over. *pool.Node is a Route.
//
// Ops of one batch that end at the same route travel together, so a Route must be comparable with ==; those of this
// package are pointers.
type Route interface {
	Do(ctx context.Context, ops []*Op)
}

// Selector is a route that hands each op to one of its children and does nothing else with it. Knowing that lets a batch
// go straight to the nodes.
type Selector interface {
	Route
	Select(op *Op) Route
}

// Placement says which routes hold an op's key. The result is shared and must not be changed.
type Placement interface {
	Replicas(op *Op) Replicas
}

// Replicas are the routes that hold a key.
type Replicas struct {
	All  []Route // home first; the home decides read-modify-writes
	Read int     // index in All of the one to read first
	Then []int32 // indexes in All of those to read after it, in order, and after them those beyond; nil: as All has them
}

// nth returns the route to read as number i: Read first, then the others.
func (r Replicas) nth(i int) Route { return r.All[r.index(i)] }

// index returns where in All that is.
func (r *Replicas) index(i int) int {
	switch {
	case i == 0:
		return r.Read
	case i <= len(r.Then):
		return int(r.Then[i-1])
	case i <= r.Read && r.Then == nil:
		return i - 1
	}
	return i
}

// fixed is the placement of every key on the same routes.
type fixed struct{ replicas Replicas }

// Fixed places every key on all of routes, of which there must be one at least; the first is the home and is read first.
func Fixed(routes ...Route) Placement { return &fixed{Replicas{All: routes}} }

func (f *fixed) Replicas(*Op) Replicas { return f.replicas }

// resolve follows selectors down to the route that does something with op.
func resolve(r Route, op *Op) Route {
	for {
		s, ok := r.(Selector)
		if !ok {
			return r
		}
		r = s.Select(op)
	}
}

// doEach has each op served by the route that pick chooses for it, all at once.
func doEach(ctx context.Context, ops []*Op, pick func(*Op) Route) {
	if len(ops) == 1 {
		resolve(pick(ops[0]), ops[0]).Do(ctx, ops)
		return
	}
	b := newBatch()
	defer b.free()
	for _, op := range ops {
		b.add(resolve(pick(op), op), op)
	}
	b.do(ctx)
}
