package memcache

import (
	"crypto/tls"
	"strings"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc = pool.DialFunc

// WithTimeout bounds a try at one node, from the call to its reply; the default is 100 ms. A call that fails over makes
// several tries; bound the whole with its context. Dialing has three times as long, at most 240 ms, and does not count
// towards the tries of others. More than a day counts as a day.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		c.node.Timeout = min(d, pool.MaxTimeout)
		return positive("timeout", d)
	}
}

// WithConnections sets the connections to each node; a key's requests always take the same one. Without it there is one,
// which shares system calls best. Where many callers read single keys, or some read large values, a second one then takes half
// of their reads, for as long as the node answers more with it.
func WithConnections(n int) Option {
	return func(c *config) error {
		c.node.Conns = n
		return positive("number of connections", n)
	}
}

// WithMaxValue bounds the values sent and accepted, in bytes; the default is 8 MiB. Set it to the servers' -I to have
// larger ones refused before they travel.
func WithMaxValue(bytes int) Option {
	return func(c *config) error {
		c.node.MaxValue = bytes
		return positive("maximum value size", bytes)
	}
}

// WithTLS secures all connections. If cfg names no server, the host of each node's name is used, which is its
// address unless its source says otherwise. cfg must not be nil, nor be changed afterwards.
func WithTLS(cfg *tls.Config) Option {
	return func(c *config) error {
		if cfg == nil {
			return badOption("WithTLS needs a configuration: an empty one, &tls.Config{}, has the defaults")
		}
		c.node.TLS = cfg
		return nil
	}
}

// WithAuth logs in on every connection with memcached's text authentication ("-Y"). Use it over TLS or unix sockets only:
// the password travels as it is, and a server without "-Y" would store it as a value.
func WithAuth(username, password string) Option {
	return func(c *config) error {
		login := protocol.Request{Command: protocol.Auth, Value: []byte(username + " " + password)}
		if err := protocol.Check(&login); err != nil || strings.Contains(username, " ") {
			return badOption("user name or password is empty, too long, or has bytes that cannot be sent")
		}
		c.node.Username, c.node.Password = username, password
		return nil
	}
}

// WithDialer replaces how connections are opened, network being "tcp" or "unix".
func WithDialer(dial DialFunc) Option {
	return func(c *config) error {
		if dial == nil {
			return badOption("WithDialer needs a function")
		}
		c.node.Dial = dial
		return nil
	}
}

// WithTextProtocol speaks classic text to all nodes whatever version they claim. Proxies need it that claim one from 1.6.13 on
// and know no meta commands: twemproxy 0.5.0 hands "version" on to a node, and answers with that node's.
func WithTextProtocol() Option {
	return func(c *config) error {
		c.node.Dialect = protocol.Text
		return nil
	}
}
