package route

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/internal/mechanism"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// Moving is the route of a key whose home moves, or may: it is not known of each of its nodes yet what step it is at. It
// follows the plan of walkplan.go for all ops: reads are filled from the old home, read-modify-writes find the item that is
// there, writes and deletes reach the old home and the new one.
type Moving struct {
	nodes    []*pool.Node // the order
	replicas int
	memory   time.Duration // how long former replicas are remembered; 0: for ever
	asFormer []former      // of each node
	late     *LateClears   // nil: there is none
	known    atomic.Pointer[knownFormers]

	pin    *Pin // of the key, which has nodes before those of its order; nil: there is none
	pinned int  // how many
}

// Nodes returns the nodes that take part now, the home first if there is one.
func (m *Moving) Nodes() []*pool.Node {
	p := m.plan(m.steps())
	var list []*pool.Node
	if p.home >= 0 {
		list = append(list, m.nodes[p.home])
	}
	for _, i := range p.after {
		list = append(list, m.nodes[i])
	}
	return list
}

// Joining reports whether nobody stores the key now.
func (m *Moving) Joining() bool { return m.plan(m.steps()).home < 0 }

// steps returns what is known. A node that was not met yet may be the home; if it cannot be reached, nobody is in its place.
func (m *Moving) steps() []pool.Step {
	steps := make([]pool.Step, len(m.nodes))
	for i := range m.nodes {
		if steps[i] = m.step(i); steps[i] == pool.Unmet {
			steps[i] = pool.Serving
		}
	}
	return steps
}

// step returns the step of a node for this key. A pin's further nodes are copies while it serves, and before and after that
// only deleted at.
func (m *Moving) step(i int) pool.Step {
	own := m.nodes[i].Step()
	switch {
	case i >= m.pinned:
		return own
	case i == 0:
		return pinnedStep(own, m.pin.Step())
	case m.pin.Step() != pool.Serving:
		return pool.Retired
	}
	return own
}

// plan returns what is to be done at these steps. A node that is pinned to and in the key's order as well has one part.
func (m *Moving) plan(steps []pool.Step) walkPlan {
	if m.pinned == 0 {
		return planFor(steps, m.replicas)
	}
	p := planWithin(steps[:m.reach(steps)], 1)
	done := []*pool.Node{}
	if p.home >= 0 {
		done = append(done, m.nodes[p.home])
	}
	for _, ranks := range []*[]int{&p.sources, &p.before, &p.after} {
		*ranks = m.distinct(*ranks, slices.Clone(done))
	}
	return p
}

// distinct returns ranks without those of nodes that are known, or come twice.
func (m *Moving) distinct(ranks []int, known []*pool.Node) (list []int) {
	for _, i := range ranks {
		if !slices.Contains(known, m.nodes[i]) {
			list, known = append(list, i), append(known, m.nodes[i])
		}
	}
	return list
}

// reach returns how many nodes any process may use, or have used. Those of a pin are all among them; who has a pin that serves
// uses no others.
func (m *Moving) reach(steps []pool.Step) int {
	ahead, rest := steps[:m.pinned], steps[m.pinned:]
	if m.pinned > 0 && !slices.ContainsFunc(ahead, func(s pool.Step) bool { return s != pool.Serving }) {
		return m.pinned
	}
	return m.pinned + walkReach(rest, m.replicas)
}

// meet connects to nodes whose step is not known and matters.
func (m *Moving) meet(ctx context.Context) {
	for range m.nodes {
		var unmet []*pool.Node
		for _, n := range m.nodes[:m.reach(m.steps())] {
			if n.Step() == pool.Unmet {
				unmet = append(unmet, n)
			}
		}
		if len(unmet) == 0 {
			return
		}
		Broadcast(ctx, unmet, protocol.Request{Command: protocol.Noop})
		if !slices.ContainsFunc(unmet, func(n *pool.Node) bool { return n.Step() != pool.Unmet }) {
			return
		}
	}
}

