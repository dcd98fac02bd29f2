package memcache

import (
	"strconv"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
)

// WithUnhashedNamespace places keys as if they had no namespace, so that the same key has the same nodes in every one, as
// libmemcached does unless told otherwise. All clients of a namespace need the same. It is for the presets; in a tree of
// WithRoute, route.ByKeyPart does the same.
func WithUnhashedNamespace() Option {
	return func(c *config) error {
		c.keys.unhashed = true
		return nil
	}
}

func (c *config) validateNamespace() error {
	switch {
	case !c.keys.unhashed:
		return nil
	case c.keys.namespace == "":
		return badOption("WithUnhashedNamespace needs WithNamespace")
	case c.topology == custom || c.topology == configured:
		return badOption("WithUnhashedNamespace has no meaning beside WithRoute and WithMcrouterConfig: their routes place keys")
	}
	return nil
}

// unhashed places keys by what follows the namespace. It stands below the rules, which go by the whole key.
type unhashed struct {
	namespace int // bytes
	base      route.Placement
}

// placed returns p, or p over keys without their namespace.
func (f *keyForm) placed(p route.Placement) route.Placement {
	if !f.unhashed {
		return p
	}
	return &unhashed{len(f.namespace), p}
}

// Replicas gives op the hash of its key without the namespace; the nodes do not mind.
func (u *unhashed) Replicas(op *route.Op) route.Replicas {
	u.hash(op)
	return u.base.Replicas(op)
}

// Order returns the nodes of the order of op's key.
func (u *unhashed) Order(op *route.Op) []*pool.Node {
	u.hash(op)
	return route.OrderOf(u.base, op)
}

// Why says what the key was placed by.
func (u *unhashed) Why(op *route.Op) string {
	return route.Why(u.base, op) + " of " + strconv.Quote(u.hash(op))
}

// hash returns what it has hashed. An op that stands for no key, but for a hash, keeps it.
func (u *unhashed) hash(op *route.Op) (key string) {
	if len(op.Request.Key) <= u.namespace {
		return ""
	}
	key = op.Request.Key[u.namespace:]
	op.Hash = route.HashKey(key)
	return key
}
