package memcachetest

const (
	smallestChunk = 96   // bytes of the first slab class
	slabGrowth    = 1.25 // each class is larger than the one before by this
	slabPageSize  = 1 << 20
	maxSlabClass  = 63
)

// slabSizes are the chunk sizes of memcached's slab classes (slabs.c), class 1
// first. Only the numbers that commands show come from them: the store itself
// keeps no slabs.
var slabSizes = makeSlabSizes()

func makeSlabSizes() []int {
	var sizes []int
	for size := smallestChunk; float64(size) < largeChunkSize/slabGrowth && len(sizes) < maxSlabClass-1; {
		size = (size + 7) / 8 * 8
		sizes = append(sizes, size)
		size = int(float64(size) * slabGrowth)
	}
	return append(sizes, largeChunkSize)
}

// slabClass is the class for an item of the given size, 0 if it is too large.
func slabClass(size, maxItem int) int {
	if size > maxItem {
		return 0
	}
	for i, chunk := range slabSizes {
		if size <= chunk {
			return i + 1
		}
	}
	return len(slabSizes)
}

// itemsPerClass counts the items in each slab class. It needs the store lock.
func (s *store) itemsPerClass() map[int]int {
	classes := make(map[int]int)
	for _, it := range s.items {
		classes[slabClass(s.size(it), s.limits.maxItem)]++
	}
	return classes
}
