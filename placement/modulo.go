package placement

import (
	"fmt"
	"hash/crc32"
)

// CRC32 is the placement of bradfitz/gomemcache (memcache/selector.go, PickServer): the IEEE CRC-32 of the key modulo
// n, over the servers in the order in which they were listed. Its forks that keep the selector place alike.
//
// n is 1 to 2^31-1. A change of n or of the order moves nearly every key.
func CRC32(n int) (Func, error) {
	if err := checkSize("CRC32", n, maxNodes); err != nil {
		return nil, err
	}
	return func(key string) int {
		return int(crc32.ChecksumIEEE(bytesOf(key)) % uint32(n))
	}, nil
}

// McrouterCRC32 is mcrouter's hash_func "Crc32": as CRC32, but the highest bit of the checksum is dropped first, so it
// agrees with CRC32 only for half of the keys (or if n is a power of two).
//
// n is 1 to 2^31-1. A change of n or of the order moves nearly every key.
func McrouterCRC32(n int) (Func, error) {
	if err := checkSize("McrouterCRC32", n, maxNodes); err != nil {
		return nil, err
	}
	return func(key string) int {
		return int(crc32.ChecksumIEEE(bytesOf(key)) & 0x7fffffff % uint32(n))
	}, nil
}

// Modulo is libmemcached's distribution MODULA over any hash. Modulo(n, OneAtATime) is what libmemcached and the
// clients built on it (PHP's Memcached, pylibmc) do unless told otherwise.
//
// n is 1 to 2^31-1. A change of n or of the order moves nearly every key.
func Modulo(n int, hash Hash) (Func, error) {
	if err := checkSize("Modulo", n, maxNodes); err != nil {
		return nil, err
	}
	if hash == nil {
		return nil, fmt.Errorf("placement: Modulo: %w", ErrHash)
	}
	return func(key string) int { return int(hash(key) % uint32(n)) }, nil
}
