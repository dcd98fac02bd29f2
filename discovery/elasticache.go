package discovery

import (
	"context"
	"fmt"
	"net"
	"time"
)

// ElastiCache is the nodes of an Amazon ElastiCache cluster, as one of them tells: any node, or the cluster's configuration
// endpoint (its name has ".cfg." in it). Google Memorystore's discovery endpoint speaks the same. Each look-up is one
// short connection. ElastiCache Serverless has no nodes to discover: use its endpoint as a static node.
//
// A node's identity is its host name and port, which stay when ElastiCache replaces the node; its address is the IP address
// beside it, or the host name if there is none. Whatever a node answers is used, also if the number of the
// configuration has not grown: a cluster that is made anew starts at 1 again.
type ElastiCache struct {
	Addr string // "host:port" of the endpoint; default port 11211
	// Dial opens the connection, and must return when ctx ends; for a cluster with TLS use the DialContext of a
	// *tls.Dialer. Default: that of a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// KeepHosts makes the host name the address too, as TLS to the nodes needs it.
	KeepHosts bool
}

// Interval is 10 s: changes are rare, and each look-up costs the node a connection.
func (ElastiCache) Interval() time.Duration { return 10 * time.Second }

// Nodes asks for the configuration: "config get cluster", and if the node does not know that, as engines before 1.4.14,
// "get AmazonElastiCache:cluster". The error is ErrBadReply if the node knows neither or answers something else.
func (e ElastiCache) Nodes(ctx context.Context) ([]Node, error) {
	nodes, err := e.ask(ctx)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("discovery: cluster at %s: %w", quote(e.Addr), err)
	}
	return nodes, nil
}

func (e ElastiCache) ask(ctx context.Context) ([]Node, error) {
	addr, ok := canonical(e.Addr)
	if !ok || isSocketPath(addr) {
		return nil, ErrBadAddr
	}
	dial := e.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	members, err := askCluster(conn)
	if err != nil {
		return nil, err
	}
	nodes := make([]Node, len(members))
	for i, m := range members {
		nodes[i] = m.node(e.KeepHosts)
	}
	return nodes, nil
}