// Do serves ops. A node that turns out to be at another step than it was, or that is on its way out and gone, leaves ops
// to the next one. What would be stored there is only when all know that the node leaves: who does not, and stores at the node
// when it is back for a moment, would not clear the next one.
func (m *Moving) Do(ctx context.Context, ops []*Op) {
	m.meet(ctx)
	steps := m.steps()
	for range m.nodes {
		p := m.plan(steps)
		p.sources = slices.DeleteFunc(p.sources, func(i int) bool { return !m.hadBefore(steps, i, p.home) })
		m.follow(ctx, p, ops)
		if p.home < 0 || ctx.Err() != nil {
			return
		}
		again := filter(ops, hasJoined)
		switch {
		case len(again) > 0:
			steps = m.steps()
		case leaves(m.nodes[p.home].Step()):
			again = filter(ops, isLeftBehind)
			if !m.nodes[p.home].KnownToLeave() {
				again = without(again, stores)
			}
			steps[p.home] = pool.Retired
		}
		if ops = again; len(ops) == 0 {
			return
		}
	}
}

// hadBefore reports whether a source may have had the key before the home. Nodes that have begun together, as those of a
// new fleet, have nothing of each other's; to look costs an exchange, and not to look is a miss at worst.
func (m *Moving) hadBefore(steps []pool.Step, source, home int) bool {
	if min(source, home) < m.pinned {
		return true
	}
	first, ok1 := m.nodes[source].ServingSince()
	then, ok2 := m.nodes[home].ServingSince()
	return steps[source] == pool.Draining || !ok1 || !ok2 || first.Add(together).Before(then)
}

// together is how far apart nodes may begin together, the second included that is not known of each.
const together = 3 * time.Second

// isLeftBehind reports whether op has failed at a node that is on its way out, and can be served as if the node were out
// already. A write that the node may have done, or may do yet, has failed.
func isLeftBehind(op *Op) bool {
	failed, ok := op.Err.(*pool.Error)
	return ok && isNodeFault(failed) && (failed.Outcome == pool.NotSent || !op.Request.Command.Mutates())
}

// stores reports whether op may leave a value where it is served.
func stores(op *Op) bool { c := op.Request.Command; return c.Mutates() && c != protocol.Delete }

// follow serves ops by a plan.
func (m *Moving) follow(ctx context.Context, p walkPlan, ops []*Op) {
	if late := filter(ops, m.isLate); len(late) > 0 {
		m.readLate(ctx, p, late)
		ops = rest(ops, late)
	}
	if reads := filter(ops, isFillable); len(reads) > 0 && p.home >= 0 {
		m.read(ctx, p, reads)
		ops = without(ops, isFillable)
	}
	if len(ops) == 0 {
		return
	}
	if len(p.sources) > 0 {
		for _, op := range ops {
			if !isWholeWrite(op) {
				m.bring(ctx, p, op)
			}
		}
	}
	writes := filter(ops, func(op *Op) bool { return op.Request.Command.Mutates() })
	if len(p.after) == 0 { // it does not move: it has former replicas
		m.atHomeAndFormers(ctx, ops, writes)
		return
	}
	if !mechanism.OtherHomes {
		p.after = nil
	}
	var c clears
	for _, op := range writes {
		op.WantCAS = op.WantCAS || m.late != nil
	}
	m.clear(ctx, p.before, writes, &c)
	m.atHome(ctx, p, ops)
	done := filter(writes, func(op *Op) bool { return p.home < 0 || mayHaveChanged(op) || isFoundDelete(op) })
	m.clear(ctx, p.after, done, &c)
	m.atHomeAndFormers(ctx, nil, done)
	m.noteLate(p, writes, &c)
	for _, op := range writes {
		if op.Request.Command == protocol.Delete && isMiss(op) && c.found[op] {
			op.Reply.Status = protocol.OK
		}
	}
}

