package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/route"
)

// movedKeys is which keys are pinned to which node, and which may be pinned again when: a key must be free of a pin everywhere
// before it gets another one.
type movedKeys struct {
	mu    sync.Mutex // held during a change
	epoch uint64
	pins  map[string]string
	since map[string]time.Time // of pins
	free  map[string]time.Time
}

func newMovedKeys() *movedKeys {
	return &movedKeys{pins: map[string]string{}, since: map[string]time.Time{}, free: map[string]time.Time{}}
}

// mayPin reports whether the clients follow a table of pins.
func mayPin(r *round, _ *node) bool { return hasPins(r.cfg.topology) }

// pinKeys moves some keys to n and frees some, in one table that each process is told of at another moment within the skew.
func pinKeys(r *round, n *node, rnd *rand.Rand, _ func()) error {
	moved := r.choosePins(n, rnd)
	r.moved.epoch++
	start := history.Now()
	err := r.tellSkewed(rnd, order{Do: doPins, Epoch: r.moved.epoch, Pins: r.moved.pins})
	for _, key := range moved {
		r.log.Event(&history.Event{Kind: history.Note, Node: n.name, Start: start, End: history.Now(), Text: pinNote + key})
	}
	return err
}

// pinNote begins the note of a key that was pinned.
const pinNote = "pinned "

const (
	pinShare = 4               // one of so many free keys is pinned with each change, and of pinned ones freed
	pinStays = 5 * time.Second // before it may go again, halfway on its way in
)

// choosePins decides for each key, and returns those that are new.
func (r *round) choosePins(n *node, rnd *rand.Rand) (moved []string) {
	m := r.moved
	for i := range r.cfg.keys {
		key := keyName(i)
		_, is := m.pins[key]
		switch {
		case rnd.IntN(pinShare) > 0:
		case is && time.Since(m.since[key]) > pinStays:
			delete(m.pins, key)
			m.free[key] = time.Now().Add(route.PinTime(r.cfg.propagation) + r.cfg.skew)
		case !is && time.Now().After(m.free[key]):
			m.pins[key], m.since[key] = n.name, time.Now()
			moved = append(moved, key)
		}
	}
	return moved
}

// pinTable is the store of a process, which has the table that it was last told.
type pinTable struct {
	mu    sync.Mutex
	table *hotkey.Table
}

func newPinTable() (*pinTable, error) {
	s := &pinTable{}
	return s, s.use(0, nil)
}

// use has the process see the pins.
func (s *pinTable) use(epoch uint64, pins map[string]string) error {
	var rules []hotkey.Rule
	for key, node := range pins {
		rules = append(rules, hotkey.Rule{Key: key, Action: hotkey.Action{Kind: hotkey.Pin, Nodes: []string{node}}})
	}
	table, err := hotkey.NewTable(hotkey.Header{Epoch: epoch + 1, Controller: "nemesis"}, rules)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table = table
	return nil
}

// Load implements rulestore.Store.
func (s *pinTable) Load(context.Context) (*hotkey.Table, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table, nil
}

// Publish implements rulestore.Store; no client has a reason to.
func (s *pinTable) Publish(context.Context, hotkey.Header, *hotkey.Table) error {
	return errors.New("only the nemesis pins here")
}

// Interval implements rulestore.Store.
func (s *pinTable) Interval() time.Duration { return resolveInterval }

// pinHistory is what became of keys that were pinned.
type pinHistory struct {
	pins  map[string][]*history.Event
	first map[string]*history.Op // hit of each key, so its home without a pin
}

func pinnedTo(h *history.History) pinHistory {
	p := pinHistory{map[string][]*history.Event{}, map[string]*history.Op{}}
	for i := range h.Events {
		if key, ok := strings.CutPrefix(h.Events[i].Text, pinNote); ok && h.Events[i].Kind == history.Note {
			p.pins[key] = append(p.pins[key], &h.Events[i])
		}
	}
	for i := range h.Ops {
		op := &h.Ops[i]
		if first := p.first[op.Key]; op.Command == history.Get && op.Outcome == history.OK && (first == nil || op.Call < first.Call) {
			p.first[op.Key] = op
		}
	}
	return p
}

// moved reports whether op is a hit at a node that its key has been pinned to, and that was not its home before.
func (p *pinHistory) moved(op *history.Op) bool {
	return slices.ContainsFunc(p.pins[op.Key], func(e *history.Event) bool {
		return e.Node == op.Node && e.End < op.Call && p.first[op.Key].Node != op.Node
	})
}
