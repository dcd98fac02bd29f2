package memcache

// WithMaxEjected bounds how many of the nodes may be ejected at once, as a share of them above 0 and up to 1, rounded down; one
// always may be. The default is all but one. A node that has not answered for the length of a try, or cannot be connected to, is
// ejected: until it answers, requests to it fail at once, and go to another replica if there is one.
//
// Past the bound a silent node stays in use, and its callers may wait for the timeout (WithTimeout). Where so many nodes
// are silent, the fault may be in this process or its network, and without any node there would be no cache. A node that
// cannot be connected to is never waited for, past the bound either, and counts. A small share suits many nodes that rarely
// fail together; with 1 no caller waits for a node that is known to be silent. Stats and Explain show who is ejected.
func WithMaxEjected(share float64) Option {
	return func(c *config) error {
		if !(share > 0 && share <= 1) {
			return badOption("the share of nodes that may be ejected must be above 0 and at most 1")
		}
		c.nodeSet.MaxEjected = share
		return nil
	}
}

// WithSlowFactor says when a node is slow: when its latency of late is more than factor times the median of all nodes,
// for some tenths of a second; the default is 4, the least 1, and math.Inf(1) means never. Differences below a twentieth of
// the timeout (WithTimeout) never count. Where a key has several replicas, those on slow nodes are read last, for five seconds at
// least; they are written as ever. So reads are spared a node that answers, but is overloaded or swaps. No more than half
// of the nodes are slow at once. A tree of WithRoute takes part by route.SlowLast (Nodes.Set); with WithCoherentReplicas and
// WithMcrouterConfig the order stays. Stats and Explain show who is slow.
func WithSlowFactor(factor float64) Option {
	return func(c *config) error {
		if !(factor >= 1) {
			return badOption("a slow node is at least as slow as the others: the factor must be 1 or more")
		}
		c.nodeSet.SlowFactor = factor
		return nil
	}
}
