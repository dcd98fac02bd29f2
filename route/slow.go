package route

import (
	"context"

	"github.com/nohop/memcache/pool"
)

// SlowLast is Failover, but of the replicas of a key those that are slow compared with the other nodes of set come last
// (pool.NodeSet). What only the home can decide is asked there all the same, and so is a miss at another replica than the
// home. Writes take no notice. With a nil set it is Failover.
func SlowLast(p Placement, set *pool.NodeSet) Route { return &failover{placement: p, set: set} }

// reading is the order in which replicas are read. Which are slow is looked at once for all tries: were the order to change
// in between, one replica might be asked twice and another one never.
type reading struct {
	placement Placement
	slow      *pool.SlowNodes // nearly always nil
}

// nth returns the route that op is read from in that try.
func (o reading) nth(op *Op, try int) Route {
	r := o.placement.Replicas(op)
	return o.nthOf(&r, op, try)
}

// nthOf is nth of replicas that are known already.
func (o reading) nthOf(r *Replicas, op *Op, try int) Route { return r.All[r.slowLast(op, o.slow, try)] }

// askFirst asks each op's first replica, and returns which try that was: of an op alone, replicas that refuse it at once are
// passed. While a node is away, what its refusals take is most of what a read elsewhere costs more.
func (o reading) askFirst(ctx context.Context, ops []*Op) (try int) {
	if len(ops) != 1 {
		doEach(ctx, ops, func(op *Op) Route { return o.nth(op, 0) })
		return 0
	}
	first, try := o.first(ops[0])
	resolve(first, ops[0]).Do(ctx, ops)
	return try
}

// first returns the first route that does not refuse op at once, and which try that is; if all do, the first of all.
func (o reading) first(op *Op) (first Route, try int) {
	r := o.placement.Replicas(op)
	for try < len(r.All) {
		first = o.nthOf(&r, op, try)
		if n, isNode := first.(*pool.Node); !isNode || !n.Refuses(op) {
			break
		}
		try++
	}
	if try == len(r.All) {
		return o.nthOf(&r, op, 0), 0 // says why
	}
	for i := range try {
		countFailover(op, o.nthOf(&r, op, i).(*pool.Node))
	}
	return first, try
}

// beginsAtHome reports whether the replica that op is read from first is the home.
func (o reading) beginsAtHome(op *Op) bool {
	r := o.placement.Replicas(op)
	return r.slowLast(op, o.slow, 0) == r.home(op)
}

// SlowLast returns the replicas in the order in which they are read when those nodes are slow.
func (r Replicas) SlowLast(op *Op, slow *pool.SlowNodes) (routes []Route) {
	for i := range r.All {
		routes = append(routes, r.All[r.slowLast(op, slow, i)])
	}
	return routes
}

// slowLast returns the index in All of the replica to read as number i.
func (r *Replicas) slowLast(op *Op, slow *pool.SlowNodes, i int) int {
	if slow == nil {
		return r.index(i)
	}
	for _, class := range [...]bool{false, true} {
		for j := range r.All {
			at := r.index(j)
			if isSlow(r.All[at], op, slow) != class {
				continue
			}
			if i == 0 {
				return at
			}
			i--
		}
	}
	return r.Read // there is no such replica
}

// isSlow reports whether the node that would serve op below r is slow. What is not a node is not.
func isSlow(r Route, op *Op, slow *pool.SlowNodes) bool {
	n, ok := resolve(r, op).(*pool.Node)
	return ok && slow.Has(n)
}
