package rulestore

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
)

// Fleet is what the reports of all processes come to.
type Fleet struct {
	Load map[string]float64 // cost per second by node; every node that a key may be pinned to is in it
	Keys []KeyLoad          // that are to be pinned, hottest first
	// Recent are keys that nobody reports now, and somebody did lately: what is pinned of them stays. Not known to NewFleet.
	Recent map[string]bool
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
	pinGain = 0.1         // of the home's load: less would be within what loads vary by
	pinIdle = time.Minute // that a pin stays after its key was reported last, or after a new leader has begun
)

// ChoosePins returns the pins that are worth it, for a fleet in which home is where a key is if no rule says otherwise. now
// are the pins that there are. One in force stays where it is while the key is reported or Recent, and goes if it is not, or if
// its node has gone. A hot key without a pin gets one, to the least loaded node, if that then carries
// a tenth less than the key's home did; there are at most 64 pins. While a pin ends, its key gets no other. The pins are
// automatic rules without Expires.
//
// A pin moves one key, so it cannot bring a node below what that key costs.
func ChoosePins(f Fleet, now []hotkey.Rule, home func(key string) string) []hotkey.Rule {
	c := chooser{load: maps.Clone(f.Load), home: home, pinned: map[string]bool{}}
	reported := make(map[string]bool, len(f.Keys))
	for _, k := range f.Keys {
		reported[k.Key] = true
	}
	for _, r := range now {
		c.keep(r, reported[r.Key] || f.Recent[r.Key])
	}
	for _, k := range f.Keys {
		if len(c.pins) < maxPins && !c.pinned[k.Key] && !pool.IsReserved(k.Key) {
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

// keep decides about a pin that there is.
func (c *chooser) keep(r hotkey.Rule, wanted bool) {
	if r.Action.Kind != hotkey.Pin {
		return
	}
	c.pinned[r.Key] = true // also if it goes now: another one needs the key to be free
	isGone := func(n string) bool { _, ok := c.load[n]; return !ok }
	if r.Pins() && wanted && len(c.pins) < maxPins && !slices.ContainsFunc(r.Action.Nodes, isGone) {
		c.pins = append(c.pins, r)
	}
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

// Pins returns a source of rules for a Publisher: the pins that the reports ask for. nodes and home are those of now; home is
// where a key is that no rule moves. A pin ends when nobody has reported its key for a minute.
func Pins(
	reports *Reports, nodes func() []string, home func(key string) string,
) func(context.Context, []hotkey.Rule) ([]hotkey.Rule, error) {
	reported := map[string]time.Time{} // of the pins that there are, when last
	return func(ctx context.Context, now []hotkey.Rule) ([]hotkey.Rule, error) {
		found, err := reports.Collect(ctx)
		fleet := NewFleet(nodes(), found)
		fleet.Recent = recent(reported, now, fleet.Keys, time.Now())
		return ChoosePins(fleet, now, home), err
	}
}

// recent brings reported up to date and returns the keys of pins that were reported lately. One that was not known yet, as by
// who has just begun to lead, counts as reported.
func recent(reported map[string]time.Time, pins []hotkey.Rule, keys []KeyLoad, now time.Time) map[string]bool {
	recent := map[string]bool{}
	for _, r := range pins {
		isHot := slices.ContainsFunc(keys, func(k KeyLoad) bool { return k.Key == r.Key })
		if last, ok := reported[r.Key]; isHot || !ok {
			reported[r.Key] = now
			recent[r.Key] = true
		} else {
			recent[r.Key] = now.Sub(last) < pinIdle
		}
	}
	maps.DeleteFunc(reported, func(key string, _ time.Time) bool { _, there := recent[key]; return !there })
	return recent
}
