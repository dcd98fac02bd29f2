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
	State  string `json:"state"`            // idle, up, suspect, down …, and with it ejected and slow
	Reason string `json:"reason,omitempty"` // of suspect and down
}

// Explain says how requests for key would travel now, and why: what places the key, its home, its replicas in the order
// in which they are read, each node's state, and the routes on the way. It sends nothing. An error is one of the key, or
// ErrNoServers or ErrClosed.
func (c *Client) Explain(key string) (Explanation, error) {
	r := c.newRequest(protocol.Get, key, readFlags)
	defer r.free()
	op := &r.op
	if err := protocol.Check(&op.Request); err != nil {
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
	e.Home = nodeOf(replicas.All[0], op).Name()
	for _, r := range replicas.SlowLast(op, slow) {
		s := nodeOf(r, op).Stats()
		info := ReplicaInfo{Node: s.Name, State: s.Condition()}
		if s.Reason != nil {
			info.Reason = s.Reason.Error()
		}
		e.Replicas = append(e.Replicas, info)
	}
}

// nodeOf returns the node at the end of a preset's replica: itself, or the one that the replica's zone has for the key.
func nodeOf(r route.Route, op *route.Op) *pool.Node {
	for {
		if n, ok := r.(*pool.Node); ok {
			return n
		}
		r = r.(route.Selector).Select(op)
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

func (e Explanation) writePlacement(b *strings.Builder) {
	fmt.Fprintf(b, "placed by %s, home %s", e.Why, e.Home)
	b.WriteString("\nread from")
	for i, r := range e.Replicas {
		if i > 0 {
			b.WriteString(", then")
		}
		fmt.Fprintf(b, " %s (%s)", r.Node, r.State)
	}
	b.WriteString("\n")
}
