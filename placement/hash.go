package placement

import (
	"crypto/fips140"
	"crypto/md5"
	"encoding/binary"
	"math"
)

// MD5 is the first four bytes of the key's MD5, read as a little-endian number: libmemcached's and twemproxy's hash
// "md5" and the key hash of the original ketama.
func MD5(key string) uint32 {
	sum := md5Sum(bytesOf(key))
	return binary.LittleEndian.Uint32(sum[:])
}

// md5Sum is md5.Sum, also in a program under GODEBUG=fips140=only, where that panics: choosing a node protects nothing.
func md5Sum(data []byte) [md5.Size]byte {
	if fips140.Enforced() {
		return md5SumUnenforced(data)
	}
	return md5.Sum(data)
}

// md5SumUnenforced allocates.
func md5SumUnenforced(data []byte) (sum [md5.Size]byte) {
	fips140.WithoutEnforcement(func() { sum = md5.Sum(data) })
	return sum
}

// OneAtATime is Bob Jenkins' one-at-a-time hash as libmemcached computes it by default ("default", "jenkins one at a
// time") on machines where C's char is signed, such as x86: bytes from 0x80 up count as negative numbers. For ASCII
// keys it is the same everywhere.
func OneAtATime(key string) uint32 {
	var h uint32
	for i := range len(key) {
		h += uint32(int8(key[i]))
		h += h << 10
		h ^= h >> 6
	}
	h += h << 3
	h ^= h >> 11
	return h + h<<15
}

// FNV1a64 is the low half of the key's 64-bit FNV-1a: the default hash "fnv1a_64" of twemproxy, and libmemcached's of
// the same name. Bytes from 0x80 up count as negative numbers, as in OneAtATime.
func FNV1a64(key string) uint32 {
	const (
		offset = 0xcbf29ce484222325 & math.MaxUint32
		prime  = 0x100000001b3 & math.MaxUint32
	)
	h := uint32(offset)
	for i := range len(key) {
		h ^= uint32(int8(key[i]))
		h *= prime
	}
	return h
}
