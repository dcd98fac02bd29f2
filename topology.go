package memcache

import (
	"fmt"

	"github.com/nohop/memcache/route"
)

// Topology is the client's view of its nodes at one moment.
type Topology struct {
	Kind    string     `json:"kind"`              // "sharded 2", "replicated", "zoned", "custom" or "configured"
	Local   string     `json:"local,omitempty"`   // the node or zone that is read first
	LocalBy string     `json:"localBy,omitempty"` // what has decided that, see WithLocal
	Nodes   []NodeInfo `json:"nodes"`             // in the order of names
}

// NodeInfo is what the view knows of a node.
type NodeInfo struct {
	Name   string  `json:"name"`
	Addr   string  `json:"addr"`
	Zone   string  `json:"zone,omitempty"`
	State  string  `json:"state"`            // of pool.Stats
	Reason string  `json:"reason,omitempty"` // of a node that is suspect or down
	Homes  float64 `json:"homes"`            // part of all keys, 0 to 1, whose home the node is; 0 where a tree of the caller's decides
}

// Topology returns the nodes there are now, each with the part of the keys that it is the home of. After Close and Shutdown
// there are none.
func (c *Client) Topology() Topology {
	v := c.view.Load()
	t := Topology{Kind: c.cfg.kind(), Local: v.local.name(), LocalBy: v.local.by, Nodes: make([]NodeInfo, len(v.nodes))}
	homes := v.homes()
	for i, n := range v.nodes {
		s := n.Stats()
		t.Nodes[i] = NodeInfo{Name: s.Name, Addr: s.Addr, Zone: v.zones[s.Name], State: s.State.String(), Homes: homes[s.Name]}
		if s.Reason != nil {
			t.Nodes[i].Reason = s.Reason.Error()
		}
	}
	return t
}

// homes returns the part of the keys that each node is the home of, by slots. Rules for single keys do not count.
func (v *view) homes() map[string]float64 {
	shares := map[string]float64{}
	if v.placement == nil {
		return shares
	}
	for slot := range route.SlotCount {
		op := route.Op{Hash: route.HashOfSlot(slot)}
		shares[homeOf(v.placement, &op)] += 1.0 / route.SlotCount
	}
	return shares
}

// kind names the topology.
func (c *config) kind() string {
	switch c.topology {
	case replicated:
		return "replicated"
	case zoned:
		return "zoned"
	case custom:
		return "custom"
	case configured:
		return "configured"
	}
	return fmt.Sprintf("sharded %d", c.replicas)
}
