package route

import (
	"context"
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// PinChange is a step that a pin has come to.
type PinChange struct {
	Node string // that is the pin's home
	Step pool.Step
	Over bool // it is the last one, and has ended
}

// String returns the step in a word, over if the pin is.
func (c PinChange) String() string {
	if c.Over {
		return "over"
	}
	return c.Step.String()
}

// Tend does once what a new step of a pin asks of each process, and returns the steps that are new. It is to be called about
// once a second, by one goroutine at a time; a step that is tended to late costs misses at worst, but is never to be left out.
//
// What it is for. A node that joins is empty, and what a key's old home has kept is deleted by every write from then on
// (former.go). Neither can be so for a pin: its node may have an old copy of the key, and a write that goes on telling the old
// home would not relieve it. As there is only one key, what is left of it is deleted where nobody stores it: at the pin's
// nodes before they are used and after, and at the others while the pin is used. And the key is read once when it moves, so
// that it moves also if nobody else reads it then.
func (r *Rules) Tend(ctx context.Context) (changes []PinChange) {
	for _, same := range r.byHash {
		for _, one := range same {
			if p := one.pinned; p != nil {
				changes = p.tend(ctx, changes)
			}
		}
	}
	return changes
}

func (p *pinned) tend(ctx context.Context, changes []PinChange) []PinChange {
	step, last := p.route.step(0), p.pin.tended
	if p.pin.Over() {
		step = pool.Unmet
	}
	if step == last {
		return changes
	}
	p.pin.tended = step
	switch step {
	case pool.Entering, pool.Retired:
		p.clear(ctx, func(n *pool.Node) bool { return p.isOf(n) && !p.holdsUnpinned(n) })
	case pool.Filling, pool.Draining:
		p.route.Do(ctx, []*Op{p.op(protocol.Get)})
	case pool.Settling, pool.Serving, pool.Retiring:
		p.clear(ctx, func(n *pool.Node) bool { return !p.isOf(n) })
	}
	return append(changes, PinChange{p.nodes[0].Name(), p.route.step(0), p.pin.Over()})
}

// isOf reports whether n is a node of the pin.
func (p *pinned) isOf(n *pool.Node) bool { return slices.Contains(p.nodes, n) }

// holdsUnpinned reports whether n holds the key while it is not pinned.
func (p *pinned) holdsUnpinned(n *pool.Node) bool {
	unpinned := p.route.nodes[p.route.pinned:]
	return slices.Contains(unpinned[:min(p.route.replicas, len(unpinned))], n)
}

// clear deletes the key at some of the nodes that have to do with it. What of that fails is left to the nodes' journals.
func (p *pinned) clear(ctx context.Context, at func(*pool.Node) bool) {
	var ranks []int
	for i, n := range p.route.nodes {
		if at(n) {
			ranks = append(ranks, i)
		}
	}
	p.route.clear(ctx, p.route.distinct(ranks, nil), []*Op{p.op(protocol.Delete)}, new(clears))
}

func (p *pinned) op(c protocol.Command) *Op {
	op := &Op{Request: protocol.Request{Command: c, Key: p.key, Meta: p.spelled}, Hash: HashKey(p.key)}
	if c == protocol.Get {
		op.Request.Meta |= readFlags
	}
	return op
}
