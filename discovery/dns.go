package discovery

import "context"

// DNS is the addresses (A, or else AAAA) of a host's name, as of a headless Kubernetes service: one node for each.
//
// A node's identity is its address: a node that restarts with another address is another node, so its keys get other
// homes once when it leaves and once when it returns. Where nodes have names of their own, SRV or SRVNoA keep them.
// The order of the answer means nothing. DNS knows neither zone nor weight; see WithZone.
type DNS struct {
	Host     string   // end it with a dot to skip the search list of resolv.conf
	Port     uint16   // of all nodes; default 11211
	Resolver Resolver // default: net.Resolver, strict
}

// Nodes looks the name up. The error is ErrNoNodes if there is no such name or no address of it.
func (d DNS) Nodes(ctx context.Context) ([]Node, error) {
	ips, err := lookUp(ctx, resolverOr(d.Resolver), d.Host)
	if err != nil {
		return nil, err
	}
	port := d.Port
	setDefault(&port, defaultPort)
	nodes := make([]Node, len(ips))
	for i, ip := range ips {
		nodes[i].Addr = joinHostPort(ip.Unmap().String(), port)
	}
	return nodes, nil
}
