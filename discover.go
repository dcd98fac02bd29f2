package memcache

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"
)

// server is one node as the configuration or the resolver names it.
type server struct{ addr, zone string }

// start makes the first view and, if there are names to resolve, keeps it up to date until ctx ends.
func (c *Client) start(ctx context.Context) error {
	names := c.cfg.newNames()
	names.resolve(ctx, c.cfg.resolver)
	if err := c.apply(ctx, c.viewOf(names.servers())); err != nil {
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
			if err := c.apply(ctx, c.viewOf(names.servers())); err != nil {
				c.cfg.log.Error("memcache: the nodes have changed, but no view can be made of them; the last one stays", "error", err)
			}
		}
	}
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
