package memcache

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
	"github.com/nohop/memcache/rulestore"
)

// livePin is a pin of the store that moves its key, or is about to, or that ends.
type livePin struct {
	rule hotkey.Rule
	pin  *route.Pin
}

// Bounds of pins.
const (
	maxPinBound = time.Minute // what processes that start are told of a pin that ends is kept for rulestore.PinEnding
	clockSlack  = time.Minute // that the clocks of processes may differ by
	firstRules  = 2 * time.Second
	tendEvery   = time.Second
)

// storedPins reports whether pins of a store apply: where a key lives on single nodes.
func (c *config) storedPins() bool { return c.topology == unset || c.topology == sharded }

// pinBound returns D for pins: by how much two processes may differ in when they see the table of a store. That is known also
// where the nodes never change.
func (c *config) pinBound(store rulestore.Store) time.Duration {
	return max(c.bound(), intervals*store.Interval(), c.longestOperation())
}

// followPins brings the pins in line with the table of the store, and reports whether the view is to be made anew. The caller
// holds mu.
func (r *remedies) followPins(table *hotkey.Table) (changed bool) {
	want := storedPins(table)
	for key, live := range r.live {
		if w, ok := want[key]; !ok || !samePin(w, live.rule) {
			live.pin.End()
		}
		if live.pin.Over() {
			delete(r.live, key)
			changed = true
		}
	}
	for key, w := range want {
		if r.live[key] != nil {
			continue // one that ends has to be over first
		}
		if pin := r.newPin(w); pin != nil {
			r.live[key] = &livePin{w, pin}
			changed = true
		}
	}
	r.known = true
	if changed {
		pins := slices.SortedFunc(maps.Values(r.live), func(a, b *livePin) int { return strings.Compare(a.rule.Key, b.rule.Key) })
		r.pins.Store(&pins)
	}
	return changed
}

// newPin begins a pin as far as it may be, or returns nil if it need not be known any more.
func (r *remedies) newPin(rule hotkey.Rule) *route.Pin {
	ended := time.Since(rule.Expires.Add(-rulestore.PinEnding))
	age := time.Since(rule.Since)
	switch {
	case !rule.Pins() && (r.known || ended > route.PinTime(r.pinBound)+clockSlack):
		return nil
	case !rule.Pins():
		return route.NewPin(route.PinFoundEnding, r.pinBound)
	case r.known:
		return route.NewPin(route.PinComes, r.pinBound)
	case rule.Since.IsZero() || age < r.pinBound+clockSlack:
		return route.NewPin(route.PinFoundYoung, r.pinBound)
	}
	return route.NewPin(route.PinFound, r.pinBound)
}

// storedPins returns the pins of a table by key. Of two for a key, one in force comes first, and of these an explicit one.
func storedPins(table *hotkey.Table) map[string]hotkey.Rule {
	pins := make(map[string]hotkey.Rule)
	for rule := range table.Rules() {
		if rule.Action.Kind != hotkey.Pin {
			continue
		}
		other, ok := pins[rule.Key]
		if !ok || rule.Pins() && (!other.Pins() || rule.Origin == hotkey.Explicit) {
			pins[rule.Key] = rule
		}
	}
	return pins
}

func samePin(a, b hotkey.Rule) bool {
	return a.Action.Ends == b.Action.Ends && slices.Equal(a.Action.Nodes, b.Action.Nodes)
}

// pins returns the pins that are in the trees of views.
func (c *Client) pins() []*livePin {
	if c.remedies == nil {
		return nil
	}
	if pins := c.remedies.pins.Load(); pins != nil {
		return *pins
	}
	return nil
}

// pinned puts the pins before placement. nodes that leave are still among those that a pin may name; where one of them has
// gone altogether, so has every process's use of it.
func (c *Client) pinned(p route.Placement, members, leaving []member, own locality) (route.Placement, *route.Rules) {
	var keys []route.PinnedKey
	for _, live := range c.pins() {
		if key, ok := c.pinnedKey(live, slices.Concat(members, leaving), own); ok {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return p, nil
	}
	rules := route.NewPinned(p, keys, c.late)
	return rules, rules
}

func (c *Client) pinnedKey(live *livePin, members []member, own locality) (key route.PinnedKey, ok bool) {
	names := live.rule.Action.Nodes
	if c.cfg.onlyHomes() {
		names = names[:1]
	}
	r, ok := ruleReplicas(names, members, own)
	key = route.PinnedKey{Key: live.rule.Key, Pin: live.pin, Read: r.Read, Meta: c.cfg.keys.encoding(live.rule.Key)}
	for _, n := range r.All {
		key.Nodes = append(key.Nodes, n.(*pool.Node))
	}
	return key, ok
}

// tendPins does what the steps of pins ask for, and forgets pins that are over, until ctx ends.
func (c *Client) tendPins(ctx context.Context) {
	ticker := time.NewTicker(tendEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if len(c.pins()) == 0 {
			continue
		}
		if pinned := c.view.Load().pinned; pinned != nil {
			for _, change := range pinned.Tend(ctx) {
				c.events.add(Event{Kind: PinMoved, Node: change.Node, Step: change.String()})
			}
		}
		if err := c.forgetPins(ctx); err != nil {
			c.events.add(Event{Kind: RulesRefused, Err: err})
		}
	}
}

// forgetPins takes pins that are over out of the view, and begins those that had to wait for that.
func (c *Client) forgetPins(ctx context.Context) error {
	r := c.remedies
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.followPins(r.follower.InForce()) {
		return nil
	}
	return c.renew(ctx)
}

// awaitRules waits until it is known which pins there are, for a while: who uses the cache without, writes where nobody
// else looks.
func (c *Client) awaitRules(ctx context.Context) {
	if c.remedies == nil || c.remedies.follower == nil || !c.cfg.storedPins() || c.view.Load().reason != nil {
		return
	}
	timer := time.NewTimer(firstRules)
	defer timer.Stop()
	select {
	case <-c.remedies.ready:
	case <-timer.C:
		c.cfg.log.Warn("memcache: no word of the rule store yet", "waited", firstRules)
	case <-ctx.Done():
	}
}
