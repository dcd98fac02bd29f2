package memcache

import (
	"cmp"
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache/pool"
)

// nodeSet is the nodes that live: those of the view, and those that left it and may still serve requests under way.
type nodeSet struct {
	byName  map[string]member
	leaving map[*pool.Node]*time.Timer
}

func (s *nodeSet) all() []*pool.Node {
	var nodes []*pool.Node
	for _, m := range s.byName {
		nodes = append(nodes, m.node)
	}
	for n, timer := range s.leaving {
		timer.Stop()
		nodes = append(nodes, n)
	}
	return nodes
}

// server is one node as the configuration or the resolver names it.
type server struct{ addr, zone string }

// start makes the first view and, if there are names to resolve, keeps it up to date until ctx ends.
func (c *Client) start(ctx context.Context) error {
	c.nodes = nodeSet{byName: map[string]member{}, leaving: map[*pool.Node]*time.Timer{}}
	names := c.cfg.newNames()
	names.resolve(ctx, c.cfg.resolver)
	if err := c.apply(names.servers()); err != nil {
		return err
	}
	if len(names.answers) > 0 {
		c.wg.Go(func() { c.follow(ctx, names) })
	}
	return nil
}

// follow resolves the names again and again and applies what has changed.
func (c *Client) follow(ctx context.Context, names *names) {
	ticker := time.NewTicker(c.cfg.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if names.resolve(ctx, c.cfg.resolver) {
			// The only error is a configuration that New has accepted already.
			_ = c.apply(names.servers())
		}
	}
}

// apply replaces the view by one over servers. Nodes that stay keep their connections; those that left are closed after a
// grace, for requests under way.
func (c *Client) apply(servers []server) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	next := make(map[string]member, len(servers))
	members := make([]member, 0, len(servers))
	for _, s := range servers {
		m, ok := c.nodes.byName[s.addr]
		if !ok {
			m.node = c.cfg.newNode(s.addr)
		}
		m.zone = s.zone
		next[s.addr] = m
		members = append(members, m)
	}
	slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.node.Name(), b.node.Name()) })
	v, err := c.cfg.newView(members)
	if err != nil {
		return err
	}
	c.view.Store(v)
	c.retire(next)
	c.nodes.byName = next
	return nil
}

// retire lets the nodes go that are not in next.
func (c *Client) retire(next map[string]member) {
	for name, m := range c.nodes.byName {
		if _, stays := next[name]; !stays {
			c.nodes.leaving[m.node] = time.AfterFunc(c.cfg.grace(), func() { c.dismiss(m.node) })
		}
	}
}

func (c *Client) dismiss(n *pool.Node) {
	n.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.nodes.leaving, n)
}

// grace is longer than a request can be under way at one node.
func (c *config) grace() time.Duration {
	return 2 * max(c.node.Timeout, pool.DefaultTimeout)
}

func (c *config) newNode(addr string) *pool.Node {
	cfg := c.node
	cfg.Name, cfg.Addr = addr, addr
	return pool.NewNode(cfg)
}

// names are the names to resolve, with the last good answer of each.
type names struct {
	cfg     *config
	answers map[string][]string // by "host:port", sorted
}

func (c *config) newNames() *names {
	n := &names{cfg: c, answers: map[string][]string{}}
	for _, g := range c.groups {
		for _, s := range g.servers {
			if name, ok := strings.CutPrefix(s, dnsPrefix); ok {
				n.answers[name] = nil
			}
		}
	}
	return n
}

// resolveTimeout bounds one look-up.
const resolveTimeout = 2 * time.Second

// resolve looks all names up once and reports whether an answer has changed. On an error or an empty answer the last good
// one stays.
func (n *names) resolve(ctx context.Context, r Resolver) (changed bool) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	for name, last := range n.answers {
		host, port, _ := net.SplitHostPort(name)
		addrs, err := r.LookupHost(ctx, host)
		if err != nil || len(addrs) == 0 {
			continue
		}
		answer := make([]string, len(addrs))
		for i, a := range addrs {
			answer[i] = net.JoinHostPort(a, port)
		}
		slices.Sort(answer)
		if answer = slices.Compact(answer); !slices.Equal(answer, last) {
			n.answers[name] = answer
			changed = true
		}
	}
	return changed
}

// servers returns all servers there are now; one that several names stand for counts once.
func (n *names) servers() []server {
	var list []server
	seen := map[string]bool{}
	for _, g := range n.cfg.groups {
		for _, s := range g.servers {
			addrs := []string{s}
			if name, ok := strings.CutPrefix(s, dnsPrefix); ok {
				addrs = n.answers[name]
			}
			for _, addr := range addrs {
				if !seen[addr] {
					seen[addr] = true
					list = append(list, server{addr, g.zone})
				}
			}
		}
	}
	return list
}
