package placement

import (
	"encoding/binary"
	"math"
)

// murmurFactor is the constant m of MurmurHash2.
const murmurFactor = 0xc6a4a7935bd1e995

// murmur64A is Austin Appleby's MurmurHash64A, the 64-bit MurmurHash2 for 64-bit machines (not MurmurHash3), with words
// read as little-endian.
func murmur64A(data []byte, seed uint64) uint64 {
	h := seed ^ uint64(len(data))*murmurFactor
	for ; len(data) >= 8; data = data[8:] {
		h = murmurWord(h, binary.LittleEndian.Uint64(data))
	}
	if len(data) > 0 {
		h ^= littleEndian(data)
		h *= murmurFactor
	}
	return murmurEnd(h)
}

// murmur64AOfWord is murmur64A of the eight bytes of word.
func murmur64AOfWord(word, seed uint64) uint64 {
	const length = 8 * murmurFactor & math.MaxUint64
	return murmurEnd(murmurWord(seed^length, word))
}

func murmurWord(h, k uint64) uint64 {
	k *= murmurFactor
	k ^= k >> 47
	k *= murmurFactor
	return (h ^ k) * murmurFactor
}

func murmurEnd(h uint64) uint64 {
	h ^= h >> 47
	h *= murmurFactor
	return h ^ h>>47
}

// littleEndian reads up to eight bytes as one number, the first byte lowest.
func littleEndian(data []byte) uint64 {
	var n uint64
	for i, b := range data {
		n |= uint64(b) << (8 * i)
	}
	return n
}
