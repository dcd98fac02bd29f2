package route

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// Walk places keys as Slots does, over nodes that come and go one step after the other (pool.Step), so that a key's home
// moves without anybody reading what is old, and takes what it holds along. What it closes: while processes do not agree
// yet on which node is a key's home, each would write at one that the other does not read; and the new home would begin
// with nothing.
//
// A key whose replicas are all Serving has those, and costs no more than with Slots. One that has a node before or among
// them that is on its way in or out has a single replica, a Moving, which does what the steps ask for; meanwhile the
// reads of all its replicas go to the home. The nodes' steps are looked at with every op, so nothing needs to be told here
// when they change.
type Walk struct {
	order    [SlotCount]uint32 // of each slot, an index into orders
	orders   []walkOrder       // the distinct ones
	replicas int
	memory   time.Duration // see Moving
	late     *LateClears
}

// walkOrder is an order of nodes that slots have.
type walkOrder struct {
	nodes    []*pool.Node
	deciding []*pool.Node // the first of them, those of settled
	settled  Replicas     // while deciding are all Serving
	moves    atomic.Pointer[moves]
}

// moves is what is needed of an order only where nodes come and go.
type moves struct {
	replicas Replicas // as many as are settled, so that who looks twice finds the same number
	route    *Moving
}

// walkBeyond is how many nodes of a slot's order are known beyond its replicas: so many that are next to each other in it
// may come or go at once.
const walkBeyond = 4

// ErrNotNode means that a Walk was given a member that is no *pool.Node.
var ErrNotNode = errors.New("memcache: member is not a node")

// NewWalk places keys as NewSlots does. The members are nodes; those that are Leaving have their place too, the way out of
// it is pool.Node.Retire. One of them may have the name of a member that takes its place. maxTTL is the longest that an item
// lives, 0 for as long as it likes: for so long after a node has joined, writes also delete where its keys were before
// (former.go). late clears what was filled from a node that has missed a write (movinglate.go); with nil, nobody does. It is to
// Follow the placement.
func NewWalk(members []Member, replicas int, local string, maxTTL time.Duration, late *LateClears) (*Walk, error) {
	if err := checkMembers(members, replicas); err != nil {
		return nil, err
	}
	for _, m := range members {
		if _, ok := m.Route.(*pool.Node); !ok {
			return nil, ErrNotNode
		}
	}
	members = slices.SortedStableFunc(slices.Values(members), byNameAndStay)
	w := &Walk{replicas: min(replicas, len(members)), late: late}
	if maxTTL > 0 {
		w.memory = maxTTL + walkTime
	}
	depth := min(w.replicas+walkBeyond, len(members))
	w.fill(members, w.rank(members, depth), depth, nearOf(members, replicas, local))
	return w, nil
}

// walkTime is more than what a walk takes, beside a TTL.
const walkTime = 10 * time.Minute

// rank finds the order of each slot, and returns the distinct ones, one behind the other.
func (w *Walk) rank(members []Member, depth int) (orders []int32) {
	ranked := newRanking(members)
	known := make(map[string]uint32)
	for slot := range w.order {
		top := ranked.top(slot, depth)
		id := orderID(top)
		i, ok := known[id]
		if !ok {
			i = uint32(len(known))
			known[id] = i
			orders = append(orders, top...)
		}
		w.order[slot] = i
	}
	return orders
}

// fill makes the orders. There may be one for each slot, so they share memory.
func (w *Walk) fill(members []Member, orders []int32, depth int, near *near) {
	nodes := make([]*pool.Node, len(orders))
	for i, m := range orders {
		nodes[i] = members[m].Route.(*pool.Node)
	}
	w.orders = make([]walkOrder, len(orders)/depth)
	for i := range w.orders {
		o := &w.orders[i]
		o.nodes = nodes[i*depth : (i+1)*depth : (i+1)*depth]
		o.deciding = o.nodes[:w.replicas]
		o.settled = replicasOf(members, orders[i*depth:i*depth+w.replicas], near, nil)
	}
}

// byNameAndStay orders members by name; of two with the same, the one that leaves is second.
func byNameAndStay(a, b Member) int {
	if c := cmp.Compare(a.Name, b.Name); c != 0 || a.Leaving == b.Leaving {
		return c
	}
	if b.Leaving {
		return -1
	}
	return 1
}

// moving returns what is needed where nodes of o come and go, always the same.
func (w *Walk) moving(o *walkOrder) *moves {
	if m := o.moves.Load(); m != nil {
		return m
	}
	m := &moves{route: &Moving{nodes: o.nodes, replicas: w.replicas, memory: w.memory, late: w.late}}
	for _, n := range o.nodes {
		m.route.asFormer = append(m.route.asFormer, former{n})
	}
	m.replicas.All = slices.Repeat([]Route{nobody}, w.replicas)
	m.replicas.All[0] = m.route
	o.moves.CompareAndSwap(nil, m)
	return o.moves.Load()
}

// Replicas returns the replicas of op's key.
func (w *Walk) Replicas(op *Op) Replicas {
	o := &w.orders[w.order[SlotOf(op.Hash)]]
	for _, n := range o.deciding {
		if n.Step() != pool.Serving {
			return w.moving(o).replicas
		}
	}
	if op.Request.Command != protocol.Get && len(o.nodes) > len(o.deciding) {
		return w.written(o)
	}
	return o.settled
}

// written returns the replicas of a key for a write: with its former ones, if it may have some.
func (w *Walk) written(o *walkOrder) Replicas {
	var few [walkBeyond]int
	m := w.moving(o)
	formers := m.route.formers(few[:0], w.replicas)
	switch {
	case len(formers) == 0:
		return o.settled
	case w.replicas == 1:
		return m.replicas
	}
	all := o.settled
	all.All = slices.Clone(all.All)
	for _, i := range formers {
		all.All = append(all.All, m.route.formerAt(i))
	}
	return all
}

// Order returns the nodes of op's key's order, as many as may come to be its replicas while nodes come and go.
func (w *Walk) Order(op *Op) []*pool.Node { return w.orders[w.order[SlotOf(op.Hash)]].nodes }

// Why names the slot, and what moves.
func (w *Walk) Why(op *Op) string {
	o := &w.orders[w.order[SlotOf(op.Hash)]]
	why := fmt.Sprintf("slot %d of %d", SlotOf(op.Hash), SlotCount)
	for _, n := range o.deciding {
		if s := n.Step(); s != pool.Serving {
			why += fmt.Sprintf(", %s is %s", n.Name(), s)
		}
	}
	return why
}

// empty is a replica that is none, in the place of those that are not used while the home moves.
type empty struct{}

var (
	nobody    Route = &empty{}
	errNobody error = &pool.Error{Outcome: pool.NotSent, Err: pool.ErrJoining} // does not count (combine)
)

func (*empty) Joining() bool { return true }

func (*empty) Do(_ context.Context, ops []*Op) {
	for _, op := range ops {
		settleJoining(op)
	}
}

func (*empty) Explain(*Op) Step {
	return Step{Route: "nobody", Why: "replicas are not used while the home moves"}
}

// settleJoining settles op as a node does that is joining and has nothing.
func settleJoining(op *Op) {
	switch c := op.Request.Command; {
	case c == protocol.Delete, c == protocol.Touch, c == protocol.GetAndTouch:
		settleMiss(op)
	case verifies(op):
		op.Settle(nil, nil)
		op.Reply = protocol.Reply{Status: protocol.OK, Block: -1}
		op.Cleared = true
	default:
		op.Settle(nil, &pool.Error{Command: c, Outcome: pool.NotSent, Err: pool.ErrJoining})
	}
}
