package route

import "github.com/nohop/memcache/pool"

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
	return r.All[r.slowLast(op, o.slow, try)]
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
func (r Replicas) slowLast(op *Op, slow *pool.SlowNodes, i int) int {
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
