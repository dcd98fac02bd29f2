package main

import (
	"fmt"

	"github.com/nohop/memcache/memcachetest"
)

// nodes are memcached nodes inside this process, each on a free port of 127.0.0.1.
type nodes []*memcachetest.Server

func startNodes(n int) nodes {
	ns := make(nodes, n)
	for i := range ns {
		ns[i] = memcachetest.NewServer()
	}
	return ns
}

func (ns nodes) close() {
	for _, n := range ns {
		n.Close()
	}
}

func (ns nodes) addrs() []string {
	addrs := make([]string, len(ns))
	for i, n := range ns {
		addrs[i] = n.Addr()
	}
	return addrs
}

// nodeName is how the story calls the node at that index.
func nodeName(i int) string { return fmt.Sprintf("node %d", i+1) }

// meter reads the nodes' own counters, as the command "stats" shows them.
type meter struct {
	nodes nodes
	last  []int
}

// newMeter returns a meter that counts from now.
func newMeter(ns nodes) *meter {
	m := &meter{nodes: ns, last: make([]int, len(ns))}
	m.lap()
	return m
}

// lap returns the reads that each node has served since the last lap. A node that was started again counts from zero.
func (m *meter) lap() []int {
	reads := make([]int, len(m.nodes))
	for i, n := range m.nodes {
		total := n.Stats().Gets
		if total < m.last[i] {
			m.last[i] = 0
		}
		reads[i] = total - m.last[i]
		m.last[i] = total
	}
	return reads
}

// sent returns the bytes that each node has sent since its start.
func (ns nodes) sent() []int {
	bytes := make([]int, len(ns))
	for i, n := range ns {
		bytes[i] = int(n.Stats().BytesWritten)
	}
	return bytes
}

func sum(numbers []int) (total int) {
	for _, n := range numbers {
		total += n
	}
	return total
}
