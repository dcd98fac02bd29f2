package hotkey

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The bounds of Space-Saving hold against an exact count, for one window and for the sum of four.
func TestWindowBounds(t *testing.T) {
	const m = 64
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		z := newZipf(500, 0.5+rng.Float64(), seed)
		tr := newTrail(m)
		exact := map[uint64]float64{}
		bound := 0.0
		for range windowCount {
			inWindow := map[uint64]float64{}
			n := 0.0
			for range 200 + rng.IntN(3000) {
				hash, weight := keyHash(z.next()), float64(1+rng.IntN(100))
				tr.filling.add(hash, entry{cost: float32(weight), seen: 1})
				inWindow[hash] += weight
				exact[hash] += weight
				n += weight
			}
			requireBounds(t, tr.filling, inWindow, n)
			bound += n / m
			tr.oldest().reset()
			tr.swap()
		}
		for hash, weight := range exact {
			sum := tr.sum(hash)
			require.LessOrEqual(t, sum.cost, weight)
			require.LessOrEqual(t, sum.over, bound)
			require.LessOrEqual(t, weight, sum.cost+sum.over+bound, "what other windows may have had of it")
			if weight > bound {
				require.NotZero(t, sum.seen, "a key above the sum of N/m has an entry")
			}
		}
	}
}

func requireBounds(t *testing.T, w *window, exact map[uint64]float64, n float64) {
	sum := 0.0
	for place := range w.used {
		e := &w.entries[place]
		weight := exact[w.index.hashes[place]]
		require.LessOrEqual(t, float64(e.cost), weight)
		require.GreaterOrEqual(t, float64(e.rank()), weight)
		require.LessOrEqual(t, float64(e.over), n/float64(len(w.entries)))
		sum += float64(e.rank())
	}
	require.InDelta(t, n, sum, 1e-3*n)
	require.InDelta(t, n, w.sampled.cost, 1e-6*n)
	for hash, weight := range exact {
		if w.find(hash) == nil {
			require.LessOrEqual(t, weight, n/float64(len(w.entries)))
		}
	}
	for i := 1; i < len(w.heap); i++ {
		require.LessOrEqual(t, w.entryAt((i-1)/2).rank(), w.entryAt(i).rank())
		require.Equal(t, i, int(w.entryAt(i).at))
	}
}

// An index does what a map does, also where hashes collide in their low bits.
func TestIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const places = 100
	x := newIndex(places)
	known := map[uint64]int{}
	var free []int
	for i := range places {
		free = append(free, i)
	}
	for range 100_000 {
		hash := rng.Uint64N(40)<<32 | rng.Uint64N(6)
		place, ok := known[hash]
		if !ok {
			place = -1
		}
		require.Equal(t, place, x.find(hash))
		switch {
		case ok && rng.IntN(2) == 0:
			x.remove(place)
			delete(known, hash)
			free = append(free, place)
		case !ok && len(free) > 0:
			place, free = free[len(free)-1], free[:len(free)-1]
			x.insert(hash, place)
			known[hash] = place
		}
	}
	x.clear()
	require.Equal(t, -1, x.find(0))
}

// Names keeps what is pinned or of the last second, and nothing makes it grow.
func TestNames(t *testing.T) {
	n := newNames(100)
	for i := range 100 {
		n.put(keyHash(i), keyName(i))
	}
	n.put(1, "no room")
	require.Empty(t, n.get(1))
	require.Equal(t, uint64(1), n.refused)
	require.True(t, n.pin(keyHash(5)))
	require.False(t, n.pin(1))
	for range windowCount + 1 {
		n.now++
		n.put(keyHash(6), "ignored: it is here")
	}
	for i := 200; i < 298; i++ {
		n.put(keyHash(i), keyName(i))
	}
	for _, i := range []int{5, 6, 200, 297} {
		require.Equal(t, keyName(i), n.get(keyHash(i)))
	}
	require.Empty(t, n.get(keyHash(7)))
	n.unpin(keyHash(5))
	n.unpin(keyHash(5))
	n.now += windowCount + 1
	for i := range 100 {
		n.put(keyHash(1000+i), keyName(1000+i))
	}
	require.Empty(t, n.get(keyHash(5)))
}
