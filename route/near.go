package route

import (
	"cmp"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// near says in which order members are read: that of the name first, then those of the zone, then the others.
type near struct {
	name, zone string
	neighbour  []uint64 // of each member: of those equally near, the lower comes first; nil: the better replica does
}

// nearOf returns who is near to local, the name of a member or of a zone.
func nearOf(members []Member, replicas int, local string) *near {
	at := slices.IndexFunc(members, func(m Member) bool { return m.Name == local && local != "" })
	if at < 0 {
		return &near{zone: local}
	}
	n := &near{name: local, zone: members[at].Zone}
	if replicas >= len(members) {
		seed := xxhash.Sum64String(local)
		for _, m := range members {
			n.neighbour = append(n.neighbour, mix(seed^mix(xxhash.Sum64String(m.Name))))
		}
	}
	return n
}

// distance is lower for what is nearer.
func (n *near) distance(m Member) int {
	switch {
	case n.name != "" && m.Name == n.name:
		return 0
	case n.zone != "" && m.Zone == n.zone:
		return 1
	}
	return 2
}

// order returns the indexes in replicas, which are those of members, in the order in which they are read.
func (n *near) order(members []Member, replicas []int32) []int32 {
	order := make([]int32, len(replicas))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int {
		a, b = replicas[a], replicas[b]
		if d := cmp.Compare(n.distance(members[a]), n.distance(members[b])); d != 0 || n.neighbour == nil {
			return d
		}
		return cmp.Compare(n.neighbour[a], n.neighbour[b])
	})
	return order
}

func replicasOf(members []Member, order []int32, near *near, leaving []Route) Replicas {
	r := Replicas{All: make([]Route, len(order), len(order)+len(leaving))}
	for i, m := range order {
		r.All[i] = members[m].Route
	}
	if near.name != "" || near.zone != "" {
		reading := near.order(members, order)
		r.Read, r.Then = int(reading[0]), reading[1:]
	}
	r.All = append(r.All, leaving...)
	return r
}
