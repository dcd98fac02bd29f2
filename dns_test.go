package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/stretchr/testify/require"
)

// fakeDNS answers with a list that tests change.
type fakeDNS struct {
	mu    sync.Mutex
	addrs map[string][]string
	err   error
	asked int
}

func (d *fakeDNS) LookupNetIP(_ context.Context, network, host string) (ips []netip.Addr, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked++
	if network == "ip4" {
		for _, addr := range d.addrs[host] {
			ips = append(ips, netip.MustParseAddr(addr))
		}
	}
	return ips, d.err
}

func (d *fakeDNS) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, errors.New("no SRV records here")
}

func (d *fakeDNS) set(err error, addrs ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addrs, d.err = map[string][]string{"memcached.svc": addrs}, err
}

// podNetwork is servers at 10.0.0.x:11211, in memory, so that it works in a bubble of fake time.
func podNetwork(t *testing.T, ips ...string) (map[string]*memcachetest.Server, memcache.Option) {
	servers := map[string]*memcachetest.Server{}
	var list []*memcachetest.Server
	for _, ip := range ips {
		s := memcachetest.NewServer(memcachetest.WithPipeAddr(ip + ":11211"))
		servers[ip], list = s, append(list, s)
	}
	return servers, memcache.WithDialer(memcachetest.Dialer(list...))
}

func names(c *memcache.Client) (list []string) {
	for _, n := range c.Stats().Nodes {
		host, _, _ := net.SplitHostPort(n.Name)
		list = append(list, host)
	}
	return list
}

// The list of nodes follows the name: nodes join and leave, and those that stay keep their connections.
func TestDNS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, dialer := podNetwork(t, "10.0.0.1", "10.0.0.2", "10.0.0.3")
		for _, s := range servers {
			defer s.Close()
		}
		dns := &fakeDNS{}
		dns.set(nil, "10.0.0.2", "10.0.0.1")
		c, err := memcache.New(memcache.WithServers("dns+memcached.svc"), memcache.WithReplicated(), dialer,
			memcache.WithResolver(dns, time.Second), memcache.WithPropagation(0))
		require.NoError(t, err)
		defer c.Close()
		step := func(want ...string) {
			t.Helper()
			time.Sleep(3 * time.Second) // of the bubble's clock: after a failure the pause is up to 2 s
			synctest.Wait()
			require.Equal(t, want, names(c))
			require.NoError(t, c.Set(t.Context(), item("k", "v")))
			for _, n := range c.Stats().Nodes {
				require.Equal(t, uint64(1), n.Dials, "nodes that stay keep their connections")
			}
			open := 0
			for _, s := range servers {
				open += s.Stats().CurrConnections
			}
			require.Equal(t, len(want), open, "connections to nodes that left are closed")
		}
		require.Equal(t, []string{"10.0.0.1", "10.0.0.2"}, names(c))
		step("10.0.0.1", "10.0.0.2")
		dns.set(nil, "10.0.0.1", "10.0.0.2") // the order means nothing
		step("10.0.0.1", "10.0.0.2")
		dns.set(nil, "10.0.0.3", "10.0.0.2", "10.0.0.1", "10.0.0.1")
		step("10.0.0.1", "10.0.0.2", "10.0.0.3")
		dns.set(nil, "10.0.0.3", "10.0.0.1")
		step("10.0.0.1", "10.0.0.3")
		dns.set(errors.New("no such host"))
		step("10.0.0.1", "10.0.0.3")
		dns.set(nil)
		step("10.0.0.1", "10.0.0.3")
		dns.set(nil, "10.0.0.3", "10.0.0.2", "10.0.0.1")
		step("10.0.0.1", "10.0.0.2", "10.0.0.3")

		require.NoError(t, c.Close())
		asked := dns.asked
		time.Sleep(time.Minute)
		require.Equal(t, asked, dns.asked, "nobody asks after Close")
	})
}

// A name that does not resolve yet is no error of New; the client works as soon as it does.
func TestDNSThatResolvesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, dialer := podNetwork(t, "10.0.0.1")
		defer servers["10.0.0.1"].Close()
		dns := &fakeDNS{}
		dns.set(errors.New("no such host"))
		c, err := memcache.New(memcache.WithServers("dns+memcached.svc"), dialer, memcache.WithResolver(dns, time.Second),
			memcache.WithRule("ruled", "10.0.0.1", "10.0.0.9"))
		require.NoError(t, err)
		defer c.Close()
		for name, call := range keyed {
			err := call(t.Context(), c, "secret")
			require.ErrorIs(t, err, memcache.ErrNoServers, name)
			require.ErrorContains(t, err, "no such host", name)
			require.NotContains(t, err.Error(), "secret")
		}
		for name, call := range map[string]func(context.Context) error{"ping": c.Ping, "warm-up": c.Warmup} {
			require.ErrorIs(t, call(t.Context()), memcache.ErrNoServers, name)
		}
		const nextLookUp = 11 * time.Second // the longest pause after failures is 10
		dns.set(fmt.Errorf("look-up: %w", context.DeadlineExceeded))
		time.Sleep(nextLookUp)
		_, err = c.Get(t.Context(), "k")
		require.ErrorIs(t, err, memcache.ErrNoServers)
		require.ErrorContains(t, err, "look-up: context deadline exceeded")
		require.NotErrorIs(t, err, context.DeadlineExceeded, "that of the caller has not ended")
		require.Equal(t, "node-down", memcache.ErrorClass(err))
		it, err := c.GetOrLoad(t.Context(), "k", (&source{}).load)
		require.NoError(t, err)
		require.Equal(t, "v1", string(it.Value))
		dns.set(nil, "10.0.0.1")
		time.Sleep(nextLookUp)
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		// A rule whose nodes are not all there does not apply.
		require.NoError(t, c.Set(t.Context(), item("ruled", "v")))
	})
}

