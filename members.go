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

// server is one node as the configuration or the resolver names it.
type server struct{ addr, zone string }

// start makes the first view and, if there are names to resolve, keeps it up to date until ctx ends.
func (c *Client) start(ctx context.Context) error {
	names := c.cfg.newNames()
	names.resolve(ctx, c.cfg.resolver)
	if err := c.apply(ctx, names.servers()); err != nil {
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
			_ = c.apply(ctx, names.servers())
		}
	}
}

// apply replaces the view by one over servers. Nodes that stay keep their connections; those that left are closed after a
// grace, for requests under way, or when ctx ends.
func (c *Client) apply(ctx context.Context, servers []server) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	next := make(map[string]member, len(servers))
	members := make([]member, 0, len(servers))
	for _, s := range servers {
		m, ok := c.members[s.addr]
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
	for name, m := range c.members {
		if _, stays := next[name]; !stays {
			c.wg.Go(func() { c.dismiss(ctx, m.node) })
		}
	}
	c.members = next
	return nil
}

// dismiss closes a node that has left the view.
func (c *Client) dismiss(ctx context.Context, n *pool.Node) {
	timer := time.NewTimer(c.cfg.grace())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	n.Close()
}

// grace is longer than a write that found a node in the view can be under way: it makes two tries, at the home and at the
// other replicas. A read that fails over may take longer, and goes on at the nodes that are left.
func (c *config) grace() time.Duration {
	return 4 * max(c.node.Timeout, pool.DefaultTimeout)
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
