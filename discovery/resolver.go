package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// Resolver looks names up; *net.Resolver is one. Its methods must return when ctx ends. A *net.DNSError with IsNotFound
// means that the server answered and there is no such record; any other error, that it is not known.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) // network is "ip4" or "ip6"
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, records []*net.SRV, err error)
}

// strict is the default Resolver. A server that fails for one name of the search list is an error to it, and no reason to
// take the next name's answer.
var strict Resolver = &net.Resolver{StrictErrors: true}

func resolverOr(r Resolver) Resolver {
	if r == nil {
		return strict
	}
	return r
}

// lookUp returns the addresses of host: those of IPv4, or if the server says that there are none, those of IPv6. Both
// together would count a node of a dual-stack network twice, and asking for both at once would, while the
// answer for one is lost, replace every node by its other self.
func lookUp(ctx context.Context, r Resolver, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	for _, network := range []string{"ip4", "ip6"} {
		ips, err := r.LookupNetIP(ctx, network, host)
		if err != nil && !isNotFound(err) {
			return nil, fmt.Errorf("discovery: %w", err)
		}
		if err == nil && len(ips) > 0 {
			return ips, nil
		}
	}
	return nil, noRecord(host)
}

func isNotFound(err error) bool {
	dns, ok := errors.AsType[*net.DNSError](err)
	return ok && dns.IsNotFound
}

func noRecord(name string) error {
	return fmt.Errorf("%w: DNS has no record of %s", ErrNoNodes, quote(name))
}