// A name beside fixed servers, and two names for one node.
func TestDNSBesideFixedServers(t *testing.T) {
	dns := &fakeDNS{}
	dns.set(nil, "10.0.0.1", "10.0.0.2")
	c := newClient(t, memcache.WithServers("10.0.0.2", "10.0.0.3", "dns+memcached.svc"), memcache.WithResolver(dns, time.Hour))
	require.Equal(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, names(c))
	zoned := newClient(t, memcache.WithZone("a", "dns+memcached.svc"), memcache.WithZone("b", "dns+other.svc"),
		memcache.WithZone("c", "10.0.0.4"), memcache.WithResolver(dns, time.Hour))
	require.Equal(t, []string{"10.0.0.1", "10.0.0.2", "10.0.0.4"}, names(zoned))
}

// While nodes come and go, several times a second, under load, no request fails: those under way at a node that leaves
// are finished, and those that come late go on elsewhere. The servers listen on several loopback addresses.
func TestDNSChurnFailsNoRequest(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux answers at all of 127.0.0.0/8")
	}
	var ips []string
	first := memcachetest.NewServer(memcachetest.WithTCPAddr("127.0.0.1:0"))
	defer first.Close()
	_, port, err := net.SplitHostPort(first.Addr())
	require.NoError(t, err)
	for i := 2; i <= 4; i++ {
		ip := fmt.Sprint("127.0.0.", i)
		s := memcachetest.NewServer(memcachetest.WithTCPAddr(net.JoinHostPort(ip, port)))
		defer s.Close()
		ips = append(ips, ip)
	}
	dns := &fakeDNS{}
	dns.set(nil, ips...)
	c := newClient(t, memcache.WithServers("dns+memcached.svc:"+port), memcache.WithReplicated(), memcache.WithTimeout(longTimeout),
		memcache.WithResolver(dns, time.Millisecond))
	require.NoError(t, c.Set(t.Context(), item("k", "v")))
	readsAndWrites := func(c *memcache.Client, i int) error { // nodes that come back are empty: a read may miss
		if i%4 == 0 {
			return c.Set(context.Background(), item("k", "v"))
		}
		return readsOrMisses(c, i)
	}
	require.NoError(t, underLoad(c, readsAndWrites, func(wait func(n int)) {
		for i := range 100 {
			dns.set(nil, "127.0.0.2", ips[1+i%2]) // one node is always there
			wait(50)
		}
	}))
}

// A write that was sent to a node before the node left the view is acknowledged by it.
func TestRequestsUnderWayOnALeavingNodeAreFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, dialer := podNetwork(t, "10.0.0.1", "10.0.0.2")
		for _, s := range servers {
			defer s.Close()
		}
		dns := &fakeDNS{}
		dns.set(nil, "10.0.0.1", "10.0.0.2")
		c, err := memcache.New(memcache.WithServers("dns+memcached.svc"), memcache.WithReplicated(), dialer,
			memcache.WithResolver(dns, 10*time.Millisecond), memcache.WithPropagation(0))
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		servers["10.0.0.2"].Inject(memcachetest.Delay(90 * time.Millisecond))
		result := make(chan error)
		go func() { result <- c.Set(t.Context(), item("k", "w")) }()
		synctest.Wait()
		dns.set(nil, "10.0.0.1")
		time.Sleep(20 * time.Millisecond)
		require.Equal(t, []string{"10.0.0.1"}, names(c))
		require.NoError(t, <-result)
	})
}

// A node that leaves and comes back is another one: what was read from it before is not compared there.
func TestCASOfANodeThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, dialer := podNetwork(t, "10.0.0.1")
		defer servers["10.0.0.1"].Close()
		dns := &fakeDNS{}
		dns.set(nil, "10.0.0.1")
		c, err := memcache.New(memcache.WithServers("dns+memcached.svc"), dialer, memcache.WithResolver(dns, 10*time.Millisecond),
			memcache.WithPropagation(0))
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		it, err := c.GetForUpdate(t.Context(), "k")
		require.NoError(t, err)
		dns.set(nil, "10.0.0.9")
		time.Sleep(time.Second)
		dns.set(nil, "10.0.0.1")
		time.Sleep(time.Second)
		require.ErrorIs(t, c.CompareAndSwap(t.Context(), it), memcache.ErrForeignCAS)
		require.Equal(t, pool.Up, c.Stats().Nodes[0].State)
	})
}
