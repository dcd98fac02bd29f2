package memcache

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Option configures a Client. Options may come in any order; what contradicts another, or makes no sense, is an error of
// New.
type Option func(*config) error

// config is what the options say.
type config struct {
	groups     []group // the servers; one group without a name unless there are zones
	topology   topology
	replicas   int // of a sharded topology
	local      string
	rules      map[string][]string
	binaryKeys bool
	resolver   Resolver
	interval   time.Duration // between resolutions
	log        *slog.Logger
	build      func(Nodes) (route.Route, error) // WithRoute; nil: the tree of a preset
	policy     WritePolicy
	maxTTL     time.Duration // 0: no bound
	node       pool.Config   // for every node; Name and Addr are filled in
}

// group is the servers of a zone.
type group struct {
	zone    string
	servers []string
}

type topology uint8

const (
	unset topology = iota
	sharded
	replicated
	zoned
	custom
)

const defaultInterval = time.Second

// DialFunc opens a connection, as net.Dialer.DialContext does.
type DialFunc = pool.DialFunc

// Resolver looks up addresses, as net.Resolver.LookupHost does.
type Resolver interface {
	LookupHost(ctx context.Context, host string) (addrs []string, err error)
}

func newConfig(opts []Option) (config, error) {
	cfg := config{replicas: 1, resolver: net.DefaultResolver, interval: defaultInterval,
		rules: map[string][]string{}, log: slog.New(slog.DiscardHandler)}
	for _, opt := range opts {
		if err := opt(&cfg); err != nil {
			return cfg, err
		}
	}
	return cfg, cfg.validate()
}

// WithServers adds nodes: "host:port", "host" (port 11211), "[::1]:11211", "/path.sock", or "dns+name:port", which stands
// for one node at each address of the name and is resolved again every second.
func WithServers(addrs ...string) Option {
	return func(c *config) error { return c.addServers("", addrs) }
}

// WithZone adds a zone and its nodes, written as for WithServers. Each zone holds every key once. It excludes WithServers,
// WithReplicated and WithSharded.
func WithZone(name string, addrs ...string) Option {
	return func(c *config) error {
		if name == "" || len(addrs) == 0 {
			return badOption("a zone needs a name and servers")
		}
		if err := c.setTopology(zoned); err != nil {
			return err
		}
		return c.addServers(name, addrs)
	}
}

// WithReplicated has every node hold every key: reads ask the local node first (WithLocal), writes reach all nodes.
func WithReplicated() Option {
	return func(c *config) error { return c.setTopology(replicated) }
}

// WithSharded has each key live on its home and replicas-1 more nodes, on all nodes if there are fewer. The default is one
// replica: the home alone.
func WithSharded(replicas int) Option {
	return func(c *config) error {
		if replicas < 1 {
			return badOption("replicas must be at least 1")
		}
		c.replicas = replicas
		return c.setTopology(sharded)
	}
}

// WithLogger has what happens to the client itself, not to single requests, logged: nodes that could not be looked up, a
// configuration that was refused. The default logs nothing. No key is ever logged.
func WithLogger(log *slog.Logger) Option {
	return func(c *config) error {
		if log == nil {
			return badOption("no logger")
		}
		c.log = log
		return nil
	}
}

// WithLocal names the own node ("host" or "host:port", as in the list of servers) or the own zone; its replica of a key is
// read first. With zones, a node stands for its zone. A name that matches no server yet is no error: the node may join
// later.
func WithLocal(name string) Option {
	return func(c *config) error {
		c.local = name
		return nil
	}
}

// WithLocalEnv is WithLocal with the value of an environment variable, read now; on Kubernetes, HOST_IP filled from
// status.hostIP. A variable that is not set is an error: without it every read would silently cross the network.
func WithLocalEnv(variable string) Option {
	return func(c *config) error {
		if c.local = os.Getenv(variable); c.local == "" {
			return badOption("environment variable " + variable + " is not set")
		}
		return nil
	}
}

// WithTimeout bounds a try at one node, from the call to its reply; the default is 100 ms. A call that fails over makes
// several tries; bound the whole with its context. Dialing has three times as long, at most 300 ms, and does not count
// towards the tries of others.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		c.node.Timeout = d
		return positive("timeout", d)
	}
}

