package mcjson

import (
	"math/rand/v2"
	"slices"
)

// shuffle brings an array into a random order, with a seed always into the same one.
func (c *call) shuffle() (*Value, error) {
	list, err := c.argOf("dictionary", Array)
	if err != nil {
		return nil, err
	}
	if err := c.spend(len(list.Items)); err != nil {
		return nil, err
	}
	items := slices.Clone(list.Items)
	if c.args["seed"] == nil {
		rand.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		return c.madeArray(items)
	}
	seed, err := c.argOf("seed", Int)
	if err != nil {
		return nil, err
	}
	if seed.Int < 0 {
		return nil, c.errorf("seed is %d, want 0 or more", seed.Int)
	}
	shuffleSeeded(items, uint32(seed.Int))
	return c.madeArray(items)
}

// shuffleSeeded is std::shuffle with a std::minstd_rand as GNU's C++ library has them: while the generator's range allows it,
// one draw gives the partners of two elements.
func shuffleSeeded(items []*Value, seed uint32) {
	state := minstd(max(1, uint64(seed)%minstdModulus))
	swap := func(i int, j uint64) { items[i], items[j] = items[j], items[i] }
	count := uint64(len(items))
	next := 1
	if count > 0 && minstdRange/count >= count {
		if count%2 == 0 {
			swap(next, state.below(2))
			next++
		}
		for ; next < len(items); next += 2 {
			n := uint64(next) + 1
			both := state.below(n * (n + 1))
			swap(next, both/(n+1))
			swap(next+1, both%(n+1))
		}
	}
	for ; next < len(items); next++ {
		swap(next, state.below(uint64(next)+1))
	}
}

// minstd is the state of the C++ standard's minstd_rand, a generator of numbers from 1 to minstdModulus-1.
type minstd uint64

const (
	minstdModulus = 1<<31 - 1
	minstdRange   = minstdModulus - 2
)

// below returns a number from 0 to n-1, as GNU's uniform_int_distribution draws it.
func (s *minstd) below(n uint64) uint64 {
	scaling := minstdRange / n
	for {
		*s = *s * 48271 % minstdModulus
		if drawn := uint64(*s) - 1; drawn < n*scaling {
			return drawn / scaling
		}
	}
}
