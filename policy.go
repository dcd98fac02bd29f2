package memcache

import "github.com/nohop/memcache/route"

// WritePolicy says what becomes of a write that some replicas of its key have done and others have not.
type WritePolicy uint8

// The write policies.
const (
	// Available has the write succeed if one replica has acknowledged it. This client does not read the key at the others
	// until they have deleted it, so it never reads an older value. Another client may, where it can reach a node that this
	// one cannot: until that node can be reached from here again and is repaired, at the latest until the old value's TTL.
	Available WritePolicy = iota
	// RequireAll makes it an ErrPartialWrite; the *WriteError says what became of each replica. The nodes are repaired
	// all the same.
	RequireAll
)

// WithWritePolicy replaces Available, the default.
func WithWritePolicy(p WritePolicy) Option {
	return func(c *config) error {
		if p > RequireAll {
			return badOption("no such write policy")
		}
		c.policy = p
		return nil
	}
}

// written returns writes as the policy has it.
func (c *config) written(writes route.Route) route.Route {
	if c.policy == RequireAll {
		return writes
	}
	return route.Available(writes)
}
