package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/nohop/memcache/discovery"
)

// A Follower hands on every list that differs from the last one, until its context ends.
func ExampleFollower() {
	src := discovery.Merge(
		discovery.WithZone("a", discovery.StaticAddrs("10.0.1.1", "10.0.1.2")),
		discovery.WithZone("b", discovery.StaticAddrs("10.0.2.1")),
	)
	f, err := discovery.NewFollower(discovery.Config{
		Source:  src,
		OnEvent: func(e discovery.Event) { fmt.Println("trouble:", e.Err, "list of", e.Nodes, "is", e.Age, "old") },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = f.Run(ctx, func(nodes []discovery.Node) {
		for _, n := range nodes {
			fmt.Println(n.Name, n.Zone)
		}
		cancel() // a program goes on, in a goroutine of its own
	})
	fmt.Println(err)
	// Output:
	// 10.0.1.1:11211 a
	// 10.0.1.2:11211 a
	// 10.0.2.1:11211 b
	// context canceled
}

// hosts is a Resolver that knows one name.
type hosts map[string][]string

func (h hosts) LookupNetIP(_ context.Context, network, host string) (ips []netip.Addr, err error) {
	for _, text := range h[host] {
		if ip := netip.MustParseAddr(text); ip.Is4() == (network == "ip4") {
			ips = append(ips, ip)
		}
	}
	return ips, nil
}

func (h hosts) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("not used here")
}

// Text from a configuration, here with a resolver of our own.
func ExampleParser_Parse() {
	p := discovery.Parser{Resolver: hosts{"cache.default.svc.cluster.local.": {"10.0.0.8", "10.0.0.7"}}}
	src, err := p.Parse("10.0.9.1:11211", "dns+cache.default.svc.cluster.local.:11211")
	if err != nil {
		fmt.Println(err)
		return
	}
	nodes, err := src.Nodes(context.Background())
	for _, n := range nodes {
		fmt.Println(n.Addr)
	}
	fmt.Println(err)
	_, err = p.Parse("dsn+cache:11211")
	fmt.Println(errors.Is(err, discovery.ErrBadSpec))
	// Output:
	// 10.0.9.1:11211
	// 10.0.0.8:11211
	// 10.0.0.7:11211
	// <nil>
	// true
}

// Zones from host names, where SRV records point to names such as cache-0.eu-1a.example.com.
func ExampleMap() {
	src := discovery.Map(discovery.StaticAddrs("cache-0.eu-1a.example.com"), func(n discovery.Node) discovery.Node {
		n.Zone = strings.Split(n.Addr, ".")[1]
		return n
	})
	nodes, _ := src.Nodes(context.Background())
	fmt.Println(nodes[0].Zone)
	// Output: eu-1a
}
