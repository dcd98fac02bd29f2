package memcache

import (
	"cmp"
	"context"
	"errors"

	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/hotcopy"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/nohop/memcache/rulestore"
)

// FlushAll makes every node forget every item. If nodes fail, the error joins theirs, but for those that are leaving: they
// may be gone. Where reads fill one node from another (WithCoherentReplicas, and homes that move), every node is flushed twice:
// one that was flushed may have been filled from one that was not yet. Who flushes the nodes by other means does the same.
func (c *Client) FlushAll(ctx context.Context) error {
	err := c.flushAll(ctx)
	if c.cfg.fills() {
		err = cmp.Or(err, c.flushAll(ctx))
	}
	c.loads.forgetAll()
	if c.remedies != nil {
		c.remedies.copies.Forget()
	}
	return err
}

func (c *Client) flushAll(ctx context.Context) error {
	flush := protocol.Request{Command: protocol.FlushAll}
	var leaving []*pool.Node
	for _, m := range c.view.Load().leaving {
		leaving = append(leaving, m.node)
	}
	route.Broadcast(ctx, leaving, flush)
	_, err := c.askAll(ctx, flush)
	return err
}

// fills reports whether a read may store at one node what another one has.
func (c *config) fills() bool { return c.coherent || c.moves() }

// Ping asks every node for an answer. If nodes fail, the error joins theirs. Of a node that is down it does not tell what its
// last dial came to, but waits for the next, half a second at most.
func (c *Client) Ping(ctx context.Context) error {
	c.gate.enter(0)
	defer c.gate.leave(0)
	awaitDials(ctx, c.view.Load().nodes)
	_, err := c.askAll(ctx, protocol.Request{Command: protocol.Noop})
	return err
}

// Version returns each node's version, by node name. If nodes fail, the error joins theirs, and the map has those that
// answered.
func (c *Client) Version(ctx context.Context) (map[string]string, error) {
	ops, err := c.askAll(ctx, protocol.Request{Command: protocol.Version})
	versions := make(map[string]string, len(ops))
	for _, op := range ops {
		if op.Err == nil {
			versions[op.Node.Name()] = op.Reply.Text
		}
	}
	return versions, err
}

// ServerStats returns the statistics that each node keeps of itself, by node name: those of "stats", or of "stats group"
// ("items", "slabs", "settings" …). If nodes fail, the error joins theirs, and the map has those that answered. The error of
// one that does not know the group is a *protocol.ServerError with CauseUnknownGroup.
func (c *Client) ServerStats(ctx context.Context, group string) (map[string]map[string]string, error) {
	ops, err := c.askAll(ctx, protocol.Request{Command: protocol.Stats, Key: group})
	stats := make(map[string]map[string]string, len(ops))
	for _, op := range ops {
		if op.Err != nil {
			continue
		}
		lines := make(map[string]string, len(op.Stats))
		for _, line := range op.Stats {
			lines[line.Name] = line.Value
		}
		stats[op.Node.Name()] = lines
	}
	return stats, err
}

// askAll sends a request to every node of the view.
func (c *Client) askAll(ctx context.Context, r protocol.Request) ([]*route.Op, error) {
	c.gate.enter(0)
	defer c.gate.leave(0)
	v := c.view.Load()
	if len(v.nodes) == 0 {
		return nil, v.reason
	}
	ops := route.Broadcast(ctx, v.nodes, r)
	var errs []error
	for _, op := range ops {
		if op.Err != nil {
			errs = append(errs, op.Err)
		}
	}
	return ops, errors.Join(errs...)
}

// Stats is what the client knows of itself.
type Stats struct {
	Nodes     []pool.Stats        // in the order of names, and behind them those that have left the list but not the tree yet
	Discovery discovery.Status    // of the source of the nodes; zero if all are fixed
	Verified  route.VerifierStats // of Sets of several replicas; zero if they are not verified
	Loads     LoadStats           // of GetOrLoad
	Copies    hotcopy.Stats       // of hot keys
	Rules     rulestore.Status    // of the store of rules; zero if there is none

	HotKeySources []hotkey.EyeStatus // of WithHotKeySource, in the order in which they were given
}

// Stats returns a snapshot. It asks no node; see ServerStats for that. After Close and Shutdown it has no nodes.
func (c *Client) Stats() Stats {
	v := c.view.Load()
	s := Stats{Loads: c.loads.count.stats()}
	for _, n := range v.nodes {
		s.Nodes = append(s.Nodes, n.Stats())
	}
	for _, m := range v.leaving {
		s.Nodes = append(s.Nodes, m.node.Stats())
	}
	if c.verifier != nil {
		s.Verified = c.verifier.Stats()
	}
	if r := c.remedies; r != nil {
		s.Copies = r.copies.Stats()
		if r.follower != nil {
			s.Rules = r.follower.Status()
		}
	}
	if c.follower != nil {
		s.Discovery = c.follower.Status()
	}
	if c.detector != nil {
		s.HotKeySources = c.detector.Eyes()
	}
	return s
}
