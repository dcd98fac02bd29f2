package route

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// named is a member that does nothing; it can be told from the others.
type named struct{ name string }

func (*named) Do(context.Context, []*Op) {}

func members(n int) []Member {
	list := make([]Member, n)
	for i := range list {
		name := fmt.Sprintf("10.0.%d.%d:11211", i/250, i%250)
		list[i] = Member{Route: &named{name}, Name: name}
	}
	return list
}

func slots(t testing.TB, m []Member, replicas int, local string) *Slots {
	s, err := NewSlots(m, replicas, local)
	require.NoError(t, err)
	return s
}

// at returns the names of the replicas of a slot, home first.
func (s *Slots) at(slot int) (names []string) { return namesOf(s.orders[s.order[slot]]) }

func namesOf(r Replicas) (names []string) {
	for _, r := range r.All {
		names = append(names, r.(*named).name)
	}
	return names
}

// sameOrders fails if a and b differ anywhere.
func sameOrders(t *testing.T, a, b *Slots) {
	t.Helper()
	for slot := range SlotCount {
		if !slices.Equal(a.at(slot), b.at(slot)) {
			t.Fatalf("slot %d: %v and %v", slot, a.at(slot), b.at(slot))
		}
	}
}

// sizes are numbers of members on both sides of where placement changes its ways. What they test is arithmetic, so the
// race detector, which makes it slow, need not see the largest.
var sizes = func() []int {
	if raceDetector {
		return []int{1, 2, 3, 17}
	}
	return []int{1, 2, 3, 16, 17, 100}
}()

// A slot's replicas are all different, as many as asked for, or every member where each holds every key.
func TestSlotsNameEachReplicaOnce(t *testing.T) {
	for _, n := range sizes {
		for _, replicas := range []int{1, 2, 3, n, n + 5} {
			s := slots(t, members(n), replicas, "")
			for _, order := range s.orders {
				names := namesOf(order)
				slices.Sort(names)
				if len(names) != min(n, replicas) || len(slices.Compact(names)) != len(names) {
					t.Fatalf("%d members, %d replicas: %v", n, replicas, names)
				}
			}
		}
	}
}