// WithRule has a key live on these nodes, the first being its home, whatever placement says. Each must be one of the
// servers, or an address that a "dns+" name may stand for; while one of them is not there, the rule does not apply. A key
// has one rule, and every process that uses the key needs the same.
func WithRule(key string, nodes ...string) Option {
	return func(c *config) error {
		if len(nodes) == 0 {
			return badOption("a rule needs nodes")
		}
		if _, ok := c.rules[key]; ok {
			return badOption("two rules for one key")
		}
		c.rules[key] = slices.Clone(nodes)
		return nil
	}
}

// WithBinaryKeys allows keys with any bytes, up to 186 of them: those that cannot travel as they are are sent as base64, to
// servers from 1.6.13 on. Other clients see them under their base64 flag only.
func WithBinaryKeys() Option {
	return func(c *config) error {
		c.binaryKeys = true
		return nil
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

// WithConnections sets the connections to each node; the default is 1, which shares system calls best. A key's requests
// always take the same one. More can help where large values stand in the way of small ones.
func WithConnections(n int) Option {
	return func(c *config) error {
		c.node.Conns = n
		return positive("number of connections", n)
	}
}

// WithTLS secures all connections. If cfg names no server, the host of each node's address is used. cfg must not be
// changed afterwards.
func WithTLS(cfg *tls.Config) Option {
	return func(c *config) error {
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
		c.node.Dial = dial
		return nil
	}
}

// WithTextProtocol speaks classic text to all nodes whatever version they claim, for proxies that answer "version"
// themselves.
func WithTextProtocol() Option {
	return func(c *config) error {
		c.node.Dialect = protocol.Text
		return nil
	}
}

// WithResolver replaces net.DefaultResolver for "dns+" names, and how often they are looked up; the default is every second.
// On an error or an empty answer the last good list stays.
func WithResolver(r Resolver, interval time.Duration) Option {
	return func(c *config) error {
		if r == nil {
			return badOption("no resolver")
		}
		c.resolver, c.interval = r, interval
		return positive("interval", interval)
	}
}

func badOption(what string) error { return fmt.Errorf("%w: %s", ErrBadOption, what) }

func positive[T int | time.Duration](what string, n T) error {
	if n <= 0 {
		return badOption(what + " must be positive")
	}
	return nil
}

func (c *config) setTopology(t topology) error {
	if c.topology != unset && c.topology != t {
		return badOption("WithSharded, WithReplicated, WithZone and WithRoute exclude each other")
	}
	c.topology = t
	return nil
}

func (c *config) addServers(zone string, addrs []string) error {
	for _, addr := range addrs {
		server, err := normalize(addr)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(c.groups, func(g group) bool { return g.zone == zone })
		if i < 0 {
			i = len(c.groups)
			c.groups = append(c.groups, group{zone: zone})
		}
		c.groups[i].servers = append(c.groups[i].servers, server)
	}
	return nil
}

func (c *config) validate() error {
	if len(c.groups) == 0 {
		return ErrNoServers
	}
	seen := map[string]bool{}
	for _, g := range c.groups {
		if (g.zone == "") == (c.topology == zoned) {
			return badOption("WithServers and WithZone exclude each other")
		}
		for _, s := range g.servers {
			if seen[s] {
				return badOption("server " + s + " is given twice")
			}
			seen[s] = true
		}
	}
	if c.topology == custom && len(c.rules) > 0 {
		return badOption("WithRule has no meaning beside WithRoute: put route.NewRules into the tree")
	}
	for key, nodes := range c.rules {
		if err := c.validateRule(key, nodes); err != nil {
			return err
		}
	}
	return nil
}

// validateRule checks a rule and writes its nodes as the servers are written.
func (c *config) validateRule(key string, nodes []string) error {
	check := protocol.CheckKey
	if c.binaryKeys && check(key) != nil {
		check = protocol.CheckBinaryKey
	}
	if err := check(key); err != nil {
		return fmt.Errorf("%w: rule: %w", ErrBadOption, err)
	}
	for i, name := range nodes {
		server, err := normalize(name)
		if err != nil {
			return err
		}
		if !c.mayName(server) {
			return badOption("a rule names a node that is no server: " + name)
		}
		if slices.Contains(nodes[:i], server) {
			return badOption("a rule names a node twice: " + name)
		}
		nodes[i] = server
	}
	return nil
}

// mayName reports whether server is one of the servers, or may become one because names are resolved.
func (c *config) mayName(server string) bool {
	for _, g := range c.groups {
		for _, s := range g.servers {
			if s == server || strings.HasPrefix(s, dnsPrefix) {
				return true
			}
		}
	}
	return false
}
