package memcache

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// WithRule has a key live on these nodes, the first being its home, whatever placement says. Each is a node's name (the
// address of one that has none) and must be one of the servers, or may yet be found by discovery; while one of them is not
// there, the rule does not apply, which is a RulesRefused event. A key has one rule, and every process that uses the key needs
// the same.
func WithRule(key string, nodes ...string) Option {
	return func(c *config) error {
		if len(nodes) == 0 {
			return badOption("a rule needs nodes")
		}
		if _, ok := c.rules[key]; ok {
			return badOption("two rules for one key")
		}
		c.rules[key] = slices.Clone(nodes)
		return nil
	}
}

func (c *config) validateRules() error {
	if c.topology == custom && len(c.rules) > 0 {
		return badOption("WithRule has no meaning beside WithRoute: put route.NewRules into the tree")
	}
	for key, nodes := range c.rules {
		if err := c.validateRule(key, nodes); err != nil {
			return err
		}
	}
	return c.validateKeyRules()
}

// validateKeyRules refuses rules of WithKeyRules that could never apply.
func (c *config) validateKeyRules() error {
	for i, rule := range c.remedies.own {
		if !rule.Expires.IsZero() {
			return badOption(fmt.Sprintf("rule %d of WithKeyRules expires: such rules belong in a store", i+1))
		}
		for _, name := range rule.Action.Nodes {
			if !c.mayBeNode(name) {
				return badOption(fmt.Sprintf("rule %d of WithKeyRules names a node that is no server: %s", i+1, name))
			}
		}
	}
	return nil
}

func (c *config) validateRule(key string, nodes []string) error {
	wire := c.keys.wire(key)
	named := protocol.Request{Command: protocol.Get, Key: wire, Meta: c.keys.encoding(wire)}
	if err := protocol.Check(&named); err != nil {
		return fmt.Errorf("%w: rule: %w", ErrBadOption, err)
	}
	for i, name := range nodes {
		if !c.mayBeNode(name) {
			return badOption("a rule names a node that is no server: " + name)
		}
		if slices.ContainsFunc(nodes[:i], func(other string) bool { return fullName(other) == fullName(name) }) {
			return badOption("a rule names a node twice: " + name)
		}
	}
	return nil
}

// mayBeNode reports whether name is that of a server, or may become one.
func (c *config) mayBeNode(name string) bool {
	if slices.ContainsFunc(c.fixed, func(n discovery.Node) bool { return isNamed(n.Name, name) }) {
		return true
	}
	_, err := discovery.Validate([]discovery.Node{{Name: name, Addr: "any"}}, 1)
	return c.source != nil && name != "" && err == nil
}

// isNamed reports whether a rule means the node of that name.
func isNamed(node, name string) bool { return node == name || node == fullName(name) }

// fullName returns an address in the spelling in which it is a node's name; what is no address stays as it is.
func fullName(name string) string {
	list, err := discovery.Validate([]discovery.Node{{Addr: name}}, 1)
	if err != nil {
		return name
	}
	return list[0].Name
}

// tellAwaited tells which nodes rules of the application's own wait for, when that has changed. The caller holds mu.
func (c *Client) tellAwaited(v *view) {
	before := c.awaited
	c.awaited = c.cfg.awaited(v)
	if len(c.awaited) == 0 || slices.Equal(before, c.awaited) {
		return
	}
	names := strings.Join(c.awaited, ", ")
	c.cfg.log.Warn("memcache: rules do not apply, for nodes that they name are not there", "nodes", names)
	c.events.add(Event{Kind: RulesRefused, Err: fmt.Errorf("memcache: rules do not apply without nodes %s", names)})
}

// awaited returns the nodes that are not in a view and that WithRule, or a pin of WithKeyRules, names.
func (c *config) awaited(v *view) (names []string) {
	add := func(nodes []string) {
		for _, name := range nodes {
			if !slices.ContainsFunc(v.nodes, func(n *pool.Node) bool { return isNamed(n.Name(), name) }) {
				names = append(names, name)
			}
		}
	}
	for _, nodes := range c.rules {
		add(nodes)
	}
	for _, rule := range c.remedies.own {
		if rule.Pins() {
			add(rule.Action.Nodes)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// overridden puts the application's own rules before placement, and before them the pins of a store, which come and go
// (pins.go). A rule whose nodes are not all there does not apply: where the others stand is not known, so the key stays where
// placement has it.
func (c *Client) overridden(p route.Placement, members, leaving []member, own locality) (route.Placement, *route.Rules) {
	rules := make(map[string]route.Replicas, len(c.cfg.rules))
	for _, rule := range c.cfg.remedies.own {
		if replicas, ok := ruleReplicas(rule.Action.Nodes, members, own); ok && rule.Pins() {
			rules[rule.Key] = replicas
		}
	}
	for key, names := range c.cfg.rules {
		if replicas, ok := ruleReplicas(names, members, own); ok {
			rules[c.cfg.keys.wire(key)] = replicas
		}
	}
	p, pinned := c.pinned(c.cfg.keys.placed(p), members, leaving, own)
	return route.NewRules(p, rules), pinned
}

// ruleReplicas returns the nodes of these names as replicas.
func ruleReplicas(names []string, members []member, own locality) (r route.Replicas, ok bool) {
	nearest := far
	for i, name := range names {
		at := slices.IndexFunc(members, func(m member) bool { return isNamed(m.Name, name) })
		if at < 0 {
			return r, false
		}
		r.All = append(r.All, members[at].node)
		if d := own.distance(members[at]); d < nearest {
			r.Read, nearest = i, d
		}
	}
	return r, true
}
