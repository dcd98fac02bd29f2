package memcache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/rulestore"
)

// WithRuleStore has the rules in a store apply, and follows them as they change: a file, Redis, or one of your own (package
// rulestore). While the store fails, or holds what is not valid, the last good rules stay. New waits up to two seconds for
// the store's first answer: which keys are pinned must be known before they are used.
//
// Pins of a store are for the sharded topology, and come and go by steps (package documentation, "Pins"). D for them is that
// of WithPropagation, but at least three times the store's interval, eight times WithTimeout, and 800 ms; more than a minute is
// refused. Keys and prefixes of rules are as they travel: see WithKeyRules.
func WithRuleStore(store rulestore.Store) Option {
	return func(c *config) error {
		if store == nil {
			return badOption("no rule store")
		}
		return c.setRuleStore(store, false)
	}
}

// WithSharedRules keeps the rules of the fleet in memcached itself, under a reserved key on three of the nodes, and has the
// processes count together which keys are hot: a key that no process by itself would find is found, and all processes share
// the copies of it. A key that copies do not relieve, because it is written too often, is pinned to the node with the least
// load, if that helps; one of the processes decides about that, and another one if it ends. Pins are for the sharded topology;
// all else serves every preset. A process with WithoutHotKeys goes by the rules and counts nothing. Nothing more needs to run.
// New waits as with WithRuleStore.
func WithSharedRules() Option {
	return func(c *config) error { return c.setRuleStore(nil, true) }
}

func (c *config) setRuleStore(store rulestore.Store, shared bool) error {
	if c.remedies.store != nil || c.remedies.shared {
		return badOption("there can be one rule store: WithRuleStore or WithSharedRules, once")
	}
	c.remedies.store, c.remedies.shared = store, shared
	return nil
}

// followRules follows the store, if there is one.
func (c *Client) followRules(ctx context.Context) error {
	r := c.remedies
	store := r.config.store
	if r.config.shared {
		store = rulestore.NewMemcached(c.orderOf)
	}
	if store == nil {
		return nil
	}
	f, err := rulestore.NewFollower(rulestore.Config{Store: store, OnEvent: c.ruleEvent})
	if err != nil {
		return err
	}
	r.follower, r.pinBound = f, c.cfg.pinBound(store)
	if c.cfg.storedPins() && r.pinBound > maxPinBound {
		return badOption("with a rule store, D may be a minute at most: WithPropagation, and eight times WithTimeout")
	}
	c.wg.Go(func() { _ = f.Run(ctx, func(t *hotkey.Table) { c.takeRules(ctx, t) }) }) // its error is that of ctx
	if c.cfg.storedPins() {
		c.wg.Go(func() { c.tendPins(ctx) })
	}
	if !r.config.shared || c.detector == nil {
		return nil
	}
	heat, err := rulestore.NewHeat(rulestore.HeatConfig{Order: c.orderOf, Detector: c.detector, Share: c.cfg.hotKeys.Share})
	if err != nil {
		return err
	}
	c.wg.Go(func() { _ = heat.Run(ctx) }) // its error is that of ctx
	if !c.cfg.storedPins() || r.config.off {
		return nil
	}
	return c.publishPins(ctx)
}

// takeRules has what the store says apply.
func (c *Client) takeRules(ctx context.Context, t *hotkey.Table) {
	err := c.takePins(ctx, t)
	if err == nil {
		err = c.applyRules(ctx)
	}
	if err != nil {
		c.events.add(Event{Kind: RulesRefused, Err: err})
		return
	}
	c.events.add(Event{Kind: RulesChanged, Rules: c.Rules().Len()})
}

// takePins has the pins of the store's table apply, if it is known what it says. They are those of the whole table: where
// the nodes of t are not all there, the nodes' own steps say so.
func (c *Client) takePins(ctx context.Context, t *hotkey.Table) error {
	r := c.remedies
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shared = t.WithoutEnding()
	if !c.cfg.storedPins() {
		if len(storedPins(r.shared)) > 0 {
			return errPinsElsewhere
		}
		return nil
	}
	if !r.follower.Status().Settled {
		return nil
	}
	if !r.known {
		defer close(r.ready)
	}
	if !r.followPins(r.follower.InForce()) {
		return nil
	}
	return c.renew(ctx)
}

// errPinsElsewhere is why the rules of a store are refused where a key has several homes, or none.
var errPinsElsewhere = errors.New("memcache: pins of a store are for the sharded topology")

// ruleEvent tells of trouble with the store, and of its end.
func (c *Client) ruleEvent(e rulestore.Event) {
	if e.Err != nil {
		c.events.add(Event{Kind: RulesRefused, Err: e.Err})
	}
}

// UpdateRules changes the rules in the store: edit gets a draft of what the store holds. It may be called up to five times, if
// other processes change them at the same moment. id names who does it. Keys and prefixes are as they travel: see WithKeyRules.
//
// Beside edit's own errors and the store's there are
//
//   - hotkey.ErrBadTable: a rule is not valid, or names a node which is not there; nothing has changed;
//   - rulestore.ErrPinMoves: a pin is to have other nodes, or to come again, before it has ended; nothing has changed;
//   - rulestore.ErrConflict: others were faster five times;
//   - rulestore.ErrPartial: the rules are published all the same, in a part of the store;
//   - ErrBadOption: there is no store.
func (c *Client) UpdateRules(ctx context.Context, id string, edit func(*rulestore.Draft) error) error {
	if c.remedies == nil || c.remedies.follower == nil {
		return fmt.Errorf("%w: no rule store", ErrBadOption)
	}
	_, err := c.remedies.follower.Update(ctx, id, edit)
	return err
}

// orderOf returns the first n nodes for a key of the library's own, by rendezvous hashing of the nodes' names: the same in all
// processes, whatever the topology.
func (c *Client) orderOf(key string, n int) []rulestore.Node {
	nodes := slices.Clone(c.view.Load().nodes)
	score := func(node *pool.Node) uint64 { return xxhash.Sum64String(node.Name() + " " + key) }
	slices.SortFunc(nodes, func(a, b *pool.Node) int { return cmp.Compare(score(b), score(a)) })
	order := make([]rulestore.Node, 0, n)
	for _, node := range nodes[:min(n, len(nodes))] {
		order = append(order, node)
	}
	return order
}

// tellRules tells the store's follower which nodes there are, so that rules that name others wait.
func (c *Client) tellRules(v *view) {
	if c.remedies == nil || c.remedies.follower == nil {
		return
	}
	c.remedies.follower.SetNodes(v.names())
}
