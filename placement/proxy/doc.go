// Package proxy answers: which node of a pool holds a key, as memcached's built-in proxy decides it?
//
// A pool of the proxy is mcp.pool(backends, options) in its Lua configuration. What the options become here:
//
//	dist = mcp.dist_jump_hash (default)      Jump(n, seed)
//	dist = mcp.dist_ring_hash, omode = ...   Ring(servers, mode, obuckets, hash)
//	hash = mcp.hash_xxhash (default)         Hash32(seed), for Ring
//	hash = mcp.dist_ring_hash.hash           placement.MD5, for Ring
//	seed = "..."                             the seed of Jump and Hash32
//	filter = "stop", filter_conf = "|#|"     placement.BeforeHashStop(key)
//	filter = "tags", filter_conf = "{}"      InsideTag(key, '{', '}')
//
// It is a package of its own because of its dependency on an XXH3 library.
package proxy