// isLate reports whether op reads a key of which what is found may have come from a node that has missed a write.
func (m *Moving) isLate(op *Op) bool {
	c := op.Request.Command
	return (c == protocol.Get || c == protocol.GetAndTouch) && m.late.has(op)
}

// isWholeWrite reports whether op leaves the same whatever was there.
func isWholeWrite(op *Op) bool { return op.Request.Command == protocol.Delete || verifies(op) }

// isFoundDelete reports whether op is a delete that was answered: what it did not find at one node may be at another.
func isFoundDelete(op *Op) bool { return op.Request.Command == protocol.Delete && op.Err == nil }

// atHome has the home serve ops.
func (m *Moving) atHome(ctx context.Context, p walkPlan, ops []*Op) {
	if p.home < 0 {
		nobody.Do(ctx, ops)
		return
	}
	m.nodes[p.home].Do(ctx, ops)
}

// read has the home serve ops, and fills it with what it does not have. If what a source has cannot be told, the home's miss
// stands.
func (m *Moving) read(ctx context.Context, p walkPlan, ops []*Op) {
	home := m.nodes[p.home]
	if len(p.sources) == 0 {
		home.Do(ctx, ops)
		m.readOthers(ctx, p, ops)
		if p.next >= 0 {
			m.readNext(ctx, p, filter(ops, isMiss))
		}
		return
	}
	sources := m.sources(p)
	f := leasedFill{target: func(*Op) Route { return home }, source: func(*Op) Route { return sources }}
	for _, op := range f.do(ctx, ops) {
		keepMiss(ctx, op)
	}
}

// readOthers asks the replicas for what the home could not answer.
func (m *Moving) readOthers(ctx context.Context, p walkPlan, ops []*Op) {
	for _, i := range p.others {
		failed := filter(ops, func(op *Op) bool { return op.Err != nil && ctx.Err() == nil && isNodeFault(op.Err) && !hasJoined(op) })
		if len(failed) == 0 {
			return
		}
		m.nodes[i].Do(ctx, failed)
	}
}

// readNext looks for what the home does not have where those who are a step ahead have stored it.
func (m *Moving) readNext(ctx context.Context, p walkPlan, missed []*Op) {
	if len(missed) == 0 {
		return
	}
	m.nodes[p.next].Do(ctx, missed)
	for _, op := range missed {
		keepMiss(ctx, op)
	}
}

// bring has the home hold what a source has, so that an op whose result depends on the item finds it. If somebody else is
// doing that, it is taken over from him: his stub would be in the way.
func (m *Moving) bring(ctx context.Context, p walkPlan, op *Op) {
	home := func(*Op) Route { return m.nodes[p.home] }
	sources := m.sources(p)
	f := leasedFill{target: home, source: func(*Op) Route { return sources }}
	for range bringTries {
		read := &Op{Request: protocol.Request{Command: protocol.Get, Key: op.Request.Key, Meta: op.Request.Meta&protocol.BinaryKey | readFlags}, Hash: op.Hash}
		reads := []*Op{read}
		rewrite(ctx, reads, f.ask)
		stub := stubOf(read)
		switch {
		case read.Err != nil || !lacks(ctx, read):
			return
		case stub == nil:
			f.fill(ctx, reads)
			return
		}
		doEach(ctx, []*Op{stub}, home)
	}
}

// bringTries is how often a stub is taken away that somebody has left, or is about to fill.
const bringTries = 5

// stubOf returns the delete of a stub that a read has found, for which somebody else has the lease; nil if it found none.
func stubOf(read *Op) *Op {
	r := &read.Reply
	if read.Err != nil || r.Block > 0 || !r.Has(protocol.Busy) || r.Has(protocol.Stale) || r.CAS == 0 {
		return nil
	}
	stub := &Op{Request: *clearOf(read), Hash: read.Hash, Token: read.Token}
	stub.Request.Meta |= protocol.Compare
	stub.Request.CAS = r.CAS
	return stub
}

// clears is what came of the clears of a batch.
type clears struct {
	found  map[*Op]bool         // there was something
	missed map[*Op][]*pool.Node // that have not answered
}

