package memcache

import (
	"time"

	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/pool"
)

// WithPropagation sets D, the propagation bound: by how much two processes may differ in when they learn that a node has
// joined or left. All that is promised of nodes that come and go is promised for processes within D of each other
// (package documentation, "Nodes that come and go"), so when in doubt set it longer: what it costs is that a node which
// joins serves that much later. It must be the same in all processes, and is counted in whole seconds.
//
// The default is three times the longest interval at which the sources of the nodes are asked, and where all nodes are
// known from the start, 0: such a list never changes, and nothing is done about changes. Set it for such a list if the list
// differs between processes for a time, as while a new one is rolled out; then D is how long that takes. With
// WithMcrouterConfig, too, the default is 0. What is not 0 counts as at least the time that the longest operation takes, eight
// times WithTimeout and at least 800 ms, and as a day at most.
func WithPropagation(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return badOption("propagation must not be negative")
		}
		c.propagation = &d
		return nil
	}
}

// WithWarmUp sets how long a key that has moved to a node that has joined is looked for at the node that had it, and moved
// along with what it is: a key that nobody reads in that time is lost to the cache. The default is a minute; it is never
// shorter than D and two seconds, must be the same in all processes, and has no meaning where D is 0. Until it is over, each
// write of such a key takes three exchanges, and each miss four.
func WithWarmUp(d time.Duration) Option {
	return func(c *config) error {
		c.node.WarmUp = d
		return positive("warm-up", d)
	}
}

// intervals is how many times a source is asked until surely every process has seen a change: two, and one in reserve.
const intervals = 3

// bound returns D.
func (c *config) bound() time.Duration {
	var d time.Duration
	switch {
	case c.propagation != nil:
		d = *c.propagation
	case c.source != nil:
		d = intervals * c.interval
	}
	if d == 0 {
		return 0
	}
	return max(d, c.longestOperation())
}

// longestOperation is longer than an operation that found a node in the view can be under way there: a write while a key's
// home moves clears, stores and clears, and each may be tried twice. A read that fails over may take longer, and goes on
// at the nodes that are left.
func (c *config) longestOperation() time.Duration {
	return 8 * max(c.node.Timeout, pool.DefaultTimeout)
}

// intervalOf returns how often a source is asked.
func intervalOf(src discovery.Source) time.Duration {
	if p, ok := src.(discovery.Paced); ok && p.Interval() > 0 {
		return p.Interval()
	}
	return discovery.DefaultInterval
}

// changes reports whether the nodes may change, so that something is to be done for what they hold to agree.
func (c *config) changes() bool { return c.node.Quarantine > 0 }
