package memcache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/hotcopy"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
	"github.com/nohop/memcache/rulestore"
)

// WithHotKeyPolicy says what may be done about hot keys by itself. The zero policy, the default, keeps a copy of a hot value
// in the process and asks the key's home at each read whether it is still the same; what is read is as new as without it.
// With a Staleness it need not ask each time. With this option, or rules, or nodes that come and go, values that are too large
// for the process are read from copies on several nodes, where each key lives on one. The bounds on memory hold for what rules
// keep, too; without rules the option excludes WithoutRemedies and WithoutHotKeys.
func WithHotKeyPolicy(p hotkey.Policy) Option {
	return func(c *config) error {
		if p.Staleness < 0 || p.Staleness > hotkey.MaxStaleness {
			return badOption("staleness must be between 0 and " + hotkey.MaxStaleness.String())
		}
		c.remedies.policy, c.remedies.asked = p, true
		return nil
	}
}

// WithoutRemedies has hot keys found and nothing done about them but what rules say.
func WithoutRemedies() Option {
	return func(c *config) error {
		c.remedies.off = true
		return nil
	}
}

// WithKeyRules has rules of the application's own apply in this process: what is done about a key, or about all keys with a
// prefix. They come before those of a store (WithRuleStore), and those before what is done automatically. A rule of Pin applies
// from the start, as WithRule does, and needs to be the same in all processes; one that is to come or go belongs in a store,
// and so does any rule that expires.
// The nodes of a rule are named as those of WithRule. Rules are for the presets: beside WithRoute and WithMcrouterConfig these,
// those of a store and a WithHotKeyPolicy are errors, as none would apply.
//
// Keys and prefixes of rules are as they travel, with the namespace (WithNamespace) and as a digest (WithLongKeys), unlike the
// key of WithRule; but not in base64 (WithBinaryKeys).
func WithKeyRules(rules ...hotkey.Rule) Option {
	return func(c *config) error {
		c.remedies.own = append(c.remedies.own, rules...)
		return nil
	}
}

// remedyConfig is what the options say of rules and remedies.
type remedyConfig struct {
	policy hotkey.Policy
	asked  bool          // WithHotKeyPolicy was given
	off    bool          // nothing is done automatically
	own    []hotkey.Rule // WithKeyRules
	store  rulestore.Store
	shared bool // the store is memcached itself
}

// hasRules reports whether there are rules, or may be.
func (r *remedyConfig) hasRules() bool { return len(r.own) > 0 || r.store != nil || r.shared }

// validateTree refuses rules beside a tree that is no preset's: they would be passed over.
func (c *config) validateTree() error {
	trees := map[topology]string{custom: "WithRoute", configured: "WithMcrouterConfig"}
	r := &c.remedies
	for _, option := range []struct {
		name  string
		given bool
	}{
		{"WithKeyRules", len(r.own) > 0}, {"WithRuleStore", r.store != nil},
		{"WithSharedRules", r.shared}, {"WithHotKeyPolicy", r.asked},
	} {
		if option.given && c.isFree() {
			return badOption(option.name + " has no meaning beside " + trees[c.topology] + ": rules apply in the presets only")
		}
	}
	return nil
}

// remedies is what the client does about hot keys: a table of rules and the copies that they call for. Where there is no
// rule, the trees of the view are used as they are and know nothing of it.
type remedies struct {
	config   remedyConfig
	copies   *hotcopy.Copies
	samplers samplers
	follower *rulestore.Follower // of the store; nil: there is none

	pinBound time.Duration // D for pins of the store
	ready    chan struct{} // closed when it is first known which there are

	mu     sync.Mutex    // guards what follows, and the walk from one table to the next
	shared *hotkey.Table // what the store says
	live   map[string]*livePin
	known  bool // pins that are not live have come since

	pins  atomic.Pointer[[]*livePin]      // live
	found atomic.Pointer[[]hotkey.Remedy] // what the detector says
	table atomic.Pointer[hotkey.Table]    // in force; nil: no rules
}

// startRemedies begins to act on hot keys and on rules.
func (c *Client) startRemedies(ctx context.Context) error {
	if c.cfg.isFree() || c.detector == nil && !c.cfg.remedies.hasRules() {
		return nil
	}
	r := &remedies{config: c.cfg.remedies, ready: make(chan struct{}), live: make(map[string]*livePin)}
	r.copies = hotcopy.New(hotcopy.Config{
		Bytes: r.config.policy.KeepBytes, ItemBytes: r.config.policy.KeepItemBytes,
		WriteTime: 8 * max(c.cfg.node.Timeout, pool.DefaultTimeout), Observe: c.observeCopy, OnEvent: c.copyEvent,
	})
	if c.detector != nil {
		r.samplers = newSamplers(c.detector)
	}
	c.remedies = r
	if err := c.followRules(ctx); err != nil {
		return err
	}
	if err := c.applyRules(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrBadOption, err)
	}
	return nil
}

// actOnHotKeys judges what the samplers have seen, and acts on it, until ctx ends.
func (c *Client) actOnHotKeys(ctx context.Context) {
	ticker := time.NewTicker(hotkey.TickInterval)
	defer ticker.Stop()
	c.detector.Tick(time.Now())
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			c.detector.Tick(now)
		}
		if c.remedies == nil || c.remedies.config.off {
			continue
		}
		if err := c.applyRules(ctx); err != nil {
			c.events.add(Event{Kind: RulesRefused, Err: err})
		}
	}
}