// clear deletes the keys of ops at nodes of these ranks, all at once, and adds to c what came of it. A clear that failed makes
// the op a partial write.
func (m *Moving) clear(ctx context.Context, ranks []int, ops []*Op, c *clears) {
	if len(ranks) == 0 || len(ops) == 0 {
		return
	}
	w := newWrite()
	defer w.free()
	for _, op := range ops {
		w.ops = append(w.ops, op)
		request := clearOf(op)
		for _, i := range ranks {
			w.send(op, m.nodes[i], request, op.Hash)
		}
		w.ends = append(w.ends, w.used)
	}
	w.do(ctx)
	w.each(func(op *Op, copies []*Op) {
		c.add(m, ranks, op, copies)
		if err := clearError(op, copies); err != nil && op.Err == nil {
			op.Err = err
		}
	})
}

func (c *clears) add(m *Moving, ranks []int, op *Op, copies []*Op) {
	if c.found == nil {
		c.found, c.missed = make(map[*Op]bool), make(map[*Op][]*pool.Node)
	}
	for i, at := range copies {
		switch n := m.nodes[ranks[i]]; {
		case isHit(at):
			c.found[op] = true
		case at.Err != nil && !slices.Contains(c.missed[op], n):
			c.missed[op] = append(c.missed[op], n)
		}
	}
}

// atHomeAndFormers has the first node serve ops, and deletes the keys of writes at their former replicas at the same time.
func (m *Moving) atHomeAndFormers(ctx context.Context, ops, writes []*Op) {
	w := newWrite()
	defer w.free()
	for _, op := range ops {
		w.batch.add(m.nodes[0], op)
	}
	var few [walkBeyond]int
	ranks := m.formers(few[:0], m.reach(m.steps()))
	for _, op := range writes {
		for _, i := range ranks {
			w.send(op, m.nodes[i], clearOf(op), op.Hash)
		}
	}
	w.do(ctx)
	noteMissed(w.copies[:w.used])
}

// sources is a route that reads nodes one after the other and takes the first hit.
type sources struct{ nodes []*pool.Node }

func (m *Moving) sources(p walkPlan) *sources {
	s := &sources{}
	for _, i := range p.sources {
		s.nodes = append(s.nodes, m.nodes[i])
	}
	return s
}

func (s *sources) Do(ctx context.Context, ops []*Op) {
	for _, n := range s.nodes {
		if n.Do(ctx, ops); ctx.Err() != nil {
			return
		}
		if ops = without(ops, isHit); len(ops) == 0 {
			return
		}
	}
}

// Explain says what is done for op now.
func (m *Moving) Explain(op *Op) Step {
	p := m.plan(m.steps())
	s := Step{Route: "moving", Why: m.why()}
	if p.home < 0 {
		s.Why += "; nobody stores the key"
	} else {
		s.Next = append(s.Next, Explain(m.nodes[p.home], op))
	}
	if op.Request.Command.Mutates() {
		s.add("clear before", m, p.before, op)
		s.add("clear after", m, p.after, op)
		s.add("former replicas", m, m.formers(nil, m.reach(m.steps())), op)
	}
	if !isWholeWrite(op) {
		s.add("filled from", m, p.sources, op)
	}
	if isFillable(op) && p.next >= 0 {
		s.add("misses go on to", m, []int{p.next}, op)
	}
	return s
}

func (s *Step) add(name string, m *Moving, ranks []int, op *Op) {
	if len(ranks) == 0 {
		return
	}
	part := Step{Route: name}
	for _, i := range ranks {
		part.Next = append(part.Next, Explain(m.nodes[i], op))
	}
	s.Next = append(s.Next, part)
}

func (m *Moving) why() (why string) {
	for i, n := range m.nodes[:m.reach(m.steps())] {
		if i > 0 {
			why += ", "
		}
		why += fmt.Sprintf("%s is %s", n.Name(), m.step(i))
	}
	return why
}
