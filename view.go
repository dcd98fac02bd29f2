package memcache

import (
	"cmp"
	"context"
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// view is what the client believes at one moment: the nodes and the tree of routes over them. It is immutable and
// replaced as a whole.
type view struct {
	nodes  []*pool.Node // in the order of names
	tree   route.Route
	read   route.Route // the part of the tree that serves reads
	preset *preset     // nil for a tree that is none
	reason error       // why there are no nodes
}

// preset is what a view knows of a tree that it made itself.
type preset struct {
	placement route.Placement
	local     string // the node or zone to read first, "" for none
}

// emptyView answers everything with err.
func emptyView(err error) *view {
	tree := failing{err}
	return &view{tree: tree, read: tree, reason: err}
}

var closedView = emptyView(ErrClosed)

// failing is the route of a client without nodes.
type failing struct{ err error }

func (f failing) Do(_ context.Context, ops []*route.Op) {
	for _, op := range ops {
		op.Settle(nil, &OpError{Command: op.Request.Command, Outcome: pool.NotSent, Err: f.err})
	}
}

// member is a node with its zone.
type member struct {
	node *pool.Node
	zone string
}

// viewOf returns how to make the view over servers.
func (c *Client) viewOf(servers []server) func(*nodeSet) (*view, error) {
	return func(set *nodeSet) (*view, error) {
		members := make([]member, 0, len(servers))
		for _, s := range servers {
			members = append(members, member{set.get(nodeSpec{addr: s.addr}), s.zone})
		}
		slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.node.Name(), b.node.Name()) })
		if len(members) == 0 {
			return emptyView(ErrNoServers), nil
		}
		if c.cfg.build != nil {
			return c.customView(members)
		}
		return c.cfg.presetView(members)
	}
}

// presetView builds the tree of a preset over members.
func (c *config) presetView(members []member) (*view, error) {
	placement, err := c.placement(members)
	if err != nil {
		return nil, err
	}
	placement = c.overridden(placement, members)
	read := route.Failover(placement)
	local := cmp.Or(c.localNode(members), c.localZone(members))
	return &view{tree: c.tree(placement, read), read: read, preset: &preset{placement, local}}, nil
}

// tree is the tree of all presets; they differ in placement alone.
func (c *config) tree(p route.Placement, read route.Route) route.Route {
	all, home := c.written(route.AllSync(p)), c.written(route.AtHome(p))
	getAndTouch := route.GetAndTouch(all, read)
	if c.onlyHomes() {
		getAndTouch = route.Hash(p)
	}
	return route.ByOperation(all, map[protocol.Command]route.Route{
		protocol.Get:         read,
		protocol.GetAndTouch: getAndTouch,
		protocol.Add:         home, protocol.Replace: home, protocol.Append: home, protocol.Prepend: home,
		protocol.Increment: home, protocol.Decrement: home, route.CompareAndSwap: home,
	})
}

// onlyHomes reports whether no key has another replica than its home.
func (c *config) onlyHomes() bool {
	return (c.topology == unset || c.topology == sharded) && c.replicas == 1 && len(c.rules) == 0
}

func (c *config) placement(members []member) (route.Placement, error) {
	switch c.topology {
	case zoned:
		return c.zones(members)
	case replicated:
		return route.NewSlots(routeMembers(members), len(members), c.localNode(members))
	default:
		return route.NewSlots(routeMembers(members), c.replicas, c.localNode(members))
	}
}

// zones places each key on one node of each zone that has nodes.
func (c *config) zones(members []member) (route.Placement, error) {
	var zones []route.Member
	for _, g := range c.groups {
		inZone := slices.DeleteFunc(slices.Clone(members), func(m member) bool { return m.zone != g.zone })
		if len(inZone) == 0 {
			continue
		}
		slots, err := route.NewSlots(routeMembers(inZone), 1, "")
		if err != nil {
			return nil, err
		}
		zones = append(zones, route.Member{Route: route.Hash(slots), Name: g.zone})
	}
	return route.Zones(zones, c.localZone(members))
}

func routeMembers(members []member) []route.Member {
	list := make([]route.Member, len(members))
	for i, m := range members {
		list[i] = route.Member{Route: m.node, Name: m.node.Name()}
	}
	return list
}

// localNode returns the name of the node that WithLocal means, "" if it is not there.
func (c *config) localNode(members []member) string {
	for _, m := range members {
		if c.local != "" && sameNode(c.local, m.node.Name()) {
			return m.node.Name()
		}
	}
	return ""
}

// localZone returns the zone that WithLocal means, or the zone of the node that it means, "" if it is not there.
func (c *config) localZone(members []member) string {
	for _, m := range members {
		if c.local != "" && (c.local == m.zone || sameNode(c.local, m.node.Name())) {
			return m.zone
		}
	}
	return ""
}

// overridden puts the rules before placement. A rule whose nodes are not all there does not apply: where the others
// stand is not known, so the key stays where placement has it.
func (c *config) overridden(p route.Placement, members []member) route.Placement {
	rules := make(map[string]route.Replicas, len(c.rules))
	for key, names := range c.rules {
		if replicas, ok := c.ruleReplicas(names, members); ok {
			rules[key] = replicas
		}
	}
	return route.NewRules(p, rules)
}

func (c *config) ruleReplicas(names []string, members []member) (r route.Replicas, ok bool) {
	zone, nearest := c.localZone(members), far
	for i, name := range names {
		at := slices.IndexFunc(members, func(m member) bool { return m.node.Name() == name })
		if at < 0 {
			return r, false
		}
		r.All = append(r.All, members[at].node)
		if d := c.distance(members[at], zone); d < nearest {
			r.Read, nearest = i, d
		}
	}
	return r, true
}

// The distances of a node: WithLocal means it, or its zone, or neither.
const (
	own = iota
	inZone
	far
)

func (c *config) distance(m member, localZone string) int {
	switch {
	case c.local != "" && sameNode(c.local, m.node.Name()):
		return own
	case localZone != "" && m.zone == localZone:
		return inZone
	}
	return far
}
