package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// resolveInterval is how often the client asks, and so how soon it follows.
const resolveInterval = 5 * time.Millisecond

// resolver answers with the nodes that the process was last told.
type resolver struct {
	mu      sync.Mutex
	nodes   []string
	fresh   bool          // nodes were not asked for yet
	used    chan struct{} // closed when the client uses nodes
	since   time.Time     // when it was first told of them
	waiting bool          // used is open
}

func newResolver(nodes []string) *resolver {
	return &resolver{nodes: nodes, fresh: true, since: time.Now()}
}

// LookupNetIP implements discovery.Resolver. The client puts one answer to use before it asks again, so the second
// question shows that it has used the first answer. An answer with IPv4 addresses is one question.
func (r *resolver) LookupNetIP(_ context.Context, network, _ string) (ips []netip.Addr, err error) {
	if network != "ip4" {
		return nil, nil
	}
	for _, node := range r.ask() {
		ip, err := netip.ParseAddr(node)
		if err != nil {
			return nil, err
		}
		ips = append(ips, ip)
	}
	return ips, nil
}

// LookupSRV implements discovery.Resolver; the client has no reason to ask.
func (r *resolver) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no SRV records here")
}

func (r *resolver) ask() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.fresh:
		r.fresh, r.since = false, time.Now()
	case r.waiting:
		close(r.used)
		r.waiting = false
	}
	return r.nodes
}

// use returns when the client uses nodes.
func (r *resolver) use(nodes []string) {
	r.mu.Lock()
	r.nodes, r.fresh, r.waiting = nodes, true, true
	used := make(chan struct{})
	r.used = used
	r.mu.Unlock()
	<-used
}

// age returns how long the client has had its view.
func (r *resolver) age() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.since)
}
