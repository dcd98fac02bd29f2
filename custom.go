package memcache

import "github.com/nohop/memcache/route"

// Nodes are what a tree of routes is built over.
type Nodes struct {
	Members    []route.Member    // the nodes there are now, in the order of names, each with its address as its name
	Local      string            // the name of the node that WithLocal means, "" if it is not there
	Background *route.Background // for routes that leave work behind; it ends with the client
}

// WithRoute has build make the tree of routes, instead of WithReplicated, WithSharded, WithZone and WithRule: any
// composition of package route's. It is called by New, and again whenever the nodes change; an error at New is New's, and
// later ones leave the last tree in place.
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
func (c *Client) customView(members []member) (*view, error) {
	tree, err := c.cfg.build(Nodes{Members: routeMembers(members), Local: c.cfg.localNode(members), Background: c.background})
	if err != nil {
		return nil, err
	}
	return &view{tree: tree, read: tree}, nil
}