// applyRules puts together what the application, the store and the detector say, and has it apply.
func (c *Client) applyRules(ctx context.Context) error {
	r := c.remedies
	r.mu.Lock()
	defer r.mu.Unlock()
	table, err := joinRules(r.config.own, r.shared)
	if err != nil {
		return err
	}
	if c.detector != nil && !r.config.off {
		found := c.detector.Remedies(r.config.policy, table.Explicit())
		r.found.Store(&found)
		if table, err = withFound(table, found); err != nil {
			return err
		}
	}
	return c.enforce(ctx, table)
}

// withFound returns a table with what is done about found keys, as far as there is room. Its own automatic rules come first:
// they are the store's, for all processes.
func withFound(table *hotkey.Table, found []hotkey.Remedy) (*hotkey.Table, error) {
	rules := slices.Collect(table.Rules())
	room, taken := hotkey.MaxAutomaticRules, make(map[string]bool)
	for _, rule := range rules {
		if rule.Origin == hotkey.Automatic {
			taken[rule.Key] = true
			room--
		}
	}
	for _, m := range rulestore.WithoutPins(found) { // hottest first
		if room > 0 && m.Decision.Action.Kind != hotkey.None && !taken[m.Key.Name] {
			rules = append(rules, hotkey.Rule{Key: m.Key.Name, Action: m.Decision.Action, Origin: hotkey.Automatic})
			room--
		}
	}
	return hotkey.NewTable(table.Header(), rules)
}

// joinRules makes one table of the rules of the application and of those of a store.
func joinRules(own []hotkey.Rule, shared *hotkey.Table) (*hotkey.Table, error) {
	if len(own) == 0 {
		return shared, nil
	}
	rules := slices.Clone(own)
	for rule := range shared.Rules() {
		if !slices.ContainsFunc(own, func(o hotkey.Rule) bool { return o.Key == rule.Key && o.Prefix == rule.Prefix }) {
			rules = append(rules, rule)
		}
	}
	header := shared.Header()
	header.Expires = time.Time{} // the store's rules are gone when they expire, and one's own do not
	return hotkey.NewTable(header, rules)
}

// enforce has table apply. A view is made anew where the first rule comes or the last one goes: the trees are wrapped then.
func (c *Client) enforce(ctx context.Context, table *hotkey.Table) error {
	r := c.remedies
	if table.Len() == 0 {
		table = nil
	}
	before := r.table.Swap(table)
	if before == nil && table == nil {
		return nil
	}
	r.copies.SetTable(table)
	if (before == nil) != (table == nil) {
		return c.renew(ctx)
	}
	return nil
}

// renew makes the view over the same nodes anew, if there is one.
func (c *Client) renew(ctx context.Context) error {
	if c.view.Load().reason != nil {
		return nil // the next view has it
	}
	return c.apply(ctx, func(set *nodeSet) (*view, error) { return c.viewOf(set, c.list) })
}

// relieve puts the copies before the trees of a view, where there are rules. Values are spread over nodes only where a key
// lives on one of them.
func (c *Client) relieve(v *view) {
	r := c.remedies
	if r == nil || r.table.Load() == nil || v.reason != nil {
		return
	}
	var nodes []*pool.Node
	if c.cfg.onlyHomes() {
		nodes = v.nodes
	}
	v.tree, v.read = r.copies.Route(v.tree, nodes...), r.copies.Route(v.read, nodes...)
}

// Rules returns the rules that apply now, those of the application, of the store and those made automatically, each with its
// origin; nil if there is none. The table is immutable.
func (c *Client) Rules() *hotkey.Table {
	if c.remedies == nil {
		return nil
	}
	return c.remedies.table.Load()
}

// remedyOf says in few letters what is done about a key.
func (c *Client) remedyOf(key string) string {
	if rule := c.Rules().Lookup(route.HashKey(key), key); rule != nil {
		return hotkey.RemedyText(rule.Action)
	}
	return ""
}

// observeCopy tells the detector of a read that no node has seen, or not as it was.
func (c *Client) observeCopy(op *route.Op, size int) {
	if c.remedies.samplers != nil {
		c.remedies.samplers.read(op, size)
	}
}

// samplers are those for reads from copies, of which there can be millions a second: several, so that readers seldom meet.
type samplers []lockedSampler

// maxSamplers bounds them: each hands its counts over in lumps, so many make the rates of a moment rough.
const maxSamplers = 16

type lockedSampler struct {
	mu sync.Mutex
	*hotkey.Sampler
	_ [64]byte // a cache line apart
}

func newSamplers(d *hotkey.Detector) samplers {
	s := make(samplers, min(runtime.GOMAXPROCS(0), maxSamplers))
	for i := range s {
		s[i].Sampler = d.NewSampler()
	}
	return s
}

func (s samplers) read(op *route.Op, size int) {
	one := &s[rand.Uint32N(uint32(len(s)))]
	one.mu.Lock()
	defer one.mu.Unlock()
	if op.Err == nil && isHit(op) {
		one.Read(op.Request.Key, op.Hash, size)
	} else {
		one.Miss(op.Request.Key, op.Hash)
	}
}

func (c *Client) copyEvent(e hotcopy.Event) {
	c.events.add(Event{Kind: NodeUnfit, Node: e.Node, Err: fmt.Errorf("memcache: no copies of this node's hot keys: %s", e.Reason)})
}
