package memcache

import (
	"fmt"
	"slices"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
)

// Nodes are what a tree of routes is built over.
type Nodes struct {
	Members    []route.Member    // the nodes there are now, in the order of names, with zones and weights
	Local      string            // the name of the local node (WithLocal), "" if there is none
	LocalZone  string            // the zone that is local, "" if there is none
	Background *route.Background // for routes that leave work behind; it ends with the client
	Set        *pool.NodeSet     // knows which nodes are slow, for route.SlowLast
}

// Routes returns the routes of the nodes of these names, in this order, for trees in which the order matters. The error
// names one that is not there.
func (n Nodes) Routes(names ...string) ([]route.Route, error) {
	routes := make([]route.Route, len(names))
	for i, name := range names {
		at := slices.IndexFunc(n.Members, func(m route.Member) bool { return m.Name == name })
		if at < 0 {
			return nil, fmt.Errorf("memcache: there is no node %q", name)
		}
		routes[i] = n.Members[at].Route
	}
	return routes, nil
}

// WithRoute has build make the tree of routes, instead of WithReplicated, WithSharded, WithZone, WithZoned and WithRule: any
// composition of package route's. It is called with the first nodes, and again whenever the nodes or which of them is
// local change. Whether a partial write is a success is up to the tree too: see route.Available. An error with the first
// nodes is New's, if it waits for them; later ones leave the last tree in place. No route and no error is an error too.
func WithRoute(build func(Nodes) (route.Route, error)) Option {
	return func(c *config) error {
		if build == nil {
			return badOption("WithRoute needs a function")
		}
		c.build = build
		return c.setTopology(custom)
	}
}

// customView has WithRoute's function build the tree over members.
func (c *Client) customView(members []member, local locality) (*view, error) {
	tree, err := c.cfg.build(Nodes{
		Members: routeMembers(members), Local: local.node, LocalZone: local.zone, Background: c.background, Set: c.cfg.node.NodeSet,
	})
	switch {
	case err != nil:
		return nil, err
	case tree == nil:
		return nil, badOption("the function of WithRoute has returned neither a route nor an error")
	}
	return &view{tree: tree, read: tree}, nil
}
