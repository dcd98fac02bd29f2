package placement

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"
)

const propertyKeys = 20000

func propertyKey(i int) string { return "key:" + strconv.Itoa(i) }

func TestGrowingMovesKeysToTheNewNodeOnly(t *testing.T) {
	for name, build := range map[string]func(n int) (Func, error){
		"Jump": func(n int) (Func, error) { return Jump(n, xxhash.Sum64String) },
		"Ch3":  Ch3,
		"WeightedCh3": func(n int) (Func, error) {
			return WeightedCh3(n, ones(n))
		},
	} {
		for _, n := range []int{1, 2, 3, 7, 8, 15, 16, 50} {
			before, after := place(t)(build(n)), place(t)(build(n+1))
			moved := 0
			for i := range propertyKeys {
				key := propertyKey(i)
				if before(key) != after(key) {
					require.Equal(t, n, after(key), name)
					moved++
				}
			}
			require.InEpsilon(t, float64(propertyKeys)/float64(n+1), moved, .15, "%s, %d nodes", name, n)
		}
	}
}

func TestRemovingAServerFromARing(t *testing.T) {
	for name, build := range map[string]func([]Server) (Func, error){
		"Ketama":           func(s []Server) (Func, error) { return Ketama(s, MD5) },
		"KetamaUnweighted": func(s []Server) (Func, error) { return KetamaUnweighted(s, MD5) },
	} {
		servers := make([]Server, 10)
		for i := range servers {
			servers[i].Host = fmt.Sprintf("mc-%d", i)
		}
		before := place(t)(build(servers))
		for removed := range servers {
			left := slices.Delete(slices.Clone(servers), removed, removed+1)
			after := place(t)(build(left))
			moved := 0
			for i := range propertyKeys {
				key := propertyKey(i)
				if from := servers[before(key)]; from != left[after(key)] {
					require.Equal(t, servers[removed], from, name)
					moved++
				}
			}
			require.InEpsilon(t, propertyKeys/len(servers), moved, .35, "%s without %d", name, removed)
		}
	}
}

func TestTheOrderOfAListDoesNotMatter(t *testing.T) {
	servers := randomServers(20)
	turned := slices.Clone(servers)
	slices.Reverse(turned)
	alike := func(s []Server) []Server { return weigh(s, make([]int, len(s))...) }
	for name, build := range map[string]func([]Server) (Func, error){
		"Ketama":           func(s []Server) (Func, error) { return Ketama(s, MD5) },
		"KetamaUnweighted": func(s []Server) (Func, error) { return KetamaUnweighted(alike(s), OneAtATime) },
		"TwemproxyModula":  func(s []Server) (Func, error) { return TwemproxyModula(s, FNV1a64) },
		"Rendezvous":       func(s []Server) (Func, error) { return rendezvous(t, names(s), nil).Pick, nil },
	} {
		f, g := place(t)(build(servers)), place(t)(build(turned))
		for i := range 2000 {
			key := propertyKey(i)
			require.Equal(t, servers[f(key)], turned[g(key)], name)
		}
	}
}

func names(servers []Server) (list []string) {
	for _, s := range servers {
		list = append(list, s.KetamaName())
	}
	return list
}

func TestSharesFollowWeights(t *testing.T) {
	weights := []float64{1, .5, .25, 0, 1}
	const sum = 2.75
	servers := make([]Server, 0, len(weights))
	for i := range weights {
		servers = append(servers, Server{Host: fmt.Sprintf("mc-%d", i), Weight: max(1, int(1000*weights[i]))})
	}
	for name, c := range map[string]struct {
		f         Func
		tolerance float64
	}{
		"Ketama":             {place(t)(Ketama(servers, MD5)), .25}, // 40 digests for an average weight
		"TwemproxyModula":    {place(t)(TwemproxyModula(servers, MD5)), .06},
		"WeightedCh3":        {place(t)(WeightedCh3(len(weights), weights)), .06},
		"WeightedRendezvous": {rendezvous(t, names(servers), weights).Pick, .06},
	} {
		counts := count(c.f, len(weights), propertyKeys, "key:")
		for i, weight := range weights {
			if weight == 0 {
				require.Less(t, counts[i], propertyKeys/500, name)
				continue
			}
			require.InEpsilon(t, propertyKeys*weight/sum, counts[i], c.tolerance, "%s, node %d", name, i)
		}
	}
}

func TestUnitWeightsAreCh3(t *testing.T) {
	f, g := place(t)(WeightedCh3(9, ones(9))), place(t)(Ch3(9))
	for i := range propertyKeys {
		require.Equal(t, g(propertyKey(i)), f(propertyKey(i)))
	}
}

func TestLoweringAWeightMovesKeysOfThatNodeOnly(t *testing.T) {
	high, low := []float64{1, .8, .6, 1}, []float64{1, .8, .2, 1}
	for name, pair := range map[string][2]Func{
		"WeightedCh3":        {place(t)(WeightedCh3(4, high)), place(t)(WeightedCh3(4, low))},
		"WeightedRendezvous": {rendezvous(t, numberedTags(4), high).Pick, rendezvous(t, numberedTags(4), low).Pick},
	} {
		moved := 0
		for i := range propertyKeys {
			key := propertyKey(i)
			if pair[0](key) != pair[1](key) {
				require.Equal(t, 2, pair[0](key), name)
				moved++
			}
		}
		require.NotZero(t, moved, name)
	}
}

func TestAllWeightsZeroStillPlacesKeys(t *testing.T) {
	f := place(t)(WeightedCh3(3, []float64{0, 0, 0}))
	for i := range 1000 {
		node := f(propertyKey(i))
		require.True(t, node >= 0 && node < 3)
	}
}

func TestARingTurnsOverAtItsEnds(t *testing.T) {
	points := []Point{{Hash: 10, Node: 1}, {Hash: 20, Node: 2}, {Hash: 10, Node: 5}, {Hash: 1<<32 - 2, Node: 3}}
	for place, want := range map[uint32]int{0: 1, 10: 1, 11: 2, 20: 2, 21: 3, 1<<32 - 2: 3, 1<<32 - 1: 1} {
		f, err := Ring(points, func(string) uint32 { return place })
		require.NoError(t, err)
		require.Equal(t, want, f("key"), place)
	}
}
