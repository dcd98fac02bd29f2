package placement

import "fmt"

// Jump places by jump consistent hash over a 64-bit hash of the key (Lamping and Veach, "A Fast, Minimal Memory,
// Consistent Hash Algorithm", 2014, arXiv:1406.2294). The hash must be safe for concurrent use.
//
// n is 1 to 2^31-1. From n to n+1 nodes, 1/(n+1) of the keys move, all of them to the new last node. Only the last
// node can be removed: without another one, the indexes of all nodes after it change.
func Jump(n int, hash func(key string) uint64) (Func, error) {
	if err := checkSize("Jump", n, maxNodes); err != nil {
		return nil, err
	}
	if hash == nil {
		return nil, fmt.Errorf("placement: Jump: %w", ErrHash)
	}
	return func(key string) int { return JumpHash(hash(key), n) }, nil
}

// JumpHash is the jump consistent hash of h over n buckets; 0 if n is below 2. It takes about ln n steps.
func JumpHash(h uint64, n int) int {
	bucket, next := int64(0), int64(0)
	for next < int64(n) {
		bucket = next
		h = h*2862933555777941757 + 1
		next = int64(float64(bucket+1) * (float64(1<<31) / float64(h>>33+1)))
	}
	return int(bucket)
}
