package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
)

// The topologies of -topology.
const (
	replicated       = "replicated"
	sharded          = "sharded"
	sharded2         = "sharded2" // two replicas
	coherent         = "coherent" // replicated, WithCoherentReplicas
	coherentSharded2 = "coherent-sharded2"
	kept             = "kept"   // sharded, every value kept in each process and validated with each read
	spread           = "spread" // sharded, every value copied to two nodes more
	pinned           = "pinned" // sharded, keys pinned to nodes and freed by a table of rules (pins.go)
	pinned2          = "pinned-sharded2"
)

var topologies = map[string][]memcache.Option{
	replicated:       {memcache.WithReplicated()},
	sharded:          nil,
	sharded2:         {memcache.WithSharded(2)},
	coherent:         {memcache.WithReplicated(), memcache.WithCoherentReplicas()},
	coherentSharded2: {memcache.WithSharded(2), memcache.WithCoherentReplicas()},
	kept:             {memcache.WithKeyRules(everyKey(hotkey.Action{Kind: hotkey.Keep}))},
	pinned:           nil,
	pinned2:          {memcache.WithSharded(2)},
	spread:           {memcache.WithKeyRules(everyKey(hotkey.Action{Kind: hotkey.Spread, Copies: 3}))},
}

// everyKey is a rule for the keys of package main, which all begin so.
func everyKey(a hotkey.Action) hotkey.Rule { return hotkey.Rule{Prefix: "k", Action: a} }

func topologyNames() string {
	return strings.Join(slices.Sorted(maps.Keys(topologies)), ", ")
}

// topologyOptions returns what a client is made with; local is the node that is its own, where it reads its own.
func topologyOptions(name, local string) ([]memcache.Option, error) {
	options, ok := topologies[name]
	if !ok {
		return nil, fmt.Errorf("there is no topology %q, only %s", name, topologyNames())
	}
	if hasOneHome(name) {
		return options, nil
	}
	return append(slices.Clone(options), memcache.WithLocal(local)), nil
}

func hasOneHome(topology string) bool {
	return topology == sharded || topology == kept || topology == spread || topology == pinned
}

// hasPins reports whether keys are pinned and freed.
func hasPins(topology string) bool { return topology == pinned || topology == pinned2 }

// isEverywhere reports whether every node holds every key.
func isEverywhere(topology string) bool { return topology == replicated || topology == coherent }

// isCoherent reports whether reads fill replicas from a key's home.
func isCoherent(topology string) bool { return topology == coherent || topology == coherentSharded2 }
