package rulestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nohop/memcache/hotkey"
)

const (
	rulesKey    = Reserved + "rules"
	rulesCopies = 3
)

// Memcached is a store in the cache itself: the table lies under one key on the first three nodes of that key's order, and
// the newest of the three counts. A look costs each of the three a request of some 20 bytes, unless the table has changed.
//
// A copy that was evicted, or is gone with its node, is put back by one look in eight of each process, also if all three
// are gone: to be rid of a table, publish one without rules. Servers without meta commands (before 1.6.13) send the whole
// table at each look, and so do those without CAS (-C), where nothing can be published but the first table. Safe for
// concurrent use.
type Memcached struct {
	order Order

	mu     sync.Mutex
	held   map[string]held // by node: what it held at the last look
	newest *hotkey.Table   // that any node has held
	repair error           // why nodes that lack it did not take it
}

// NewMemcached returns a store on the nodes of order.
func NewMemcached(order Order) *Memcached { return &Memcached{order: order} }

// Interval is a second.
func (m *Memcached) Interval() time.Duration { return time.Second }

// sight is what one look at one node brought.
type sight struct {
	node Node
	held held
	err  error // *NodeError: the node did not answer, or with something that is no table
}

// Load returns the newest table that it has found since NewMemcached. The error joins a *NodeError for each node that did
// not answer, holds something else than a table, or did not take a copy that it lacks. It matches ErrNoTable if all have
// answered and hold none, also beside a table that they have lost, and is ErrNoNodes if there are no nodes.
func (m *Memcached) Load(ctx context.Context) (*hotkey.Table, error) {
	nodes := m.order(rulesKey, rulesCopies)
	if len(nodes) == 0 {
		return nil, ErrNoNodes
	}
	sights := m.look(ctx, nodes)
	best, err := newest(sights)
	best = m.remember(best)
	return best, errors.Join(err, m.heal(ctx, lacking(sights, best), best))
}

// remember returns t, or what was found before if that is newer.
func (m *Memcached) remember(t *hotkey.Table) *hotkey.Table {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.newest == nil || t != nil && !m.newest.Header().Newer(t.Header()) {
		m.newest = t
	}
	return m.newest
}

// look asks all nodes at once, and remembers what they hold.
func (m *Memcached) look(ctx context.Context, nodes []Node) []sight {
	m.mu.Lock()
	before := m.held
	m.mu.Unlock()
	sights := each(nodes, func(n Node) sight {
		h, err := refresh(ctx, n, before[n.Name()])
		return sight{n, h, err}
	})
	now := make(map[string]held, len(nodes))
	for _, s := range sights {
		now[s.node.Name()] = s.held
	}
	m.mu.Lock()
	m.held = now // a look at the same time has found as much; the maps are never changed
	m.mu.Unlock()
	return sights
}

// each calls ask for all nodes at once.
func each[T any](nodes []Node, ask func(Node) T) []T {
	answers := make([]T, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { answers[i] = ask(n) })
	}
	wg.Wait()
	return answers
}

// newest returns the newest table. Two with the same header, which no publisher makes, are told apart by their contents,
// so that all processes choose the same.
func newest(sights []sight) (*hotkey.Table, error) {
	var best held
	var errs []error
	for _, s := range sights {
		if s.err != nil {
			errs = append(errs, s.err)
		}
		if s.held.table != nil && (best.table == nil || s.held.newer(best)) {
			best = s.held
		}
	}
	if best.table == nil && len(errs) == 0 {
		return nil, ErrNoTable
	}
	return best.table, errors.Join(errs...)
}

// healEvery is how many looks share one repair, so that not every process of a fleet writes at once.
const healEvery = 8

// lacking returns the nodes that answered and have no table, or an older one than best.
func lacking(sights []sight, best *hotkey.Table) (nodes []Node) {
	for _, s := range sights {
		if s.err == nil && best != nil && (s.held.table == nil || best.Header().Newer(s.held.header())) {
			nodes = append(nodes, s.node)
		}
	}
	return nodes
}

// heal gives best to nodes that lack it, now and then. The error is that of the last time, while there are any.
func (m *Memcached) heal(ctx context.Context, nodes []Node, best *hotkey.Table) error {
	m.mu.Lock()
	err := m.repair
	m.mu.Unlock()
	switch {
	case len(nodes) == 0:
		err = nil
	case rand.N(healEvery) == 0:
		err = give(ctx, nodes, best)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.repair = err
	return err
}

func give(ctx context.Context, nodes []Node, best *hotkey.Table) error {
	data, err := best.MarshalJSON()
	if err != nil {
		return err
	}
	p := &publication{base: best.Header(), table: best, data: data}
	return errors.Join(each(nodes, func(n Node) error { return p.repair(ctx, n) })...)
}

// Publish writes to the three nodes. The error matches ErrConflict if one of them holds a newer table, although others may
// have taken t: then the newer of both is what counts until somebody publishes again, which Update does. It matches
// ErrPartial, and the errors of the nodes that failed, if only some have stored t; the others follow when they can.
func (m *Memcached) Publish(ctx context.Context, base hotkey.Header, t *hotkey.Table) error {
	if !t.Header().Newer(base) {
		return ErrConflict
	}
	data, err := t.MarshalJSON()
	if err != nil {
		return err
	}
	nodes := m.order(rulesKey, rulesCopies)
	if len(nodes) == 0 {
		return ErrNoNodes
	}
	p := &publication{base, t, data}
	return combined(each(nodes, func(n Node) error { return p.put(ctx, n) }))
}

// combined says what the outcomes at the nodes mean together.
func combined(outcomes []error) error {
	stored := 0
	for _, err := range outcomes {
		if err == nil {
			stored++
		}
	}
	err := errors.Join(outcomes...)
	if err == nil || stored == 0 || errors.Is(err, ErrConflict) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrPartial, err)
}

// publication is a table on its way to the nodes.
type publication struct {
	base  hotkey.Header
	table *hotkey.Table
	data  []byte
}

const putTries = 3 // others write at the same time

// put has n hold the table, unless it holds one that is newer than base.
func (p *publication) put(ctx context.Context, n Node) error {
	for range putTries {
		h, err := read(ctx, n)
		if err != nil && !errors.Is(err, hotkey.ErrBadTable) {
			return err
		}
		if h.table != nil && bytes.Equal(h.data, p.data) {
			return nil
		}
		if h.header().Newer(p.base) {
			return &NodeError{n.Name(), ErrConflict}
		}
		if done, err := h.replace(ctx, n, p.data); done || err != nil {
			return err
		}
	}
	return &NodeError{n.Name(), ErrConflict}
}

// repair is put, but what is newer by now may stay.
func (p *publication) repair(ctx context.Context, n Node) error {
	if err := p.put(ctx, n); !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}