func TestSlotsIgnoreTheOrderOfTheList(t *testing.T) {
	for _, n := range sizes {
		m := members(n)
		shuffled := slices.Clone(m)
		rand.New(rand.NewPCG(1, uint64(n))).Shuffle(n, func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		for _, replicas := range []int{1, 3, min(n, 16)} {
			sameOrders(t, slots(t, m, replicas, ""), slots(t, shuffled, replicas, ""))
		}
	}
}

// The list that the caller passed is left as it was.
func TestSlotsDoNotTouchTheList(t *testing.T) {
	m := members(5)
	slices.Reverse(m)
	before := slices.Clone(m)
	slots(t, m, 2, "")
	require.Equal(t, before, m)
}

// Removing a member moves only the slots that it held, and where several replicas hold a key, the others of it stay in
// their order; this holds for homes whatever the number of replicas.
func TestRemovingAMemberMovesOnlyItsSlots(t *testing.T) {
	for _, n := range sizes[1:] {
		for _, replicas := range []int{1, 2, 17} {
			m := members(n)
			gone := m[n/2]
			before := slots(t, m, replicas, "")
			after := slots(t, slices.Delete(slices.Clone(m), n/2, n/2+1), replicas, "")
			moved := 0
			for slot := range SlotCount {
				old, now := before.at(slot), after.at(slot)
				if old[0] == gone.Name {
					moved++
					continue
				}
				if old[0] != now[0] || replicas == 2 && n > 2 && old[1] != gone.Name && old[1] != now[1] {
					t.Fatalf("%d members, %d replicas, slot %d: %v became %v", n, replicas, slot, old, now)
				}
			}
			require.InEpsilon(t, float64(SlotCount)/float64(n), moved, 0.25)
		}
	}
}

// A dead member's reads go to different survivors, where every member holds every key: with up to 16, to all of them.
func TestSurvivorsShareADeadMembersLoad(t *testing.T) {
	for _, n := range []int{3, 5, 16} {
		s := slots(t, members(n), n, "")
		next := map[string]int{}
		for slot := range SlotCount {
			if names := s.at(slot); names[0] == "10.0.0.0:11211" {
				next[names[1]]++
			}
		}
		require.Len(t, next, n-1)
		for _, share := range next {
			require.InEpsilon(t, float64(SlotCount)/float64(n*(n-1)), share, 0.35)
		}
	}
}

// Shares follow weights within 8 %, about three standard deviations of the smallest share here.
func TestSharesFollowWeights(t *testing.T) {
	const tolerance = 0.08
	for _, weights := range [][]float64{{1, 1, 1}, {1, 2, 3}, {0.5, 0, 1, 4}, {1e-3, 1e-3, 2e-3}, {1e6, 3e6}} {
		m, sum := members(len(weights)), 0.0
		for i, w := range weights {
			m[i].Weight = w
			if w == 0 {
				w = 1
			}
			sum += w
		}
		held := map[string]int{}
		s := slots(t, m, 1, "")
		for slot := range SlotCount {
			held[s.at(slot)[0]]++
		}
		for i, w := range weights {
			if w == 0 {
				w = 1
			}
			require.InEpsilon(t, w/sum*SlotCount, held[m[i].Name], tolerance, "weights %v, member %d", weights, i)
		}
	}
}

// Raising one weight moves slots to that member only.
func TestRaisingAWeightMovesSlotsToThatMemberOnly(t *testing.T) {
	m := members(5)
	for i := range m {
		m[i].Weight = float64(i + 1)
	}
	before := slots(t, m, 1, "")
	m[2].Weight *= 2
	after := slots(t, m, 1, "")
	for slot := range SlotCount {
		if old, now := before.at(slot), after.at(slot); now[0] != m[2].Name && now[0] != old[0] {
			t.Fatalf("slot %d: %v became %v", slot, old, now)
		}
	}
}

// Weights that are equal change nothing, so that giving every node a weight moves no key.
func TestEqualWeightsAreNoWeights(t *testing.T) {
	for _, n := range []int{2, 5, 16} {
		m := members(n)
		plain := slots(t, m, n, "")
		for i := range m {
			m[i].Weight = 2.5
		}
		equal := slots(t, m, n, "")
		r := newRanking(m) // and the formula itself agrees with the short cut
		r.weights = slices.Repeat([]float64{2.5}, n)
		sameOrders(t, plain, equal)
		for slot := range SlotCount {
			if first := m[r.top(slot, 1)[0]].Name; first != plain.at(slot)[0] {
				t.Fatalf("slot %d: %s, with weights %s", slot, plain.at(slot)[0], first)
			}
		}
	}
}

// Where scores are equal, as with weights so small that they vanish, the lower name wins.
func TestEqualScoresAreBrokenByName(t *testing.T) {
	m := members(4)
	r := newRanking(m)
	r.weights = []float64{0, 0, 0, 0}
	for _, n := range []int{1, 2, 4} {
		require.Equal(t, []int32{0, 1, 2, 3}[:n], r.top(7, n))
	}
}

// Scores stay ordered at both ends of what a hash can be.
func TestScoresAreFiniteAndPositive(t *testing.T) {
	for _, seed := range []uint64{0, 1, math.MaxUint64} {
		r := &ranking{seeds: []uint64{seed}}
		for slot := range SlotCount {
			r.weights = nil
			plain := r.score(0, slot)
			r.weights = []float64{1}
			weighted := r.score(0, slot)
			if !(plain > 0 && plain < 1 && weighted > 0 && weighted <= math.MaxFloat64) {
				t.Fatalf("seed %x, slot %d: %v, weighted %v", seed, slot, plain, weighted)
			}
		}
	}
}

func TestSlotsReadLocalFirst(t *testing.T) {
	for _, n := range sizes {
		m := members(n)
		local := m[n-1].Name
		s := slots(t, m, n, local)
		for slot := range SlotCount {
			r := s.orders[s.order[slot]]
			if first := r.All[r.Read].(*named).name; first != local {
				t.Fatalf("%d members, slot %d: %s", n, slot, first)
			}
		}
	}
	s := slots(t, members(5), 2, members(5)[0].Name) // where it holds the key
	for slot := range SlotCount {
		r, names := s.orders[s.order[slot]], s.at(slot)
		if want := max(0, slices.Index(names, "10.0.0.0:11211")); want != r.Read {
			t.Fatalf("slot %d of %v: reads number %d", slot, names, r.Read)
		}
	}
	for _, local := range []string{"", "stranger"} {
		for _, r := range slots(t, members(5), 5, local).orders {
			require.Zero(t, r.Read)
		}
	}
}

// Where the local member does not hold a key, or only the zone is known, the first replica in the zone is read first.
func TestSlotsReadTheLocalZoneFirst(t *testing.T) {
	list := members(9)
	zoneOf := map[string]string{}
	for i := range list {
		list[i].Zone = []string{"a", "b", ""}[i%3]
		zoneOf[list[i].Name] = list[i].Zone
	}
	inZone := 0
	for _, local := range []string{"b", list[1].Name} {
		for _, r := range slots(t, list, 3, local).orders {
			names := namesOf(r)
			want := max(slices.IndexFunc(names, func(n string) bool { return zoneOf[n] == "b" }), 0)
			if i := slices.Index(names, local); i >= 0 {
				want = i
			}
			require.Equal(t, want, r.Read, "%s of %v", local, names)
			if want > 0 {
				inZone++
			}
		}
	}
	require.NotZero(t, inZone)
	for _, r := range slots(t, list, 3, "").orders {
		require.Zero(t, r.Read, "no zone is not a zone")
	}
}

// What is not local is read nearest first; where all hold every key, those equally near in an order that is the local member's
// own, whatever the key.
func TestSlotsReadTheNeighboursNext(t *testing.T) {
	for _, n := range []int{3, 9, 20} {
		list := members(n)
		zones := map[string][]string{}
		for i := range list {
			zone := []string{"a", "b", "c"}[i%3]
			list[i].Zone, zones[zone] = zone, append(zones[zone], list[i].Name)
		}
		neighbours := map[string]bool{}
		for _, local := range list {
			var first []string
			for _, r := range slots(t, list, n, local.Name).orders {
				read := r.InReadingOrder()
				require.ElementsMatch(t, r.All, read)
				names := namesOf(Replicas{All: read})
				if first == nil {
					first = names
				}
				require.Equal(t, first, names, "%d members, local %s", n, local.Name)
			}
			require.Equal(t, local.Name, first[0])
			near := zones[local.Zone]
			require.ElementsMatch(t, near, first[:len(near)], "its zone before others")
			neighbours[first[1]] = true
		}
		require.GreaterOrEqual(t, len(neighbours), n/3, "they share the load of one that fails")
	}
	for _, r := range slots(t, members(5), 3, "10.0.0.0:11211").orders { // where not all hold the key, the better replica
		names, read := namesOf(r), namesOf(Replicas{All: r.InReadingOrder()})
		require.Equal(t, slices.DeleteFunc(names, func(n string) bool { return n == read[0] }), read[1:])
	}
}

// A member without a name is never the local one by accident.
func TestNoLocalIsNobody(t *testing.T) {
	s, err := NewSlots([]Member{{Name: ""}, {Name: "b"}}, 2, "")
	require.NoError(t, err)
	for _, r := range s.orders {
		require.Zero(t, r.Read)
	}
}

func TestReplicasGoByTheHash(t *testing.T) {
	s := slots(t, members(7), 1, "")
	for _, k := range keys(1000) {
		op := get(k)
		require.Equal(t, s.at(SlotOf(HashKey(k)))[0], s.Replicas(op).All[0].(*named).name)
	}
	require.Equal(t, 0, SlotOf(0))
	require.Equal(t, SlotCount-1, SlotOf(math.MaxUint64))
	require.Equal(t, uint64(0xd24ec4f1a98c6e5b), HashKey("a")) // xxhash's own test vector
}

func TestNewSlotsRefuses(t *testing.T) {
	weighted := func(w float64) []Member { return []Member{{Name: "a"}, {Name: "b", Weight: w}} }
	for name, c := range map[string]struct {
		members  []Member
		replicas int
		want     error
	}{
		"no members":        {nil, 1, ErrNoMembers},
		"no replicas":       {members(2), 0, ErrBadReplica},
		"negative replicas": {members(2), -1, ErrBadReplica},
		"same name":         {append(members(2), members(1)...), 1, ErrSameName},
		"negative weight":   {weighted(-1), 1, ErrBadWeight},
		"NaN":               {weighted(math.NaN()), 1, ErrBadWeight},
		"infinite":          {weighted(math.Inf(1)), 1, ErrBadWeight},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := NewSlots(c.members, c.replicas, "")
			require.ErrorIs(t, err, c.want)
			require.Nil(t, s)
		})
	}
}

