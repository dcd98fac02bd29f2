package hotcopy

import (
	"errors"
	"fmt"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Errors of ops that are not sent. They come in a *pool.Error.
var (
	// ErrDenied means that a rule denies the key.
	ErrDenied = errors.New("memcache: a rule denies the key")
	// ErrReservedKey means that the key begins with "~": such keys are the library's own. It is a protocol.ErrMalformedKey.
	ErrReservedKey = fmt.Errorf("%w: keys that begin with ~ are reserved", protocol.ErrMalformedKey)
)

// Event says that a node is unfit for copies.
type Event struct {
	Node   string // its name
	Reason Reason
}

// Reason is why a node is unfit.
type Reason uint8

// The reasons.
const (
	// NoMeta: the node does not know the meta commands as of memcached 1.6.13. Its keys are read as without a rule.
	NoMeta Reason = iota + 1
	// NoCAS: the node counts no CAS ("memcached -C"). Its keys are read as without a rule.
	NoCAS
	// NoGeneration: it is not known which life of the node answers: its pool has no Config.Generations, or it refuses the
	// mark. What is to be spread is kept in the process only.
	NoGeneration
	// Elsewhere: the tree has asked this node for the CAS of a key and then read the value at another. Such keys are read as
	// without a rule, for a second at a time.
	Elsewhere
)

func (r Reason) String() string {
	switch r {
	case NoMeta:
		return "no meta commands"
	case NoCAS:
		return "no CAS"
	case NoGeneration:
		return "no generation"
	case Elsewhere:
		return "value read elsewhere"
	}
	return "unknown"
}

// tell raises an event, once for each node and reason.
func (c *Copies) tell(n *pool.Node, r Reason) {
	if n == nil || c.cfg.OnEvent == nil {
		return
	}
	e := Event{n.Name(), r}
	c.mu.Lock()
	known := c.told[e]
	c.told[e] = true
	c.mu.Unlock()
	if !known {
		c.cfg.OnEvent(e)
	}
}

// refuse settles an op that is not sent anywhere.
func refuse(op *route.Op, err error) {
	op.Settle(nil, &pool.Error{Command: op.Request.Command, Outcome: pool.NotSent, Err: err})
}
