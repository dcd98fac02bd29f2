package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
)

// fleet is memcached nodes inside this process. They have names and no ports, so that each key has the same home every time.
type fleet []*memcachetest.Server

func startFleet(n int) fleet {
	f := make(fleet, n)
	for i := range f {
		f[i] = memcachetest.NewServer(memcachetest.WithPipeAddr(fmt.Sprintf("cache-%d:11211", i+1)))
	}
	return f
}

func (f fleet) close() {
	for _, node := range f {
		node.Close()
	}
}

// newClient returns a client that has each key on one of the nodes.
func (f fleet) newClient(opts ...memcache.Option) (*memcache.Client, error) {
	for _, node := range f {
		opts = append(opts, memcache.WithServers(node.Addr()))
	}
	opts = append(opts, memcache.WithDialer(memcachetest.Dialer(f...)), memcache.WithTimeout(2*time.Second)) // they share our CPUs
	return memcache.New(opts...)
}

// sentDuring returns how many bytes each node says it has sent while something was done.
func (f fleet) sentDuring(do func() error) ([]int64, error) {
	before := f.sent()
	err := do()
	after := f.sent()
	for i := range after {
		after[i] -= before[i]
	}
	return after, err
}

func (f fleet) sent() (list []int64) {
	for _, node := range f {
		list = append(list, node.Stats().BytesWritten)
	}
	return list
}

// bars draws a line for each node, with what it has sent. The longest bar is the largest number of scale.
func bars(f fleet, sent, scale []int64) string {
	const width = 44
	full := slices.Max(scale)
	lines := make([]string, len(f))
	for i, node := range f {
		name, _, _ := strings.Cut(node.Addr(), ":")
		bar := strings.Repeat("█", max(1, int((sent[i]*width+full/2)/full)))
		lines[i] = fmt.Sprintf("   %s %7.1f MiB %s", name, float64(sent[i])/(1<<20), bar)
	}
	return strings.Join(append(lines, ""), "\n")
}

func sum(numbers []int64) (total int64) {
	for _, n := range numbers {
		total += n
	}
	return total
}