// A new view over 3,000 nodes is made in well under a second; the bound leaves room for a slow machine.
func TestSlotsOfManyMembersAreBuiltSoon(t *testing.T) {
	if raceDetector {
		t.Skip("slowed down tenfold")
	}
	start := time.Now()
	slots(t, members(3000), 3, "")
	require.Less(t, time.Since(start), 3*time.Second)
}

// complete adds whoever is missing, once, from the last ranked member on.
func TestComplete(t *testing.T) {
	for _, c := range []struct {
		top               []int32
		members, replicas int
		want              []int32
	}{
		{[]int32{2}, 4, 4, []int32{2, 3, 0, 1}},
		{[]int32{3, 1}, 4, 4, []int32{3, 1, 2, 0}},
		{[]int32{0, 1}, 2, 2, []int32{0, 1}},
		{[]int32{0}, 1, 1, []int32{0}},
		{[]int32{1}, 3, 9, []int32{1, 2, 0}},
		{[]int32{4, 2}, 9, 2, []int32{4, 2}},
	} {
		require.Equal(t, c.want, complete(c.top, c.members, c.replicas))
	}
}

// In each zone one node holds a key; the order of zones is the key's own; the local zone is read first.
func TestZones(t *testing.T) {
	var zones []Member
	for _, zone := range []string{"a", "b", "c"} {
		var inZone []Member
		for _, m := range members(4) {
			inZone = append(inZone, Member{Route: &named{zone + m.Name}, Name: zone + m.Name})
		}
		zones = append(zones, Member{Route: Hash(slots(t, inZone, 1, "")), Name: zone})
	}
	p, err := Zones(zones, "b")
	require.NoError(t, err)
	homes := map[string]int{}
	for _, k := range keys(2000) {
		op := get(k)
		r := p.Replicas(op)
		var names []string
		for _, zone := range r.All {
			names = append(names, resolve(zone, op).(*named).name[:1])
		}
		require.Equal(t, "b", names[r.Read])
		homes[names[0]]++
		slices.Sort(names)
		require.Equal(t, []string{"a", "b", "c"}, names)
	}
	for _, n := range homes {
		require.InEpsilon(t, 2000/3, n, 0.2)
	}
	_, err = Zones(nil, "")
	require.ErrorIs(t, err, ErrNoMembers)
	_, err = Zones(append(zones, zones[0]), "")
	require.ErrorIs(t, err, ErrSameName)
}

