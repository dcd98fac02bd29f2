package main

import (
	"context"
	"fmt"

	"github.com/nohop/memcache"
)

// readsStayLocal shows that in a replicated topology reads are served by the local node alone.
func (s *stage) readsStayLocal(ctx context.Context) error {
	s.act("Three nodes, each holds every key; reads stay local")
	for i, addr := range s.nodes.addrs() {
		s.text(fmt.Sprintf("%s is %s", nodeName(i), addr))
	}
	s.text("", "node 1 is the local one, as on a Kubernetes node with a memcached of its own.")

	if err := writeAll(ctx, s.client, keys); err != nil {
		return err
	}
	const reads = 3000
	served := newMeter(s.nodes)
	for i := range reads {
		if err := readOne(ctx, s.client, keys[i%len(keys)]); err != nil {
			return err
		}
	}
	counts := served.lap()
	s.bars(counts)
	if counts[0] != reads || sum(counts) != reads {
		return fmt.Errorf("%d reads were served as %v", reads, counts)
	}
	s.holds("%d keys written, %d reads: all served by node 1", len(keys), reads)
	return nil
}

// writesReachAll asks each node by itself for what was written through the replicated client.
func (s *stage) writesReachAll(ctx context.Context) error {
	s.act("A write reaches all three")
	if err := s.client.Set(ctx, &memcache.Item{Key: "greeting", Value: []byte("hello")}); err != nil {
		return err
	}
	for i, addr := range s.nodes.addrs() {
		value, err := askAlone(ctx, addr, "greeting")
		if err != nil {
			return fmt.Errorf("%s, asked alone: %w", nodeName(i), err)
		}
		if value != "hello" {
			return fmt.Errorf("%s, asked alone, has %q", nodeName(i), value)
		}
		s.text(fmt.Sprintf("%s, asked alone: %s", nodeName(i), value))
	}
	s.holds("one Set, and every node has the value")
	return nil
}

// askAlone reads a key from one node, past all routing.
func askAlone(ctx context.Context, addr, key string) (string, error) {
	client, err := memcache.New(memcache.WithServers(addr), memcache.WithTimeout(patience))
	if err != nil {
		return "", err
	}
	defer client.Close()
	item, err := client.Get(ctx, key)
	if err != nil {
		return "", err
	}
	return string(item.Value), nil
}
