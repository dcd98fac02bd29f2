package proxy

import (
	"github.com/nohop/memcache/placement"
	"github.com/zeebo/xxh3"
)

// Jump is the proxy's default placement (proxy_jump_hash.c over proxy_xxhash.c): the key's 64-bit XXH3, then jump
// consistent hash over the backends in the order in which they are listed.
//
// seed is the pool's seed string, "" if it has none. n is 1 to 2^31-1; the error wraps placement.ErrSize. What moves
// when n changes is said at placement.Jump.
func Jump(n int, seed string) (placement.Func, error) {
	return placement.Jump(n, hash64(seed))
}

// Hash32 is the proxy's key hash on a ring unless the pool has another one: the low half of the key's XXH3.
func Hash32(seed string) placement.Hash {
	hash := hash64(seed)
	return func(key string) uint32 { return uint32(hash(key)) }
}

// hash64 seeds XXH3 with the XXH3 of the seed string, or with 0 if there is none (proxy_lua.c, "seed").
func hash64(seed string) func(key string) uint64 {
	if seed == "" {
		return xxh3.HashString
	}
	number := xxh3.HashString(seed)
	return func(key string) uint64 { return xxh3.HashStringSeed(key, number) }
}
