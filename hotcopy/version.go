package hotcopy

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// version names one value of one key. A CAS is a number that memcached's process gives to each change of any item (items.c,
// get_cas_id), and begins anew when the process does; so it names a value together with the life of the node. That life is
// known by its generation or, within this process, by the connection, which never outlives the node's process.
type version struct {
	cas   uint64
	token pool.Token
}

// isKnown reports whether there is a version: the node counts CAS, and a node has answered.
func (v version) isKnown() bool { return v.cas != 0 && !v.token.IsZero() }

// is reports whether both name the same value. Versions that are not known are the same as nothing.
func (v version) is(o version) bool {
	if v.cas != o.cas || !v.isKnown() || !o.isKnown() {
		return false
	}
	if v.token == o.token {
		return true
	}
	g, known := v.token.Generation()
	other, otherKnown := o.token.Generation()
	return known && otherKnown && g == other
}

// copyPrefix is what copies' names begin with.
const copyPrefix = pool.Reserved + "c"

// maxKeySize is memcached's limit.
const maxKeySize = 250

// copyName returns the key under which other nodes hold the value of key in version v; ok is false if its generation is
// not known. Two values have the same name only if they are the same:
//
//	~c<generation>.<CAS>.<key>     numbers in base 36, which has no dot
//	~c<generation>.<CAS>#<hash>    where that is too long, or the key cannot travel as text: the first 160 bits of SHA-256
func (v version) copyName(key string) (name string, ok bool) {
	generation, known := v.token.Generation()
	if !known || v.cas == 0 {
		return "", false
	}
	return appendCopyName(generation, v.cas, key), true
}

func appendCopyName(generation, cas uint64, key string) string {
	var space [maxKeySize]byte
	b := append(space[:0], copyPrefix...)
	b = strconv.AppendUint(b, generation, 36)
	b = append(b, '.')
	b = strconv.AppendUint(b, cas, 36)
	if len(b)+1+len(key) <= maxKeySize && protocol.CheckKey(key) == nil {
		b = append(append(b, '.'), key...)
		return string(b)
	}
	sum := sha256.Sum256([]byte(key))
	return string(base64.RawURLEncoding.AppendEncode(append(b, '#'), sum[:20]))
}
