package memcache

import (
	"context"

	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// view is what the client believes at one moment: the nodes and the tree of routes over them. It is immutable and
// replaced as a whole.
type view struct {
	nodes     []*pool.Node // in the order of names
	leaving   []member     // that are not among them any more, and still written to by deletes
	tree      route.Route
	read      route.Route     // the part of the tree that serves reads
	placement route.Placement // of a preset; nil for a tree that is none
	pinned    *route.Rules    // of placement; nil: there are no pins of a store
	slowLast  *pool.NodeSet   // by which slow replicas are read last; nil: they are not
	local     locality
	zones     map[string]string // of the nodes that have one, by name
	reason    error             // why there are no nodes
}

// names returns those of the nodes.
func (v *view) names() []string {
	names := make([]string, len(v.nodes))
	for i, n := range v.nodes {
		names[i] = n.Name()
	}
	return names
}

// emptyView answers everything with err.
func emptyView(err error) *view {
	tree := failing{err}
	return &view{tree: tree, read: tree, reason: err}
}

var closedView = emptyView(ErrClosed)

// reservedView serves keys that are not the application's.
var reservedView = emptyView(ErrReservedKey)

// failing is the route of a client without nodes.
type failing struct{ err error }

func (f failing) Do(_ context.Context, ops []*route.Op) {
	for _, op := range ops {
		op.Settle(nil, &OpError{Command: op.Request.Command, Outcome: pool.NotSent, Err: f.err})
	}
}

// member is a node of the view and what is known of it.
type member struct {
	discovery.Node
	node *pool.Node
}

// viewOf makes the view over a list of nodes.
func (c *Client) viewOf(set *nodeSet, list []discovery.Node) (*view, error) {
	if len(list) == 0 {
		return emptyView(ErrNoServers), nil
	}
	members := make([]member, len(list))
	for i, n := range list { // in the order of names
		members[i] = member{n, set.get(specOf(n))}
	}
	local := c.cfg.local.decide(members, c.nearest)
	leaving := c.departed(set)
	v, err := c.buildView(members, leaving, local)
	if err != nil {
		return nil, err
	}
	v.local, v.zones, v.leaving = local, zonesOf(list), leaving
	if c.cfg.topology == zoned {
		leaveLast(members, leaving)
	}
	return v, nil
}

func zonesOf(list []discovery.Node) map[string]string {
	zones := make(map[string]string)
	for _, n := range list {
		if n.Zone != "" {
			zones[n.Name] = n.Zone
		}
	}
	return zones
}

func (c *Client) buildView(members, leaving []member, local locality) (*view, error) {
	switch {
	case c.cfg.build != nil:
		return c.customView(members, local)
	case c.cfg.coherent && !c.cfg.onlyHomes():
		return c.coherentView(members, leaving, local)
	}
	return c.presetView(members, leaving, local)
}

// presetView builds the tree of a preset over members.
func (c *Client) presetView(members, leaving []member, local locality) (*view, error) {
	placement, err := c.placement(members, leaving, local)
	if err != nil {
		return nil, err
	}
	placement, pinned := c.overridden(placement, members, leaving, local)
	c.late.Follow(placement)
	read := route.SlowLast(placement, c.cfg.node.NodeSet)
	return &view{tree: c.tree(placement, read), read: read, placement: placement, pinned: pinned, slowLast: c.cfg.node.NodeSet}, nil
}

// tree is the tree of all presets; they differ in placement alone.
func (c *Client) tree(p route.Placement, read route.Route) route.Route {
	all, home := c.cfg.written(route.Verified(p, c.verifier)), c.cfg.written(route.AtHome(p))
	getAndTouch := route.GetAndTouch(all, read)
	if c.cfg.onlyHomes() {
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

func (c *Client) placement(members, leaving []member, local locality) (route.Placement, error) {
	all := append(routeMembers(members), leavingMembers(leaving)...)
	switch c.cfg.topology {
	case zoned:
		return c.zones(all, local)
	case replicated:
		return route.NewSlots(all, len(members), local.name())
	default:
		return c.shards(all, c.cfg.replicas, local.name())
	}
}

// shards places each key on so many of members, and has it move where they come and go.
func (c *Client) shards(members []route.Member, replicas int, local string) (route.Placement, error) {
	if c.cfg.moves() {
		return route.NewWalk(members, replicas, local, c.cfg.maxTTL, c.late)
	}
	return route.NewSlots(members, replicas, local)
}

// zones places each key on one node of each zone that has nodes. The last nodes of a zone that is gone are not those of a
// zone any more.
func (c *Client) zones(members []route.Member, local locality) (route.Placement, error) {
	byZone := map[string][]route.Member{}
	for _, m := range members {
		if !m.Leaving {
			byZone[m.Zone] = append(byZone[m.Zone], m)
		}
	}
	var zones []route.Member
	for _, m := range members {
		switch _, ok := byZone[m.Zone]; {
		case !m.Leaving:
		case ok:
			byZone[m.Zone] = append(byZone[m.Zone], m)
		default:
			zones = append(zones, m)
		}
	}
	for zone, inZone := range byZone {
		shards, err := c.shards(inZone, 1, "")
		if err != nil {
			return nil, err
		}
		zones = append(zones, route.Member{Route: route.Hash(shards), Name: zone})
	}
	return route.Zones(zones, local.zone)
}

func routeMembers(members []member) []route.Member {
	list := make([]route.Member, len(members))
	for i, m := range members {
		list[i] = route.Member{Route: m.node, Name: m.Name, Zone: m.Zone, Weight: m.Weight}
	}
	return list
}

func leavingMembers(leaving []member) []route.Member {
	list := routeMembers(leaving)
	for i := range list {
		list[i].Leaving = true
	}
	return list
}
