package memcache

import (
	"fmt"
	"slices"
	"time"

	"github.com/nohop/memcache/discovery"
)

// given is where the options say that nodes are named.
type given struct {
	servers  []spec
	sources  []discovery.Source // of WithDiscovery
	resolver discovery.Resolver // nil: discovery's own
	interval time.Duration      // 0: each source's own
}

// spec is a server as the caller wrote it, and its zone, "" for WithServers.
type spec struct{ text, zone string }

// WithServers adds nodes, each given as
//
//	host:port, host, [v6]:port               a node; the port is 11211 unless given
//	/path, unix:/path, unix:///path          a node at a unix socket; its name is /path
//	dns+host:port                            one node for each address of a name
//	dnssrv+_memcached._tcp.name              the targets of an SRV record, resolved
//	dnssrvnoa+_memcached._tcp.name           the same, each target resolved when it is dialed
//	file+/path                               the nodes listed in a file
//	elasticache+host:port                    the nodes of a cluster, as one of them tells
//
// The nodes that the last five stand for are followed as they come and go; package discovery says how often, and what each
// takes for a node's name and zone. Where they are new, to all clients, nothing is stored at first: see WithDiscovery.
func WithServers(addrs ...string) Option {
	return func(c *config) error {
		c.given.add("", addrs)
		return nil
	}
}

// WithZone adds a zone and its nodes, written as for WithServers. Each zone holds every key once (WithZoned). It excludes
// WithServers, WithReplicated and WithSharded.
func WithZone(name string, addrs ...string) Option {
	return func(c *config) error {
		if name == "" || len(addrs) == 0 {
			return badOption("a zone needs a name and servers")
		}
		c.given.add(name, addrs)
		return c.setTopology(zoned)
	}
}

// WithDiscovery adds the nodes of a source, and follows them as they come and go, beside those of WithServers or WithZone.
// Package discovery has sources for DNS, files, ElastiCache and lists, and package contrib/kubernetes one for EndpointSlices.
//
// A node is known by its name: one whose address changes keeps its keys, on new connections. Weights are shares of the keys
// in the sharded topology and within a zone. While the source fails, or knows of no node, the last good list stays (Stats).
//
// Nodes that no client has met store nothing until D and some seconds have passed (WithPropagation), some 6 s in all where the
// source is asked each second. Where all nodes are new, every key is missed for that long; a Set succeeds all the same. Tests
// that start nodes of their own give WithPropagation(0).
func WithDiscovery(src discovery.Source) Option {
	return func(c *config) error {
		if src == nil {
			return badOption("no source")
		}
		c.given.sources = append(c.given.sources, src)
		return nil
	}
}

// WithResolver replaces the resolver for servers that are DNS names ("dns+" …), and sets how often all servers that stand for
// others are looked up, give or take a fifth. The defaults are a net.Resolver and package discovery's intervals, 1 s for
// DNS. Sources of WithDiscovery have their own.
func WithResolver(r discovery.Resolver, interval time.Duration) Option {
	return func(c *config) error {
		if r == nil {
			return badOption("no resolver")
		}
		c.given.resolver, c.given.interval = r, interval
		return positive("interval", interval)
	}
}

func (g *given) add(zone string, addrs []string) {
	for _, addr := range addrs {
		g.servers = append(g.servers, spec{addr, zone})
	}
}

// findSources makes sources of what was given.
func (c *config) findSources() error {
	g := &c.given
	if len(g.servers) == 0 && len(g.sources) == 0 {
		return ErrNoServers
	}
	isZoned := func(s spec) bool { return s.zone != "" }
	if slices.ContainsFunc(g.servers, func(s spec) bool { return isZoned(s) != isZoned(g.servers[0]) }) {
		return badOption("WithServers and WithZone exclude each other")
	}
	parsed, err := g.parse()
	if err != nil {
		return err
	}
	return c.divide(append(parsed, g.sources...))
}

// parse returns a source for each server.
func (g *given) parse() (sources []discovery.Source, err error) {
	parser := discovery.Parser{Resolver: g.resolver, Interval: g.interval}
	seen := map[string]bool{}
	for _, s := range g.servers {
		src, err := parser.Parse(s.text)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadOption, err)
		}
		id := s.text
		if one, ok := src.(discovery.Static); ok {
			id, one[0].Zone = one[0].Addr, s.zone
		} else if s.zone != "" {
			src = discovery.WithZone(s.zone, src)
		}
		if seen[id] {
			return nil, badOption("server " + id + " is given twice")
		}
		seen[id] = true
		sources = append(sources, src)
	}
	return sources, nil
}

// divide sets apart the nodes that will never change: if there are no others, nothing needs to be followed.
func (c *config) divide(sources []discovery.Source) error {
	var fixed discovery.Static
	var live []discovery.Source
	for _, src := range sources {
		if list, ok := src.(discovery.Static); ok {
			fixed = append(fixed, list...)
		} else {
			live = append(live, src)
			c.interval = max(c.interval, intervalOf(src))
		}
	}
	list, err := discovery.Validate(fixed, len(fixed))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadOption, err)
	}
	c.fixed = list
	if len(fixed) > 0 && len(live) > 0 {
		live = append([]discovery.Source{fixed}, live...)
	}
	switch len(live) {
	case 0:
		if len(fixed) == 0 {
			return ErrNoServers
		}
	case 1:
		c.source = live[0]
	default:
		c.source = discovery.Merge(live...)
	}
	return nil
}
