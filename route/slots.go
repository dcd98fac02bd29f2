package route

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// SlotCount is the number of slots; a key's slot is a part of its hash.
const SlotCount = 1 << 14

// Member is a route with what placement needs to know of it.
type Member struct {
	Route  Route
	Name   string  // stable identity: placement depends on it and on nothing else
	Zone   string  // failure domain, "" if unknown; it decides nothing but which replica is near
	Weight float64 // its share of the keys, relative to the others; 0 means 1

	// Leaving says that the member has left the list: it has no share of the keys, and is named behind their replicas only
	// so that what is written is deleted there too (pool.Node.Leave). It may have the name of another one.
	Leaving bool
}

// Slots places keys by weighted rendezvous hashing over 16,384 slots. A slot's order of members is computed once, when
// the value is built, so a look-up costs the same for 3 members and 3,000. Removing a member moves only the slots it held;
// the order in which members are listed does not matter.
//
// Scores: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998); weights by -w/ln(u), as in
// Schindelhauer and Schomaker, "Weighted Distributed Hash Tables" (2005).
type Slots struct {
	order  [SlotCount]uint16 // of each slot, an index into orders
	orders []Replicas        // the distinct ones, no more than slots
}

// Errors of NewSlots.
var (
	ErrNoMembers  = errors.New("memcache: placement without nodes")
	ErrSameName   = errors.New("memcache: two nodes of the same name")
	ErrBadWeight  = errors.New("memcache: weight is negative or not a number")
	ErrBadReplica = errors.New("memcache: number of replicas is not positive")
)

// NewSlots places each key on the replicas members that score highest for its slot, the highest being its home; on all,
// if there are fewer. local is the name of a member or of a zone: where the member holds the key it is read first, then the
// replicas in its zone, then the others, each in the order of their scores. Where every member holds every key, those that
// are as near as each other are asked in an order of the local member's own: should it fail, what was one batch for it is one
// for its neighbour, and not a request to each of the others, while the members of a fleet have different neighbours. ""
// reads the home first.
func NewSlots(members []Member, replicas int, local string) (*Slots, error) {
	if err := checkMembers(members, replicas); err != nil {
		return nil, err
	}
	members, leaving := apart(members)
	depth := rankedDepth(len(members), replicas)
	ranked := newRanking(members)
	near := nearOf(members, replicas, local)
	s := &Slots{}
	known := make(map[string]uint16)
	for slot := range s.order {
		top := ranked.top(slot, depth)
		id := orderID(top)
		i, ok := known[id]
		if !ok {
			i = uint16(len(s.orders))
			known[id] = i
			s.orders = append(s.orders, replicasOf(members, complete(top, len(members), replicas), near, leaving))
		}
		s.order[slot] = i
	}
	return s, nil
}

// rankedDepth is how many places of a slot's order are ranked. Where every member holds every key, all must be named,
// but ranking the first two is enough for survivors to share a dead member's load, and one where there are many; the
// full ranking of n members would make a table of 16,384 times n entries.
func rankedDepth(members, replicas int) int {
	switch {
	case replicas < members:
		return replicas
	case members <= 16:
		return min(2, members)
	}
	return 1
}

// complete adds the members that are not in top, in the order of names from the last of top on, until there are enough.
func complete(top []int32, members, replicas int) []int32 {
	order := slices.Clone(top)
	last := int(top[len(top)-1])
	for i := 1; i < members && len(order) < replicas; i++ {
		if m := int32((last + i) % members); !slices.Contains(top, m) {
			order = append(order, m)
		}
	}
	return order
}

// apart returns the members that have a share of the keys, in the order of names, and the routes of those that leave.
func apart(members []Member) (staying []Member, leaving []Route) {
	for _, m := range members {
		if m.Leaving {
			leaving = append(leaving, m.Route)
		} else {
			staying = append(staying, m)
		}
	}
	slices.SortFunc(staying, func(a, b Member) int { return cmp.Compare(a.Name, b.Name) })
	return staying, leaving
}

func checkMembers(members []Member, replicas int) error {
	names := make(map[string]bool, len(members))
	for _, m := range members {
		if m.Leaving {
			continue
		}
		if names[m.Name] {
			return ErrSameName
		}
		if m.Weight < 0 || math.IsNaN(m.Weight) || math.IsInf(m.Weight, 0) {
			return ErrBadWeight
		}
		names[m.Name] = true
	}
	switch {
	case len(names) == 0:
		return ErrNoMembers
	case replicas < 1:
		return ErrBadReplica
	}
	return nil
}

// Replicas returns the replicas of op's key.
func (s *Slots) Replicas(op *Op) Replicas {
	if len(s.orders) == 1 { // the table is as large as a processor's first cache
		return s.orders[0]
	}
	return s.orders[s.order[SlotOf(op.Hash)]]
}

// Why names the slot.
func (s *Slots) Why(op *Op) string { return fmt.Sprintf("slot %d of %d", SlotOf(op.Hash), SlotCount) }

// SlotOf returns the slot of a key with that hash.
func SlotOf(hash uint64) int { return int(hash >> (64 - 14)) }

// HashOfSlot returns the lowest hash of a slot, of 0 to SlotCount-1.
func HashOfSlot(slot int) uint64 { return uint64(slot) << (64 - 14) }

// HashKey returns the hash of a key that everything here goes by: xxhash64.
func HashKey(key string) uint64 { return xxhash.Sum64String(key) }

// orderID makes an order comparable.
func orderID(order []int32) string {
	b := make([]byte, 0, 4*len(order))
	for _, m := range order {
		b = binary.LittleEndian.AppendUint32(b, uint32(m))
	}
	return string(b)
}

// ranking scores members, which are in the order of names, for slots.
type ranking struct {
	seeds   []uint64  // hash of each member's name
	weights []float64 // nil if all are equal: then the hash alone decides
	scores  []float64
	order   []int32
}

func newRanking(members []Member) *ranking {
	r := &ranking{scores: make([]float64, len(members)), order: make([]int32, len(members))}
	equal := true
	for _, m := range members {
		w := cmp.Or(m.Weight, 1)
		equal = equal && w == cmp.Or(members[0].Weight, 1)
		r.seeds = append(r.seeds, xxhash.Sum64String(m.Name))
		r.weights = append(r.weights, w)
	}
	if equal {
		r.weights = nil
	}
	return r
}

// top returns the indexes of the n members that score highest for slot, highest first; of equal scores the first wins.
// The result is valid until the next call.
func (r *ranking) top(slot, n int) []int32 {
	best := r.order[:0]
	for i := range r.seeds {
		r.scores[i] = r.score(i, slot)
		if len(best) == n {
			if r.scores[i] <= r.scores[best[n-1]] { // nearly always
				continue
			}
			best = best[:n-1]
		}
		at, _ := slices.BinarySearchFunc(best, int32(i), r.compare)
		best = slices.Insert(best, at, int32(i))
	}
	return best
}

// compare orders members by falling score.
func (r *ranking) compare(a, b int32) int {
	return cmp.Or(cmp.Compare(r.scores[b], r.scores[a]), cmp.Compare(a, b))
}

func (r *ranking) score(member, slot int) float64 {
	u := (float64(mix(r.seeds[member]^mix(uint64(slot)+1))>>12) + 0.5) / (1 << 52) // in (0, 1), neither end included
	if r.weights == nil {
		return u
	}
	return -r.weights[member] / math.Log(u)
}

// mix is the finalizer of splitmix64 (Steele, Lea and Flood, 2014): every bit of the input reaches every bit of the
// output.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
