package placement

import "strings"

// hashStop ends the part of a key that mcrouter hashes.
const hashStop = "|#|"

// BeforeHashStop returns the part of key before the first "|#|", or key if it has none. mcrouter hashes this part only
// and sends the whole key. The memcached proxy does the same with filter "stop" and this string.
func BeforeHashStop(key string) string {
	part, _, _ := strings.Cut(key, hashStop)
	return part
}

// InsideTag returns the part of key between the first opening byte and the first closing byte after it, or key if there
// is no such pair or nothing in it. This is the rule of twemproxy's hash_tag and of Redis Cluster's hash tags:
// "user:{42}:name" and "user:{42}:age" share "42" and so their node. The memcached proxy differs in one case, see
// package proxy.
func InsideTag(key string, opening, closing byte) string {
	start := strings.IndexByte(key, opening)
	if start < 0 {
		return key
	}
	inside := key[start+1:]
	if end := strings.IndexByte(inside, closing); end > 0 {
		return inside[:end]
	}
	return key
}

// ShardID returns the second field of a key of the form "prefix:shard:rest", as mcrouter finds it: between the first
// two colons, not empty, and ending in a digit. The text is a part of key.
func ShardID(key string) (string, bool) {
	_, rest, _ := strings.Cut(key, ":")
	shard, _, found := strings.Cut(rest, ":")
	if !found || shard == "" || !isDigit(shard[len(shard)-1]) {
		return "", false
	}
	return shard, true
}

func isDigit(b byte) bool {
	return b >= '0' && b <= '9'
}
