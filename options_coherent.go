package memcache

import "github.com/nohop/memcache/route"

// WithCoherentReplicas has a write store the item at its key's home alone and delete the key at the other replicas; each of
// them is filled again, from the home, by the first read that misses there. By default a Set stores at all replicas at once.
//
// It is for keys that several processes write: no two of them can leave different values at two replicas, not even for a
// moment, and no fill brings back what a write has removed (route.Coherent says how). The price: a write takes two exchanges,
// one after the other, and the first read at each replica after it three. While a key's home cannot be reached, a Set stores
// nothing; it removes the old value everywhere else, and under Available that is a success.
//
// A copy ends two seconds before its original does, and there is none of what has less to live. Nodes without leases (before
// 1.6.13, or with -C) get no copies: their reads ask the home. Where keys have one replica, the option changes nothing.
// Beside WithRoute and WithMcrouterConfig it is an error.
func WithCoherentReplicas() Option {
	return func(c *config) error {
		c.coherent = true
		return nil
	}
}

func (c *config) validateCoherent() error {
	if c.coherent && (c.topology == custom || c.topology == configured) {
		return badOption("WithCoherentReplicas has no meaning beside WithRoute or WithMcrouterConfig: put route.Coherent into the tree")
	}
	return nil
}

// coherentView builds the tree of a preset over members with WithCoherentReplicas.
func (c *Client) coherentView(members, leaving []member, local locality) (*view, error) {
	placement, err := c.placement(members, leaving, local)
	if err != nil {
		return nil, err
	}
	placement, pinned := c.overridden(placement, members, leaving, local)
	coherent, err := route.Coherent(placement, c.late)
	if err != nil {
		return nil, err
	}
	return &view{tree: c.cfg.written(coherent), read: coherent, placement: placement, pinned: pinned}, nil
}
