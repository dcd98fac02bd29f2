package route

import (
	"fmt"
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// pinned is the placement of one key that a pin moves. While the pin serves, the key has the nodes of the pin. While it comes
// or goes, the key has a single replica, a Moving, over the first of them and then the nodes that the key has without the pin;
// the pin's other nodes are only deleted at.
type pinned struct {
	key     string
	spelled protocol.MetaFlags // see PinnedKey.Meta
	pin     *Pin
	base    Placement
	nodes   []*pool.Node // of the pin
	settled Replicas     // while the pin and its nodes are Serving
	moves   Replicas
	route   *Moving // of moves
	count   int     // of replicas, always the same, so that who looks twice finds as many
}

// PinnedKey is a key that a pin moves to nodes.
type PinnedKey struct {
	Key   string
	Pin   *Pin
	Nodes []*pool.Node // home first
	Read  int          // index in Nodes of the one to read first
	// Meta is how the key is spelled in requests: protocol.BinaryKey or 0.
	Meta protocol.MetaFlags
}

// Ordered is a Placement that knows which nodes may take the place of a key's replicas, as Walk does.
type Ordered interface{ Order(op *Op) []*pool.Node }

// OrderOf returns the nodes of op's key's order: what p says if it is Ordered, else those of its replicas that are nodes.
func OrderOf(p Placement, op *Op) (nodes []*pool.Node) {
	if o, ok := p.(Ordered); ok {
		return o.Order(op)
	}
	for _, r := range p.Replicas(op).All {
		if n, ok := r.(*pool.Node); ok {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// NewPinned returns base with keys that pins move. base is Ordered, or places keys on nodes that never come or go. For late, see
// NewWalk.
func NewPinned(base Placement, keys []PinnedKey, late *LateClears) *Rules {
	r := &Rules{base: base}
	for _, k := range keys {
		r.add(rule{key: k.Key, pinned: newPinned(base, k, late)})
	}
	return r
}

func newPinned(base Placement, k PinnedKey, late *LateClears) *pinned {
	op := &Op{Hash: HashKey(k.Key)}
	op.Request.Key = k.Key
	unpinned := base.Replicas(op).All
	p := &pinned{key: k.Key, pin: k.Pin, base: base, nodes: k.Nodes, spelled: k.Meta, count: max(len(k.Nodes), len(unpinned))}
	for _, n := range k.Nodes {
		p.settled.All = append(p.settled.All, n)
	}
	p.settled.Read = k.Read
	p.settled = p.filled(p.settled)
	p.route = &Moving{nodes: slices.Concat(k.Nodes, OrderOf(base, op)), replicas: len(unpinned), pin: k.Pin, pinned: len(k.Nodes), late: late}
	p.moves = p.filled(Replicas{All: []Route{p.route}})
	return p
}

// filled returns r with as many replicas as there always are.
func (p *pinned) filled(r Replicas) Replicas {
	for len(r.All) < p.count {
		r.All = append(slices.Clip(r.All), nobody)
	}
	return r
}

// replicas returns those of op's key now.
func (p *pinned) replicas(op *Op) Replicas {
	switch {
	case p.pin.Step() == pool.Serving && !slices.ContainsFunc(p.nodes, isOnItsWay):
		return p.settled
	case p.pin.Over():
		return p.filled(p.base.Replicas(op))
	}
	return p.moves
}

func isOnItsWay(n *pool.Node) bool { return n.Step() != pool.Serving }

func (p *pinned) why() string {
	s := p.pin.Step()
	switch {
	case p.pin.Over():
		return "a pin that is over"
	case s == pool.Serving:
		return "a pin"
	}
	return fmt.Sprintf("a pin that is %s", s)
}
