package hotkey

// index finds the place of a 64-bit hash among a fixed number of places: open addressing with linear probing, at most
// half full. The hashes are well mixed, so their low bits are the bucket.
type index struct {
	buckets []uint16 // place + 1, 0 if empty
	hashes  []uint64 // of each place
}

func newIndex(places int) index {
	n := 1
	for n < 2*places {
		n *= 2
	}
	return index{buckets: make([]uint16, n), hashes: make([]uint64, places)}
}

func (x *index) bucket(hash uint64) int { return int(hash) & (len(x.buckets) - 1) }

func (x *index) next(b int) int { return (b + 1) & (len(x.buckets) - 1) }

// find returns the place of hash, or -1.
func (x *index) find(hash uint64) int {
	for b := x.bucket(hash); x.buckets[b] != 0; b = x.next(b) {
		if place := int(x.buckets[b]) - 1; x.hashes[place] == hash {
			return place
		}
	}
	return -1
}

// insert puts hash, which is not in it, at place, which is free.
func (x *index) insert(hash uint64, place int) {
	b := x.bucket(hash)
	for x.buckets[b] != 0 {
		b = x.next(b)
	}
	x.buckets[b] = uint16(place + 1)
	x.hashes[place] = hash
}

// remove frees place. What stands behind it moves up, so that no gap hides it (Knuth, vol. 3, 6.4, algorithm R).
func (x *index) remove(place int) {
	gap := x.bucket(x.hashes[place])
	for int(x.buckets[gap]) != place+1 {
		gap = x.next(gap)
	}
	for b := x.next(gap); x.buckets[b] != 0; b = x.next(b) {
		home := x.bucket(x.hashes[x.buckets[b]-1])
		if distance(home, b, len(x.buckets)) >= distance(gap, b, len(x.buckets)) {
			x.buckets[gap] = x.buckets[b]
			gap = b
		}
	}
	x.buckets[gap] = 0
}

// distance is how far b is behind a in a circle of n.
func distance(a, b, n int) int { return (b - a) & (n - 1) }

func (x *index) clear() { clear(x.buckets) }
