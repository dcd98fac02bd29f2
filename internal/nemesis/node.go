package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/faultproxy"
	"github.com/nohop/memcache/internal/netlab"
	"github.com/nohop/memcache/internal/realnode"
)

// node is a memcached as the clients reach it: behind a proxy, or in a network namespace.
type node struct {
	ip     string            // by which the resolver knows it
	name   string            // ip:port, by which errors and histories know it
	direct string            // past the proxy
	fault  sync.Mutex        // held while something is wrong with it: one thing at a time
	real   *realnode.Node    // nil in a namespace
	proxy  *faultproxy.Proxy // nil in a namespace
	host   *netlab.Host      // nil behind a proxy
	cache  *memcache.Client  // of this node alone, past the proxy
}

// nodeArgs give each node so little memory that the large values of item evict each other.
var nodeArgs = []string{"-m", "2"}

const (
	labPort    = 11211 // the port of nodes in namespaces
	firstPort  = 20000 // below the range for outgoing connections
	lastPort   = 32000
	addrsToTry = 50
)

// startNodes starts count nodes that share a port, the last of them in a namespace of lab unless that is nil.
func startNodes(rnd *rand.Rand, count int, lab *lab) (nodes []*node, err error) {
	defer func() {
		if err != nil {
			closeNodes(nodes)
		}
	}()
	port := firstPort + rnd.IntN(lastPort-firstPort)
	if lab != nil {
		count--
		port = labPort
	}
	for range count {
		n, err := startNode(rnd, port)
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, n)
	}
	if lab != nil {
		host, err := lab.start()
		if err != nil {
			return nodes, err
		}
		ip, _, _ := net.SplitHostPort(host.Addr)
		nodes = append(nodes, &node{ip: ip, name: host.Addr, direct: host.Addr, host: host})
	}
	return nodes, openDirect(nodes)
}

// startNode starts one node whose proxy listens on that port of an address that nobody else uses.
func startNode(rnd *rand.Rand, port int) (*node, error) {
	real, err := realnode.Launch(nodeArgs...)
	if err != nil {
		return nil, err
	}
	for range addrsToTry {
		ip := fmt.Sprintf("127.%d.%d.%d", 1+rnd.IntN(250), rnd.IntN(250), 1+rnd.IntN(250))
		name := net.JoinHostPort(ip, strconv.Itoa(port))
		var proxy *faultproxy.Proxy
		if proxy, err = faultproxy.Listen(name, real.Addr, rnd.Uint64()); err == nil {
			return &node{ip: ip, name: name, direct: real.Addr, real: real, proxy: proxy}, nil
		}
	}
	real.Close()
	return nil, fmt.Errorf("port %d cannot be had: %w", port, err)
}

func openDirect(nodes []*node) error {
	for _, n := range nodes {
		var err error
		if n.cache, err = memcache.New(memcache.WithServers(n.direct), memcache.WithTimeout(directTimeout)); err != nil {
			return err
		}
	}
	return nil
}

// closeNodes ends them all; a namespace is the lab's.
func closeNodes(nodes []*node) {
	for _, n := range nodes {
		if n.cache != nil {
			n.cache.Close()
		}
		if n.proxy != nil {
			n.proxy.Close()
			n.real.Close()
		}
	}
}

// heal undoes whatever fault is on. Connections that will never be answered are reset, for only then can the node be
// reached: a client waits for a reply as long as TCP says that its bytes arrive.
func (n *node) heal() error {
	if n.host != nil {
		return nil // the faults of a namespace are undone where they are made
	}
	n.real.Resume()
	if err := n.proxy.Heal(); err != nil {
		return err
	}
	n.proxy.Bury()
	return nil
}

// again calls do until it does not fail, some times at most: a restart breaks the connection that was open to the node, a
// network that was cut needs a while, and what is asked past the proxy may be done twice.
func again(do func() error) (err error) {
	for range directTries {
		if err = do(); err == nil {
			break
		}
		wait(directContext, directPause)
	}
	return err
}

func (n *node) flush() error {
	return again(func() error { return n.cache.FlushAll(directContext) })
}

func (n *node) put(it *memcache.Item) error {
	return again(func() error { return n.cache.Set(directContext, it) })
}

// evictions asks the node for its count.
func (n *node) evictions() (count int, err error) {
	var all map[string]map[string]string
	err = again(func() (err error) {
		all, err = n.cache.ServerStats(directContext, "")
		return err
	})
	for _, stats := range all {
		count, err = strconv.Atoi(stats["evictions"])
	}
	return count, err
}
