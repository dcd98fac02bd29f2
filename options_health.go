package memcache

// WithMaxEjected bounds how many of the nodes are ejected at once, as a share of them above 0 and up to 1, rounded down; one
// always may be. The default is all but one. A node that has not answered for the length of a try, or cannot be connected to, is
// ejected: requests to it fail at once, so that they go to another replica or the caller does without, until it answers.
// Past the bound a silent node stays in use, which may cost its callers the timeout (WithTimeout): where so many are silent at
// once, the fault may be this process's or its network's, and to give up all nodes would be to have no cache. Nodes that cannot
// be connected to count, but are never waited for. A small share suits many nodes that rarely fail together; 1 spares the
// callers every wait. Stats and Explain show who is ejected.
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
