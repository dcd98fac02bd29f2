package route

import (
	"fmt"
	"slices"
	"strings"

	"github.com/nohop/memcache/protocol"
)

// operations is a set of what OperationOf returns.
type operations uint64

const allOperations = 1<<operationCount - 1

func operationsOf(list ...protocol.Command) (ops operations) {
	for _, c := range list {
		ops |= 1 << c
	}
	return ops
}

// readModifyWrites are the operations of decidedByItem.
func readModifyWrites() (ops operations) {
	for c, is := range decidedByItem {
		if is {
			ops |= 1 << c
		}
	}
	return ops
}

// childSet is what holds the same keys: children of a handle, whatever their order.
type childSet struct {
	key       string
	members   []Member
	placement Placement // nil until it is asked for
}

func (s *childSet) routes() (routes []Route) {
	for _, m := range s.members {
		routes = append(routes, m.Route)
	}
	return routes
}

// setOf returns the set of children, of which there must be one at least. Those that are there twice count once.
func (r *configReader) setOf(children []*handle) *childSet {
	s := &childSet{}
	times := make(map[string]int)
	there := make(map[Route]bool)
	var ids []string
	for _, h := range children {
		if there[h.route] {
			continue
		}
		there[h.route] = true
		name := h.name
		if times[h.name]++; times[h.name] > 1 {
			name = fmt.Sprintf("%s #%d", name, times[h.name])
		}
		s.members = append(s.members, Member{Route: h.route, Name: name})
		ids = append(ids, fmt.Sprintf("%q %d", name, r.idOf(h)))
	}
	slices.Sort(ids)
	s.key = strings.Join(ids, ", ")
	if known := r.sets[s.key]; known != nil {
		return known
	}
	r.sets[s.key] = s
	return s
}

// idOf numbers handles in the order in which they are asked for, which is the same whenever the file is read.
func (r *configReader) idOf(h *handle) int {
	id, ok := r.ids[h]
	if !ok {
		id = len(r.ids)
		r.ids[h] = id
	}
	return id
}

// The bounds of placements over children: each has a table.
const (
	maxSpread = 1000
	maxPlaced = 4096
)

// placementOf returns the placement of keys on all of a set, homes by the members' names. Equal sets share it.
func (o *configOptions) placementOf(s *childSet) Placement {
	if s.placement != nil {
		return s.placement
	}
	if len(s.members) > maxSpread {
		o.fail(o.at, "%s has %d children, more than %d", o.kind, len(s.members), maxSpread)
		return Fixed(Null())
	}
	if o.reader.placed += len(s.members); o.reader.placed > maxPlaced {
		o.fail(o.at, "handles that send to all of their children have more than %d different ones", maxPlaced)
		return Fixed(Null())
	}
	placement, err := NewSlots(s.members, len(s.members), "")
	if err != nil {
		o.failWith(o.at, err)
		return Fixed(Null())
	}
	s.placement = placement
	return placement
}

// over returns made, a route over children that hold the same keys. If the configuration sends stores to all of them and
// read-modify-writes reach them, these have a home, which a read that misses elsewhere asks.
func (o *configOptions) over(children []*handle, made Route) Route {
	if len(children) < 2 || o.err != nil || made == nil {
		return made
	}
	s := o.reader.setOf(children)
	o.self.set = s.key
	if !o.reader.homed[s.key] || len(s.members) < 2 {
		return made
	}
	p := o.placementOf(s)
	routes := make(map[protocol.Command]Route)
	for c, changes := range decidedByItem {
		if changes {
			routes[protocol.Command(c)] = AtHome(p)
		}
	}
	for _, c := range getGroup {
		routes[c] = AskHome(made, p)
	}
	return &homed{ByOperation(made, routes)}
}

// homed is a ByOperation that Explain does not show: it would say nothing that AtHome and AskHome do not say.
type homed struct{ Selector }

func (h *homed) Explain(op *Op) Step { return Explain(h.Select(op), op) }

// homedSets returns the sets, by key, that stores are spread over and that read-modify-writes reach.
func homedSets(top *handle) map[string]bool {
	reached := make(map[*handle]operations)
	reach(top, allOperations, reached)
	spread, changed := make(map[string]bool), make(map[string]bool)
	stores := operationsOf(protocol.Set) | readModifyWrites()
	for h, ops := range reached {
		if h.set == "" {
			continue
		}
		spread[h.set] = spread[h.set] || h.spreads && ops&stores != 0
		changed[h.set] = changed[h.set] || ops&readModifyWrites() != 0
	}
	homed := make(map[string]bool)
	for key := range spread {
		if spread[key] && changed[key] {
			homed[key] = true
		}
	}
	return homed
}

// reach notes which operations reach h and what is below it.
func reach(h *handle, ops operations, reached map[*handle]operations) {
	if ops&^reached[h] == 0 {
		return
	}
	reached[h] |= ops
	for _, e := range h.edges {
		reach(e.to, ops&e.ops, reached)
	}
}
