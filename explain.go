package memcache

import (
	"fmt"
	"strings"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Explanation says how requests for a key would travel. It prints readably and marshals to JSON.
type Explanation struct {
	Key  string `json:"key"`
	Wire string `json:"wire,omitempty"` // the key as the nodes have it, if that differs: see WithNamespace
	Hash string `json:"hash"`           // xxhash64 of the key with its namespace, in hexadecimal

	Local   string `json:"local,omitempty"`   // the node or zone that is local: presets read it first where it holds the key
	LocalBy string `json:"localBy,omitempty"` // what has decided that, see WithLocal

	// Of the presets; a tree of WithRoute or of a configuration file decides for itself, see the steps.
	Why      string        `json:"why,omitempty"`      // what places the key: its slot, or a rule
	Home     string        `json:"home,omitempty"`     // where read-modify-writes take effect
	Replicas []ReplicaInfo `json:"replicas,omitempty"` // in the order in which they are read

	Read   route.Step `json:"read"`   // of Get
	Write  route.Step `json:"write"`  // of Set
	Modify route.Step `json:"modify"` // of Increment and all that depends on what is there
}

// ReplicaInfo is a node that holds a key.
type ReplicaInfo struct {
	Node   string `json:"node"`
	State  string `json:"state"`            // a pool.State: idle, up, suspect, down, joining, leaving; and with it ejected and slow
	Reason string `json:"reason,omitempty"` // of suspect and down
	Step   string `json:"step,omitempty"`   // of a node that comes or goes, a pool.Step: entering, filling, settling, recalled, retiring, draining, retired
}

// Explain says how requests for key would travel now, and why: what places the key, its home, its replicas in the order
// in which they are read, each node's state, and the routes on the way. It sends nothing. An error is one of the key, or
// ErrNoServers or ErrClosed.
func (c *Client) Explain(key string) (Explanation, error) {
	r := c.newRequest(protocol.Get, key, readFlags)
	defer r.free()
	op := &r.op
	if err := check(&op.Request); err != nil {
		return Explanation{}, err
	}
	v := c.view.Load()
	if v.reason != nil {
		return Explanation{}, v.reason
	}
	e := Explanation{Key: key, Wire: wireOf(&op.Request, key), Hash: fmt.Sprintf("%016x", op.Hash), Local: v.local.name(), LocalBy: v.local.by}
	if v.placement != nil {
		e.describe(v.placement, op, v.slowLast.Slow())
	}
	for command, step := range map[protocol.Command]*route.Step{
		protocol.Get: &e.Read, protocol.Set: &e.Write, protocol.Increment: &e.Modify,
	} {
		op.Request.Command = command
		*step = route.Explain(v.tree, op)
	}
	return e, nil
}

// describe fills in what a preset knows.
func (e *Explanation) describe(p route.Placement, op *route.Op, slow *pool.SlowNodes) {
	replicas := p.Replicas(op)
	e.Why = route.Why(p, op)
	e.Home = homeOf(p, op)
	for _, r := range replicas.SlowLast(op, slow) {
		for _, n := range nodesOf(r, op) {
			e.Replicas = append(e.Replicas, describeNode(n))
		}
	}
}

func describeNode(n *pool.Node) ReplicaInfo {
	s := n.Stats()
	info := ReplicaInfo{Node: s.Name, State: s.Condition()}
	if s.Reason != nil {
		info.Reason = s.Reason.Error()
	}
	if step := n.Step(); step != pool.Serving && step != pool.Unmet {
		info.Step = step.String()
	}
	return info
}

// homeOf returns the name of the node that is op's home, "" if none is.
func homeOf(p route.Placement, op *route.Op) string {
	if nodes := nodesOf(route.Hash(p), op); len(nodes) > 0 {
		return nodes[0].Name()
	}
	return ""
}

// nodesOf returns the nodes at the end of a preset's replica: itself, or the one that the replica's zone has for the key, or,
// while the key moves, those that take part, the home first.
func nodesOf(r route.Route, op *route.Op) []*pool.Node {
	for {
		switch at := r.(type) {
		case *pool.Node:
			return []*pool.Node{at}
		case *route.Moving:
			return at.Nodes()
		case route.Selector:
			r = at.Select(op)
		default:
			return nil
		}
	}
}

// String returns the explanation in lines.
func (e Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "key %q, ", e.Key)
	if e.Wire != "" {
		fmt.Fprintf(&b, "on the wire %q, ", e.Wire)
	}
	fmt.Fprintf(&b, "hash %s\n", e.Hash)
	if e.Local != "" {
		fmt.Fprintf(&b, "local %s, by %s\n", e.Local, e.LocalBy)
	}
	if e.Home != "" {
		e.writePlacement(&b)
	}
	for _, way := range []struct {
		name string
		step route.Step
	}{{"get", e.Read}, {"set", e.Write}, {"increment", e.Modify}} {
		fmt.Fprintf(&b, "%s\n", way.name)
		for line := range strings.Lines(way.step.String()) {
			b.WriteString("  " + line)
		}
	}
	return b.String()
}

// stepText is the step where the state does not say it.
func (r ReplicaInfo) stepText() string {
	if r.Step == "" || r.State == pool.Joining.String() || r.State == pool.Leaving.String() {
		return ""
	}
	return ", " + r.Step
}

func (e Explanation) writePlacement(b *strings.Builder) {
	fmt.Fprintf(b, "placed by %s, home %s", e.Why, e.Home)
	b.WriteString("\nread from")
	for i, r := range e.Replicas {
		if i > 0 {
			b.WriteString(", then")
		}
		fmt.Fprintf(b, " %s (%s%s)", r.Node, r.State, r.stepText())
	}
	b.WriteString("\n")
}
