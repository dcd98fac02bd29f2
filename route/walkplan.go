package route

import "github.com/nohop/memcache/pool"

// walkPlan is what is done with a key while its home moves, by the ranks of nodes in its order. The rules behind it were
// found with a model checker over every schedule of a few writers and readers, with evictions; each was a stale read before
// it was a rule:
//
//   - every write reaches every node that any process may read, or fill from, whose view is a step ahead or behind;
//   - what a fill may read from is cleared before the nodes that hold leases are, so not at the same time;
//   - the old home is cleared before the new one is set, and once more after: without the first, an eviction at the new
//     home lets a reader fill it with what is old; without the second, who is a step behind can leave two values;
//   - a source is forgotten one step before it is no longer written to.
//
// So a write clears before, stores at the home, and clears after, each when the one before has been answered. A read asks the
// home, and fills what it does not have from the sources in their order; or looks for it at the next home, and stores
// nothing. The replicas are not read, unless the home cannot answer, and writes delete there.
//
//	one node, G before H          home   sources   before   after
//	G entering                    H                         G
//	G filling                     G      H         H        H
//	G settling                    G                H        H
//	G recalled                    G                H        H         (H is next)
//	G retiring                    G                         H         (H is next)
//	G draining                    H      G         G        G
//	G retired                     H                G        G
//	G returning                   none             G H      G H
type walkPlan struct {
	home          int   // -1: nobody stores the key
	sources       []int // where the home is filled from
	next          int   // who is the home for those who are a step ahead, and may have what the home misses; -1: none
	others        []int // replicas that are read if the home cannot answer
	before, after []int
}

// planFor returns the plan for a key's nodes at these steps, home first, of which there are to be that many replicas.
func planFor(steps []pool.Step, replicas int) walkPlan {
	return planWithin(steps[:walkReach(steps, replicas)], replicas)
}

// planWithin is planFor where nobody uses other nodes than these.
func planWithin(steps []pool.Step, replicas int) walkPlan {
	p := walkPlan{home: homeAt(steps), next: -1}
	fills := p.home >= 0 && steps[p.home] == pool.Filling
	moves := fills || p.home >= 0 && (steps[p.home] == pool.Settling || steps[p.home] == pool.Recalled)
	for i, s := range steps {
		if i == p.home {
			continue
		}
		isSource := s == pool.Draining && (i < p.home || fills)
		if i > p.home && fills {
			isSource = isSource || canBeHome(s)
			fills = s == pool.Filling || !canBeHome(s)
		}
		if isSource && p.home >= 0 {
			p.sources = append(p.sources, i)
		}
		if p.home < 0 || s == pool.Draining || s == pool.Retired || i > p.home && moves {
			p.before = append(p.before, i)
		}
		p.after = append(p.after, i)
		if p.home >= 0 && i > p.home && s == pool.Serving && len(p.others) < replicas-1 {
			p.others = append(p.others, i)
		}
	}
	if p.home >= 0 && leaves(steps[p.home]) && len(p.sources) == 0 {
		if next := homeAt(steps[p.home+1:]); next >= 0 {
			p.next = p.home + 1 + next
		}
	}
	return p
}

// walkReach returns how many nodes of an order any process may use: up to the last of the replicas, of those that serve for
// every process.
func walkReach(steps []pool.Step, replicas int) int {
	for i, s := range steps {
		if s == pool.Serving {
			replicas--
		}
		if replicas == 0 {
			return i + 1
		}
	}
	return len(steps)
}

// homeAt returns the first node that can be the home; -1 if there is none, or one before it is returning.
func homeAt(steps []pool.Step) int {
	for i, s := range steps {
		switch {
		case canBeHome(s):
			return i
		case s == pool.Returning:
			return -1
		}
	}
	return -1
}

func canBeHome(s pool.Step) bool {
	return s == pool.Serving || s == pool.Filling || s == pool.Settling || leaves(s)
}

// leaves reports whether a home at that step is on its way out.
func leaves(s pool.Step) bool { return s == pool.Recalled || s == pool.Retiring }
