package placement

import "math/bits"

// Constants of mcrouter's furc_hash (mcrouter/lib/fbi/hash.c).
const (
	ch3MaxNodes = 1 << 23
	ch3Tries    = 32
	ch3Step     = 23         // from one bit of a number to the next
	ch3Seed     = 4193360111 // of every MurmurHash64A of mcrouter's placement, but for the key of Rendezvous
)

// Ch3 is mcrouter's default hash_func "Ch3" (furc_hash): a consistent hash by position in the list.
//
// n is 1 to 2^23. From n to n+1 nodes, 1/(n+1) of the keys move, all of them to the new last node. Only the last node
// can be removed: without another one, the indexes of all nodes after it change. HashRoute's option "salt" is Salted.
func Ch3(n int) (Func, error) {
	if err := checkSize("Ch3", n, ch3MaxNodes); err != nil {
		return nil, err
	}
	return func(key string) int { return ch3(bytesOf(key), n) }, nil
}

// ch3 walks down from the highest bit of n-1: while the key's bit there is 0, the key belongs to the lower half of the
// nodes. Where it is 1, the key draws numbers with that highest bit until one is below n.
func ch3(key []byte, n int) int {
	if n <= 1 {
		return 0
	}
	stream := newBitStream(key)
	width := bits.Len(uint(n - 1))
	position := width
	for range ch3Tries {
		for stream.bit(position) == 0 {
			width--
			if width == 0 {
				return 0
			}
			position = width
		}
		number := 1
		for range width - 1 {
			position += ch3Step
			number = number<<1 | stream.bit(position)
		}
		position += ch3Step
		if number < n {
			return number
		}
	}
	return 0
}

// bitStream is an endless row of bits made from a key: a chain of 64-bit words, each the hash of the one before.
type bitStream struct {
	first uint64 // word 0
	word  uint64 // word number index
	index int
}

func newBitStream(key []byte) bitStream {
	first := murmur64A(key, ch3Seed)
	return bitStream{first: first, word: first}
}

func (s *bitStream) bit(position int) int {
	index := position / 64
	if index < s.index {
		s.word, s.index = s.first, 0
	}
	for ; s.index < index; s.index++ {
		s.word = murmur64AOfWord(s.word, ch3Seed)
	}
	return int(s.word >> (position % 64) & 1)
}
