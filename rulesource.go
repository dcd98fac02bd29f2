package memcache

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/rulestore"
)

// WithRuleStore has the rules in a store apply, and follows them as they change: a file, Redis, or one of your own (package
// rulestore). While the store fails, or holds what is not valid, the last good rules stay.
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
// the copies of it. It is for the sharded topology. Nothing more needs to run.
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
	r.follower = f
	c.wg.Go(func() { _ = f.Run(ctx, func(t *hotkey.Table) { c.takeRules(ctx, t) }) }) // its error is that of ctx
	if !r.config.shared || c.detector == nil {
		return nil
	}
	heat, err := rulestore.NewHeat(rulestore.HeatConfig{Order: c.orderOf, Detector: c.detector, Share: c.cfg.hotKeys.Share})
	if err != nil {
		return err
	}
	c.wg.Go(func() { _ = heat.Run(ctx) }) // its error is that of ctx
	return nil
}

// takeRules has what the store says apply.
func (c *Client) takeRules(ctx context.Context, t *hotkey.Table) {
	r := c.remedies
	r.mu.Lock()
	r.shared = t
	r.mu.Unlock()
	if err := c.applyRules(ctx); err != nil {
		c.events.add(Event{Kind: RulesRefused, Err: err})
		return
	}
	c.events.add(Event{Kind: RulesChanged, Rules: c.Rules().Len()})
}

// ruleEvent tells of trouble with the store, and of its end.
func (c *Client) ruleEvent(e rulestore.Event) {
	if e.Err != nil {
		c.events.add(Event{Kind: RulesRefused, Err: e.Err})
	}
}

// UpdateRules changes the rules in the store: edit gets a draft of what the store holds. It may be called twice, if another
// process changes them at the same moment. id names who does it.
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
	names := make([]string, len(v.nodes))
	for i, n := range v.nodes {
		names[i] = n.Name()
	}
	c.remedies.follower.SetNodes(names)
}
