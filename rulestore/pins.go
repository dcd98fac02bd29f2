package rulestore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// Fleet is what the reports of all processes come to.
type Fleet struct {
	Load map[string]float64 // cost per second by node; every node that a key may be pinned to is in it
	Keys []KeyLoad          // that are to be pinned, hottest first
}

// NewFleet adds reports up. Of one that is about other nodes, only the keys count.
func NewFleet(nodes []string, reports []Report) Fleet {
	sorted, view := slices.Sorted(slices.Values(nodes)), View(nodes)
	f := Fleet{Load: make(map[string]float64, len(nodes))}
	for _, n := range nodes {
		f.Load[n] = 0
	}
	costs := map[string]float64{}
	for _, r := range reports {
		if r.View == view && len(r.Loads) == len(sorted) {
			for i, n := range sorted {
				f.Load[n] += r.Loads[i]
			}
		}
		for _, k := range r.Keys {
			costs[k.Key] += k.Cost
		}
	}
	for key, cost := range costs {
		f.Keys = append(f.Keys, KeyLoad{key, cost})
	}
	slices.SortFunc(f.Keys, func(a, b KeyLoad) int { return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(a.Key, b.Key)) })
	return f
}

// Bounds of ChoosePins.
const (
	maxPins = 64
	pinGain = 0.1 // of the home's load: less would be within what loads vary by
)

// ChoosePins returns the pins that are worth it, for a fleet in which home is where a key is if no rule says otherwise. now
// are the pins in force. One of them stays where it is while the key is reported, comes back as it is, with its Expires, if
// it is not, and goes if its node has gone. A hot key without a pin gets one, to the least loaded node, if that then carries
// a tenth less than the key's home did; there are at most 64 pins. The pins are automatic rules without Expires,
// which a Publisher sets.
//
// A pin moves one key, so it cannot bring a node below what that key costs.
func ChoosePins(f Fleet, now []hotkey.Rule, home func(key string) string) []hotkey.Rule {
	c := chooser{load: maps.Clone(f.Load), home: home, pinned: map[string]bool{}}
	reported := make(map[string]bool, len(f.Keys))
	for _, k := range f.Keys {
		reported[k.Key] = true
	}
	for _, r := range now {
		c.renew(r, reported[r.Key])
	}
	for _, k := range f.Keys {
		if len(c.pins) < maxPins && !c.pinned[k.Key] && !strings.HasPrefix(k.Key, Reserved) {
			c.place(k)
		}
	}
	return c.pins
}

type chooser struct {
	load   map[string]float64
	home   func(string) string
	pinned map[string]bool
	pins   []hotkey.Rule
}

// renew keeps a pin whose nodes are all there.
func (c *chooser) renew(r hotkey.Rule, reported bool) {
	if r.Action.Kind != hotkey.Pin || len(c.pins) == maxPins {
		return
	}
	for _, n := range r.Action.Nodes {
		if _, ok := c.load[n]; !ok {
			return
		}
	}
	if reported {
		r.Expires = time.Time{}
	}
	c.pinned[r.Key] = true
	c.pins = append(c.pins, r)
}

// place pins a key to the least loaded node, if that pays.
func (c *chooser) place(k KeyLoad) {
	from, to := c.home(k.Key), c.coolest()
	before, there := c.load[from]
	if !there || to == from {
		return
	}
	if c.load[to]+k.Cost > before*(1-pinGain) {
		return
	}
	c.load[from] = max(0, before-k.Cost)
	c.load[to] += k.Cost
	c.pins = append(c.pins, hotkey.Rule{
		Key: k.Key, Origin: hotkey.Automatic,
		Action: hotkey.Action{Kind: hotkey.Pin, Nodes: []string{to}},
	})
}

// coolest returns the least loaded node, of equal ones the first by name.
func (c *chooser) coolest() (coolest string) {
	for n, load := range c.load {
		if coolest == "" || load < c.load[coolest] || load == c.load[coolest] && n < coolest {
			coolest = n
		}
	}
	return coolest
}

// Pins returns a source of rules for a Publisher: the pins that the reports ask for. nodes and home are those of now.
func Pins(
	reports *Reports, nodes func() []string, home func(key string) string,
) func(context.Context, []hotkey.Rule) ([]hotkey.Rule, error) {
	return func(ctx context.Context, now []hotkey.Rule) ([]hotkey.Rule, error) {
		found, err := reports.Collect(ctx)
		return ChoosePins(NewFleet(nodes(), found), now, home), err
	}
}