func TestRules(t *testing.T) {
	_, base := fakes(nil)
	_, special := fakes(nil, nil)
	rules := NewRules(Fixed(base...), map[string]Replicas{"hot": {All: special, Read: 1}})
	require.Equal(t, Replicas{All: special, Read: 1}, rules.Replicas(get("hot")))
	for _, k := range append(keys(100), "", "ho", "hott", "HOT") {
		require.Equal(t, base, rules.Replicas(get(k)).All)
	}
	// Another key whose hash is the same is not ruled.
	collides := get("cold")
	collides.Hash = HashKey("hot")
	require.Equal(t, base, rules.Replicas(collides).All)
}

// Two rules whose keys' hashes are the same are told apart.
func TestRulesThatCollide(t *testing.T) {
	_, base := fakes(nil)
	_, r := fakes(nil, nil)
	rules := &Rules{base: Fixed(base...), byHash: map[uint64][]rule{
		7: {{key: "one", replicas: Replicas{All: r[:1]}}, {key: "two", replicas: Replicas{All: r[1:]}}},
	}}
	for key, want := range map[string][]Route{"one": r[:1], "two": r[1:], "three": base} {
		op := get(key)
		op.Hash = 7
		require.Equal(t, want, rules.Replicas(op).All)
	}
}

func TestNoRules(t *testing.T) {
	_, base := fakes(nil)
	for _, none := range []map[string]Replicas{nil, {}} {
		rules := NewRules(Fixed(base...), none)
		require.Nil(t, rules.byHash)
		require.Equal(t, base, rules.Replicas(get("k")).All)
	}
}
