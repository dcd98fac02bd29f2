package memcache_test

import (
	"fmt"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// requireLocal reads a lot, and requires that Explain is right about who is local and why.
func requireLocal(t *testing.T, c *memcache.Client, local, by string) {
	t.Helper()
	require.NoError(t, c.Ping(t.Context()))
	before := requestsOf(c)
	for _, k := range manyKeys(50) {
		_, err := c.Get(t.Context(), k)
		if err != nil {
			require.ErrorIs(t, err, memcache.ErrCacheMiss)
		}
	}
	e, err := c.Explain("k")
	require.NoError(t, err)
	require.Equal(t, local, e.Local)
	require.Equal(t, by, e.LocalBy)
	if local != "" {
		require.Equal(t, uint64(50), requestsOf(c)[local]-before[local])
	}
}

func requestsOf(c *memcache.Client) map[string]uint64 {
	counts := map[string]uint64{}
	for _, n := range c.Stats().Nodes {
		counts[n.Name] = n.Requests
	}
	return counts
}

// onLoopback starts servers at addresses of 127.0.0.0/8, of which 127.0.0.1 alone is one of an interface.
func onLoopback(t *testing.T, ips ...string) (addrs []string) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux answers at all of 127.0.0.0/8")
	}
	for _, ip := range ips {
		s := memcachetest.NewServer(memcachetest.WithTCPAddr(net.JoinHostPort(ip, "0")))
		t.Cleanup(s.Close)
		addrs = append(addrs, s.Addr())
	}
	return addrs
}

// With every node holding every key, each way of deciding is seen in who serves the reads.
func TestReadsGoToWhoIsLocal(t *testing.T) {
	addrs := onLoopback(t, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	socket := realnode.StartUnix(t).Addr
	client := func(servers []string, opts ...memcache.Option) *memcache.Client {
		opts = append(opts, memcache.WithServers(servers...), memcache.WithReplicated(), memcache.WithTimeout(longTimeout))
		return newClient(t, opts...)
	}
	t.Setenv("HOST_IP", "")
	requireLocal(t, client(addrs), addrs[0], "address of this host")
	requireLocal(t, client(addrs[1:]), "", "")
	requireLocal(t, client(append(addrs, socket)), socket, "unix socket")
	requireLocal(t, client(addrs, memcache.WithLocal("127.0.0.2")), addrs[1], "WithLocal")
	requireLocal(t, client(addrs, memcache.WithLocal("")), "", "")

	t.Setenv("HOST_IP", "127.0.0.3")
	requireLocal(t, client(append(addrs, socket)), addrs[2], "environment variable HOST_IP")
	requireLocal(t, client(addrs[:2]), addrs[0], "address of this host")
	requireLocal(t, client(addrs, memcache.WithLocal("127.0.0.2")), addrs[1], "WithLocal")
	t.Setenv("NOHOP_TEST_LOCAL", "127.0.0.2")
	requireLocal(t, client(addrs, memcache.WithLocalEnv("NOHOP_TEST_LOCAL")), addrs[1], "environment variable NOHOP_TEST_LOCAL")

	// A whole cluster at one address: nobody is nearer than the others.
	require.NotEqual(t, addrs[0], onLoopback(t, "127.0.0.1")[0])
	requireLocal(t, client(append(onLoopback(t, "127.0.0.1"), addrs[0])), "", "")
}

// The local node is not there at first, joins, leaves, and joins again under another name.
func TestALocalNodeThatComesAndGoes(t *testing.T) {
	addrs := onLoopback(t, "127.0.0.2", "127.0.0.3")
	here, far := discovery.Node{Name: "here", Addr: addrs[0]}, discovery.Node{Name: "far", Addr: addrs[1]}
	src := newByHand(far)
	t.Setenv("HOST_IP", "127.0.0.2")
	c := newClient(t, memcache.WithDiscovery(src), memcache.WithReplicated(), memcache.WithTimeout(longTimeout), memcache.WithPropagation(0))
	requireLocal(t, c, "", "")
	src.say(nil, far, here)
	requireLocal(t, c, "here", "environment variable HOST_IP")
	src.say(nil, far)
	requireLocal(t, c, "", "")
	here.Name = "a-new-pod"
	src.say(nil, here, far)
	requireLocal(t, c, "a-new-pod", "environment variable HOST_IP")
}

// The nearest node is found by its round trip, is local until another is nearer for a while, and is replaced at once when
// it no longer answers.
func TestTheNearestNodeIsLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, dialer := podNetwork(t, "10.0.0.1", "10.0.0.2", "10.0.0.3")
		delay := func(ip string, d time.Duration) {
			servers[ip].Heal()
			servers[ip].Inject(memcachetest.Delay(d))
		}
		var list []string
		for ip, s := range servers {
			defer s.Close()
			list = append(list, ip)
		}
		delay("10.0.0.1", 3*time.Millisecond)
		delay("10.0.0.2", 1*time.Millisecond)
		delay("10.0.0.3", 2*time.Millisecond)
		c, err := memcache.New(memcache.WithServers(list...), memcache.WithReplicated(), memcache.WithNearest(), dialer)
		require.NoError(t, err)
		defer c.Close()
		time.Sleep(time.Second)
		requireLocal(t, c, "10.0.0.2:11211", "lowest round trip (1ms)")

		delay("10.0.0.2", 9*time.Millisecond)
		time.Sleep(20 * time.Second) // two rounds
		requireLocal(t, c, "10.0.0.2:11211", "lowest round trip (1ms)")
		time.Sleep(10 * time.Second)
		requireLocal(t, c, "10.0.0.3:11211", "lowest round trip (2ms)")
		for _, n := range c.Stats().Nodes {
			require.Equal(t, uint64(1), n.Dials, "another view of the same nodes keeps their connections")
		}
		servers["10.0.0.3"].Kill()
		time.Sleep(10 * time.Second)
		e, err := c.Explain("k")
		require.NoError(t, err)
		require.Equal(t, "10.0.0.1:11211", e.Local)
	})
}

// On Kubernetes with a memcached on each node: the own node if it has one, else the own zone. Each process reads there
// first; Explain says what has decided.
func ExampleWithLocal() {
	list := discovery.Static{
		{Name: "memcached-x7", Addr: "10.0.1.7", Zone: "eu-1a"},
		{Name: "memcached-k2", Addr: "10.0.2.9", Zone: "eu-1b"},
	}
	client, err := memcache.New(
		memcache.WithDiscovery(list),
		memcache.WithReplicated(),
		memcache.WithLocal("10.0.9.3"), // often WithLocalEnv("HOST_IP"); this one has no memcached
		memcache.WithLocal("eu-1b"),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	e, err := client.Explain("user:42")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("local:", e.Local, "by", e.LocalBy)
	fmt.Println("read first:", e.Replicas[0].Node)
	// Output:
	// local: eu-1b by WithLocal
	// read first: memcached-k2
}
