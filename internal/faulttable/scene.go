package main

import (
	"fmt"
	"time"

	"github.com/nohop/memcache/internal/faultproxy"
	"github.com/nohop/memcache/internal/realnode"
)

const (
	nodeCount = 3
	keyCount  = 1000
	valueSize = 100
)

// scene is a client and its nodes. What fails is the first node: a replicated client reads there first.
type scene struct {
	subject
	nodes   []*realnode.Node
	network *faultproxy.Proxy // before the first node; nil if direct
	fails   string            // the address of the first node, as the client knows it
	keys    []string
}

type opener func(nodes []string) (subject, error)

// path is the way to the first node.
type path uint8

const (
	direct path = iota
	proxied
)

// newScene starts nodes, has open connect to them, and stores all keys.
func newScene(open opener, path path) (s *scene, err error) {
	s = &scene{}
	defer func() {
		if err != nil {
			s.end()
		}
	}()
	var addrs []string
	for range nodeCount {
		n, err := realnode.Launch("-m", "64", "-c", "4096")
		if err != nil {
			return s, err
		}
		s.nodes = append(s.nodes, n)
		addrs = append(addrs, n.Addr)
	}
	if path == proxied {
		if s.network, err = faultproxy.Start(addrs[0], 0); err != nil {
			return s, err
		}
		addrs[0] = s.network.Addr()
	}
	s.fails = addrs[0]
	if s.subject, err = open(addrs); err != nil {
		return s, err
	}
	for i := range keyCount {
		s.keys = append(s.keys, fmt.Sprint("key", i))
	}
	return s, s.fill()
}

func (s *scene) fill() error {
	for _, key := range s.keys {
		if err := s.set(key, make([]byte, valueSize)); err != nil {
			return fmt.Errorf("storing the keys: %w", err)
		}
	}
	return nil
}

func (s *scene) end() {
	if s.subject != nil {
		s.close()
	}
	if s.network != nil {
		s.network.Close()
	}
	for _, n := range s.nodes {
		n.Close()
	}
}

func (s *scene) victim() *realnode.Node { return s.nodes[0] }

// reads begins a load of reads.
func (s *scene) reads() *load { return begin(keyCount, func(i int) error { return s.get(s.keys[i]) }) }

// writes begins a load of sets.
func (s *scene) writes() *load {
	value := make([]byte, valueSize)
	return begin(keyCount, func(i int) error { return s.set(s.keys[i], value) })
}

// onVictim returns a function that reports whether a key's home is the node that fails.
func (s *scene) onVictim() func(key int) bool {
	homes := make([]bool, keyCount)
	for i, key := range s.keys {
		homes[i] = s.home(key) == s.fails
	}
	return func(key int) bool { return homes[key] }
}

func not(f func(int) bool) func(int) bool { return func(key int) bool { return !f(key) } }

// in runs do with a scene of its own.
func in(open opener, do func(*scene) error) error { return at(direct, open, do) }

func at(path path, open opener, do func(*scene) error) error {
	s, err := newScene(open, path)
	if err != nil {
		return err
	}
	defer s.end()
	return do(s)
}

// pass lets a load run for d: the measurement itself.
func pass(d time.Duration) { <-time.After(d) }
