package memcache

import (
	"time"

	"github.com/nohop/memcache/protocol"
)

// WithMaxTTL bounds how long an item lives: one that would live longer, or for ever, gets this TTL, counted from its last
// store or touch. It bounds how long a value can be stale that nobody is left to repair: the writer died before a replica
// that it could not reach was back. The default is no bound. Append, Prepend, Increment and Decrement leave an item's TTL as
// it is.
func WithMaxTTL(ttl time.Duration) Option {
	return func(c *config) error {
		c.maxTTL = ttl
		if _, err := protocol.Exptime(ttl, time.Now()); err != nil {
			return badOption("the largest TTL cannot be told to a server")
		}
		return positive("largest TTL", ttl)
	}
}

// exptime returns memcached's number for a TTL. It spares the clock where there is none.
func (c *config) exptime(ttl time.Duration) (int64, error) {
	if c.maxTTL > 0 && (ttl == 0 || ttl > c.maxTTL) {
		ttl = c.maxTTL
	}
	if ttl == 0 {
		return 0, nil
	}
	return protocol.Exptime(ttl, time.Now())
}
