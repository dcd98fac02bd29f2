package pool

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/nohop/memcache/internal/mechanism"
	"github.com/nohop/memcache/protocol"
)

// Config says how to reach one node. Only Addr is required.
type Config struct {
	Name string // stable identity; default: Addr
	Addr string // "host:port", "[v6]:port", or the path of a unix socket (it holds a slash)

	Timeout     time.Duration // of a try, from the call to its reply; default 100 ms. See Node.Do for large batches
	DialTimeout time.Duration // of connecting, handshakes included; default three times Timeout, at most 240 ms
	Conns       int           // connections; a key's writes always take the same one. Default 1, and 2 while reads gain by it
	MaxOwed     int           // replies owed on a connection; more callers wait. Default and most 1024
	MaxQueued   int           // bytes queued on a connection and not yet written; default 4 MiB
	MaxValue    int           // largest value sent or accepted, in bytes; default 8 MiB
	MaxStall    time.Duration // a connection that owes replies and stays silent this long is closed; default 30 s
	Quarantine  time.Duration // D, by how much the views of two processes may differ, at most a day; 0: no node is ever joining
	Generations bool          // have the node's generation known (Token.Generation) also without Quarantine, where it speaks meta
	WarmUp      time.Duration // how long a node that has joined is at the step Filling; default a minute, at least as long as other steps
	MaxMissed   int           // keys of which the node missed a write that are remembered; more, and it is flushed. Default 65,536

	// Joined says that the node has come into the view after this process had started, and KnownGeneration which generation
	// the process knew it by if it had been in the view before, else 0. They need Quarantine; see mark.go.
	Joined          bool
	KnownGeneration uint64

	TLS      *tls.Config // nil: plain. Without a ServerName the host of Name, or of Addr, is used
	Username string      // text authentication ("-Y"); empty: none
	Password string
	Dialect  protocol.Dialect // protocol.Unknown asks the node for its version
	Dial     DialFunc         // default: net.Dialer with keep-alive

	// NodeSet is what the node has in common with the others of its client: how many may be ejected, and which are slow. nil: the
	// node is ejected whenever it is suspect or down, and never slow.
	NodeSet *NodeSet

	// NewSampler makes what is told of the requests answered on a connection; nil: nothing is. Each connection has one,
	// and uses it from one goroutine at a time.
	NewSampler func() Sampler
	// OnEvent is told what happens to the node. It must return at once and must not use the node; nil: nobody is told.
	OnEvent func(Event)
}

// DialFunc opens a connection, as net.Dialer.DialContext does. It must return when ctx ends.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Bounds and defaults of Config.
const (
	DefaultTimeout   = 100 * time.Millisecond
	MaxTimeout       = 24 * time.Hour // a longer one counts as this
	DefaultWarmUp    = time.Minute
	defaultMaxOwed   = 1024
	defaultMaxQueued = 4 << 20
	defaultMaxValue  = 8 << 20
	defaultMaxStall  = 30 * time.Second
	defaultMaxMissed = 1 << 16
	maxDialTimeout   = maxBackoff // so that a node that is cut off is dialed as often as one that refuses
	maxQuarantine    = 24 * time.Hour
)

func (c Config) withDefaults() Config {
	setDefault(&c.Name, c.Addr)
	setDefault(&c.Timeout, DefaultTimeout)
	c.Timeout = min(c.Timeout, MaxTimeout)
	setDefault(&c.DialTimeout, min(3*c.Timeout, maxDialTimeout))
	c.DialTimeout = min(c.DialTimeout, MaxTimeout)
	setDefault(&c.MaxOwed, defaultMaxOwed)
	setDefault(&c.MaxQueued, defaultMaxQueued)
	setDefault(&c.MaxValue, defaultMaxValue)
	setDefault(&c.MaxStall, defaultMaxStall)
	setDefault(&c.MaxMissed, defaultMaxMissed)
	setDefault(&c.WarmUp, DefaultWarmUp)
	c.MaxOwed = min(c.MaxOwed, ringSize)
	c.Quarantine = min(max(c.Quarantine, 0), maxQuarantine)
	if !mechanism.Quarantine {
		c.Quarantine = 0
	}
	if c.Dial == nil {
		c.Dial = defaultDialer.DialContext
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// streams returns how many connections there may be.
func (c *Config) streams() int {
	if c.Conns == 0 {
		return 2 // see lanes
	}
	return c.Conns
}

// network returns "unix" for a path and "tcp" for everything else.
func (c *Config) network() string {
	if strings.Contains(c.Addr, "/") {
		return "unix"
	}
	return "tcp"
}
