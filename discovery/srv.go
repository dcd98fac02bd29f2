package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// maxLookups bounds the names looked up at the same time for one SRV.
const maxLookups = 16

// SRV is the targets of an SRV record, resolved to addresses.
//
// A target with one address is a node whose identity is the target's "name:port", and stays so when its address
// changes. A target with several addresses is a node for each, with the address as its identity. A target that DNS knows no
// address of is left out; if one cannot be looked up, the whole list is not known. Priority and weight of the
// records are not used: Kubernetes fills them in by rote, and failover is the routes' concern.
type SRV struct {
	Name     string   // as "_memcached._tcp.cache.default.svc.cluster.local."
	Resolver Resolver // default: net.Resolver, strict
}

// Nodes looks the record up, and then its targets, up to 16 at the same time. The error is ErrNoNodes if there is no
// such record or no address of its targets.
func (s SRV) Nodes(ctx context.Context) ([]Node, error) {
	r := resolverOr(s.Resolver)
	targets, err := lookUpSRV(ctx, r, s.Name)
	if err != nil {
		return nil, err
	}
	addresses, err := lookUpAll(ctx, r, targets)
	if err != nil {
		return nil, err
	}
	var nodes []Node
	for i, t := range targets {
		nodes = append(nodes, t.nodes(addresses[i])...)
	}
	if len(nodes) == 0 {
		return nil, noRecord(s.Name)
	}
	return nodes, nil
}

// SRVNoA is the targets of an SRV record by name: identity and address are the target's "name:port", which is resolved
// when a connection is made. The identity stays when the address changes, as that of a StatefulSet's pod does.
type SRVNoA struct {
	Name     string   // as in SRV
	Resolver Resolver // default: net.Resolver, strict
}

// Nodes looks the record up. The error is ErrNoNodes if there is none.
func (s SRVNoA) Nodes(ctx context.Context) ([]Node, error) {
	targets, err := lookUpSRV(ctx, resolverOr(s.Resolver), s.Name)
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, len(targets))
	for i, t := range targets {
		nodes[i].Addr = t.name()
	}
	return nodes, nil
}

// target is where an SRV record points.
type target struct {
	host string
	port uint16
}

func (t target) name() string { return joinHostPort(t.host, t.port) }

func (t target) nodes(ips []netip.Addr) []Node {
	nodes := make([]Node, len(ips))
	for i, ip := range ips {
		nodes[i].Addr = joinHostPort(ip.Unmap().String(), t.port)
	}
	if len(nodes) == 1 {
		nodes[0].Name = t.name()
	}
	return nodes
}

// lookUpSRV returns the targets of name, each once and without the dot at its end.
func lookUpSRV(ctx context.Context, r Resolver, name string) ([]target, error) {
	_, records, err := r.LookupSRV(ctx, "", "", name)
	if err != nil && !isNotFound(err) {
		return nil, fmt.Errorf("discovery: %w", err)
	}
	if err != nil || len(records) == 0 {
		return nil, noRecord(name)
	}
	return targetsOf(name, records)
}

// targetsOf leaves out the target ".", which says that there is no such service (RFC 2782).
func targetsOf(name string, records []*net.SRV) ([]target, error) {
	var targets []target
	seen := map[target]bool{}
	for _, record := range records {
		t := target{strings.TrimSuffix(record.Target, "."), record.Port}
		if t.host != "" && !seen[t] {
			seen[t] = true
			targets = append(targets, t)
		}
	}
	if len(targets) == 0 {
		return nil, noRecord(name)
	}
	return targets, nil
}

// lookUpAll returns the addresses of each target; none, if DNS knows of none. The first error ends all look-ups.
func lookUpAll(ctx context.Context, r Resolver, targets []target) ([][]netip.Addr, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	addresses := make([][]netip.Addr, len(targets))
	slots := make(chan struct{}, maxLookups)
	var wg sync.WaitGroup
	for i, t := range targets {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			// The dot keeps the search list of resolv.conf out of it: a target is a full name.
			ips, err := lookUp(ctx, r, t.host+".")
			if err != nil && !errors.Is(err, ErrNoNodes) {
				cancel(err)
			}
			addresses[i] = ips
		})
	}
	wg.Wait()
	return addresses, context.Cause(ctx)
}
