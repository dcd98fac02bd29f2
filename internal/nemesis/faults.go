package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/faultproxy"
	"github.com/nohop/memcache/internal/history"
)

// Operations past the proxy. The cable of a node in a namespace may be cut meanwhile, for a second or two.
const (
	directTimeout = 2 * time.Second
	directTries   = 50
	directPause   = 100 * time.Millisecond
)

// directContext is of operations past the proxy, which have a timeout of their own.
var directContext = context.Background()

// faultKind is something that the nemesis does, for a while, to one node or more.
type faultKind struct {
	name  string
	group string
	pace  pace
	fits  func(r *round, n *node) bool
	do    func(r *round, n *node, rnd *rand.Rand, hold func()) error
}

// The groups of faults that -faults knows beside the names.
const (
	groupAll     = "all"     // every client must survive them
	groupHostile = "hostile" // replies are made wrong
	groupMeddle  = "meddle"  // values are changed behind the clients' backs: to see that the checks see it
)

func faultKinds() []faultKind {
	kinds := []faultKind{
		{name: "kill", group: groupAll, pace: seldom, fits: behindProxy, do: kill},
		{name: "restart", group: groupAll, pace: seldom, fits: behindProxy, do: restart},
		{name: "pause", group: groupAll, fits: behindProxy, do: pause},
		{name: "flush", group: groupAll, pace: seldom, fits: anyNode, do: flush},
		{name: "flush-all", group: groupAll, pace: seldom, fits: anyNode, do: flushAll},
		{name: "evict", group: groupAll, fits: anyNode, do: evict},
		{name: "leave", group: groupAll, pace: seldom, fits: mayLeave, do: leave},
		{name: "pin", group: groupAll, pace: steady, fits: mayPin, do: pinKeys},
		{name: "half-open", group: groupAll, fits: behindProxy, do: halfOpen},
		{name: "drop", group: groupAll, fits: inNamespace, do: drop},
		{name: "cable", group: groupAll, fits: inNamespace, do: cable},
		{name: "meddle-stale", group: groupMeddle, fits: anyNode, do: meddleStale},
		{name: "meddle-torn", group: groupMeddle, fits: anyNode, do: meddleTorn},
	}
	for _, k := range faultproxy.Kinds() {
		group := groupAll
		if k.Hostile {
			group = groupHostile
		}
		kinds = append(kinds, faultKind{name: "net-" + k.Name, group: group, fits: behindProxy, do: onProxy(k)})
	}
	return kinds
}

func faultNames() []string {
	names := []string{groupAll, groupHostile, groupMeddle, "none"}
	for _, k := range faultKinds() {
		names = append(names, k.name)
	}
	return names
}

// chooseFaults returns the kinds with one of those names, or of those groups.
func chooseFaults(names []string) ([]faultKind, error) {
	for _, name := range names {
		if !slices.Contains(faultNames(), name) {
			return nil, fmt.Errorf("there is no fault %q", name)
		}
	}
	return slices.DeleteFunc(faultKinds(), func(k faultKind) bool {
		return !slices.Contains(names, k.name) && !slices.Contains(names, k.group)
	}), nil
}

func behindProxy(_ *round, n *node) bool { return n.proxy != nil }
func anyNode(*round, *node) bool         { return true }
func inNamespace(_ *round, n *node) bool { return n.host != nil }
func mayLeave(r *round, _ *node) bool    { return len(r.nodes) > 1 }

// kill is kill -9, and a restart on the same port with an empty memory after a while.
func kill(r *round, n *node, _ *rand.Rand, hold func()) error {
	err := n.proxy.Set(faultproxy.Faults{Connect: faultproxy.Refuse})
	if err != nil {
		return err
	}
	start := history.Now()
	n.real.Kill()
	r.flushed(n, start)
	hold()
	return n.real.Restart()
}

func restart(r *round, n *node, _ *rand.Rand, _ func()) error {
	start := history.Now()
	err := n.real.Restart()
	r.flushed(n, start)
	return err
}

func pause(_ *round, n *node, _ *rand.Rand, hold func()) error {
	n.real.Pause()
	hold()
	return nil
}

func flush(r *round, n *node, _ *rand.Rand, _ func()) error {
	start := history.Now()
	if err := n.flush(); err != nil {
		return err
	}
	r.flushed(n, start)
	return nil
}

// fillers are so many large values that a node evicts those of the clients.
const fillers = 200

func evict(_ *round, n *node, rnd *rand.Rand, _ func()) error {
	for i := range fillers {
		filler := &memcache.Item{Key: fmt.Sprint("filler", i), Value: make([]byte, smallestLarge+rnd.IntN(largest-smallestLarge))}
		if err := n.put(filler); err != nil {
			return err
		}
	}
	return nil
}

func flushAll(r *round, _ *node, _ *rand.Rand, _ func()) error {
	start := history.Now()
	for range 2 { // a node that was flushed may be filled from one that was not yet
		if err := r.eachNode((*node).flush); err != nil {
			return err
		}
	}
	r.log.Event(&history.Event{Kind: history.Flush, Start: start, End: history.Now()})
	return nil
}

func leave(r *round, n *node, rnd *rand.Rand, hold func()) error {
	err := r.changeView(history.Leave, n, rnd)
	hold()
	if joinErr := r.changeView(history.Join, n, rnd); err == nil {
		err = joinErr
	}
	return err
}

func halfOpen(_ *round, n *node, _ *rand.Rand, hold func()) error {
	n.proxy.HalfOpen()
	hold()
	return nil
}

func drop(r *round, n *node, _ *rand.Rand, hold func()) error {
	if err := r.lab.try(n.host.Drop); err != nil {
		return err
	}
	hold()
	return r.lab.try(n.host.Heal)
}

func cable(r *round, n *node, _ *rand.Rand, hold func()) error {
	if err := r.lab.try(n.host.Off); err != nil {
		return err
	}
	hold()
	return r.lab.try(n.host.On)
}

func onProxy(k faultproxy.Kind) func(*round, *node, *rand.Rand, func()) error {
	return func(_ *round, n *node, rnd *rand.Rand, hold func()) error {
		err := n.proxy.Set(k.Faults(rnd))
		hold()
		return err
	}
}

// meddleStale puts old values back on all nodes, when newer ones have come.
func meddleStale(r *round, n *node, _ *rand.Rand, hold func()) error {
	old := r.held(n)
	hold()
	return r.putEverywhere(old)
}

// meddleTorn leaves half of each value on all nodes.
func meddleTorn(r *round, n *node, _ *rand.Rand, _ func()) error {
	items := r.held(n)
	for _, it := range items {
		it.Value = it.Value[:len(it.Value)/2]
	}
	return r.putEverywhere(items)
}

// held returns what the node holds; nothing where it cannot be asked.
func (r *round) held(n *node) (items []*memcache.Item) {
	for i := range r.cfg.keys {
		if it, err := n.cache.Get(directContext, keyName(i)); err == nil {
			items = append(items, it)
		}
	}
	return items
}

func (r *round) putEverywhere(items []*memcache.Item) error {
	return r.eachNode(func(n *node) error {
		for _, it := range items {
			if err := n.put(it); err != nil {
				return err
			}
		}
		return nil
	})
}
