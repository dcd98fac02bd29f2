package kubernetes

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/nohop/memcache/discovery"
)

// What makes a service's slices unusable.
var (
	ErrNoPort      = errors.New("kubernetes: the service has no such TCP port, or several and none is named")
	ErrNoNodeName  = errors.New("kubernetes: an endpoint has no node name, which is its identity")
	ErrNoAddresses = errors.New("kubernetes: an endpoint without an address")
)

const defaultPort = 11211

// candidate is an endpoint that may be a node; rank is how much it is one, the lowest first.
type candidate struct {
	node discovery.Node
	rank int
}

// nodes returns the nodes that the slices hold. A pod of a dual-stack network is in a slice for each kind of address, and a
// node's old pod may stand beside its new one for a while: of several endpoints with one name those that are best
// count (ready before serving before the rest, then IPv4 before IPv6).
func (s *sliceSet) nodes(cfg Config) ([]discovery.Node, error) {
	var candidates []candidate
	var noPort error
	for _, slice := range s.sorted() {
		number, err := slice.port(cfg)
		if err != nil {
			noPort = err // slices of pods without the port are passed over, if there are others
			continue
		}
		found, err := slice.candidates(cfg, number)
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, found...)
	}
	if len(candidates) == 0 {
		return nil, noPort
	}
	return best(candidates), nil
}

func best(candidates []candidate) []discovery.Node {
	lowest := map[string]int{}
	for _, c := range candidates {
		if rank, ok := lowest[c.node.Name]; !ok || c.rank < rank {
			lowest[c.node.Name] = c.rank
		}
	}
	var nodes []discovery.Node
	for _, c := range candidates {
		if c.rank == lowest[c.node.Name] {
			nodes = append(nodes, c.node)
		}
	}
	return nodes
}

// port returns the number of the port that cfg wants.
func (s endpointSlice) port(cfg Config) (uint16, error) {
	if number := cfg.portNumber(); number > 0 {
		return number, nil
	}
	ports := slices.DeleteFunc(slices.Clone(s.Ports), func(p port) bool {
		return cmp.Or(p.Protocol, "TCP") != "TCP" || cfg.Port != "" && p.Name != cfg.Port
	})
	switch {
	case cfg.Port == "" && len(s.Ports) == 0:
		return defaultPort, nil
	case len(ports) != 1 || ports[0].Port == 0:
		return 0, fmt.Errorf("%w (EndpointSlice %q)", ErrNoPort, cut(s.Metadata.Name))
	default:
		return ports[0].Port, nil
	}
}

func (s endpointSlice) candidates(cfg Config, port uint16) ([]candidate, error) {
	var list []candidate
	for _, e := range s.Endpoints {
		if !cfg.Include.has(e) {
			continue
		}
		node, err := e.node(cfg.Identity, port)
		if err != nil {
			return nil, fmt.Errorf("%w (EndpointSlice %q)", err, cut(s.Metadata.Name))
		}
		list = append(list, candidate{node, 3*e.rank() + familyRank(s.AddressType)})
	}
	return list, nil
}

func familyRank(addressType string) int {
	return max(0, slices.Index([]string{"IPv4", "IPv6", "FQDN"}, addressType))
}

func (e endpoint) node(identity Identity, port uint16) (discovery.Node, error) {
	if len(e.Addresses) == 0 {
		return discovery.Node{}, ErrNoAddresses
	}
	n := discovery.Node{
		Addr: net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(port))), Zone: e.Zone, Meta: e.meta(),
	}
	switch {
	case identity == ByNode && e.NodeName == "":
		return discovery.Node{}, ErrNoNodeName
	case identity == ByNode:
		n.Name = e.NodeName
	default:
		n.Name = cmp.Or(e.pod(), e.Hostname, n.Addr)
	}
	return n, nil
}

func (e endpoint) pod() string {
	if e.TargetRef.Kind != "Pod" {
		return ""
	}
	return e.TargetRef.Name
}

func (e endpoint) meta() map[string]string {
	meta := map[string]string{}
	set := func(key, value string) {
		if value != "" {
			meta[key] = value
		}
	}
	set("pod", e.pod())
	set("node", e.NodeName)
	if !e.ready() {
		set("ready", "false")
	}
	if e.terminating() {
		set("terminating", "true")
	}
	return meta
}

func (e endpoint) ready() bool { return e.Conditions.Ready == nil || *e.Conditions.Ready }

func (e endpoint) serving() bool {
	if e.Conditions.Serving == nil {
		return e.ready()
	}
	return *e.Conditions.Serving
}

func (e endpoint) terminating() bool {
	return e.Conditions.Terminating != nil && *e.Conditions.Terminating
}

func (i Include) has(e endpoint) bool {
	return i == All || e.ready() || i == Serving && e.serving()
}

// rank is 0 for an endpoint that is ready, serving and there to stay.
func (e endpoint) rank() int {
	rank := 0
	if !e.ready() {
		rank += 4
	}
	if !e.serving() {
		rank += 2
	}
	if e.terminating() {
		rank++
	}
	return rank
}
