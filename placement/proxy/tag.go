package proxy

import (
	"strings"

	"github.com/nohop/memcache/placement"
)

// InsideTag is the proxy's filter "tags" (proxy_lua.c, mcp_key_hash_filter_tag). It is placement.InsideTag but for a
// key whose first pair has nothing in it, such as "a{}b": the proxy's comment asks for a character there, its code
// (1.6.x) hashes the empty string.
func InsideTag(key string, opening, closing byte) string {
	if _, rest, found := strings.Cut(key, string([]byte{opening})); found && strings.HasPrefix(rest, string([]byte{closing})) {
		return ""
	}
	return placement.InsideTag(key, opening, closing)
}
