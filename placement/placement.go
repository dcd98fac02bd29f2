package placement

import (
	"errors"
	"fmt"
	"math"
	"unsafe"
)

// Func returns the index of the node that holds key, in the list for which the Func was built.
//
// It hashes the bytes of key as they are; cut the key first where the other system does (BeforeHashStop, InsideTag).
// A Func of this package is safe for concurrent use, does not keep key, and does not allocate for keys of memcached's
// length (up to 250 bytes). No key makes it panic or return an index outside the list.
type Func func(key string) int

// Hash is a 32-bit hash of a key. It must be safe for concurrent use and must not keep key.
type Hash func(key string) uint32

// Errors of the constructors. Each is wrapped with the function's name and what it was given; test with errors.Is.
var (
	// ErrSize means that a list has no nodes, more than the algorithm can address, or not as many as its companion.
	ErrSize = errors.New("bad number of nodes")

	// ErrWeight means that a weight lies outside the range of the algorithm, or that none is above zero.
	ErrWeight = errors.New("bad weight")

	// ErrServer means that a server or tag is empty, out of range, or there twice.
	ErrServer = errors.New("bad server")

	// ErrHash means that a hash function is missing.
	ErrHash = errors.New("no hash function")
)

// maxNodes bounds the lists of the functions that keep no table: the index fits into an int of every platform.
const maxNodes = math.MaxInt32

// checkSize returns an error unless n is in 1..most.
func checkSize(function string, n, most int) error {
	if n < 1 || n > most {
		return fmt.Errorf("placement: %s: %w: %d, want 1 to %d", function, ErrSize, n, most)
	}
	return nil
}

// bytesOf returns the bytes of s without a copy: the assembly behind crc32 and md5 would make []byte(s) escape.
// Nobody may write to them.
func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
