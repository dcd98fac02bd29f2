package memcache

import (
	"time"

	"github.com/nohop/memcache/pool"
)

// Item is one cached value.
type Item struct {
	Key   string // 1 to 250 bytes, no spaces, no control bytes (see WithBinaryKeys), not "~" at the beginning
	Value []byte
	Flags uint32        // stored with the value and returned with it; see WithCompression and FormatCodec for the highest 8 bits
	TTL   time.Duration // how long to keep a stored item; 0: never expires. Rounded up to seconds, at least 2. Not set by reads
	CAS   CAS           // set by reads; compared by CompareAndSwap
}

// CAS is the version of an item that was read, for CompareAndSwap. It holds for the node and the connection it was read
// from. The zero CAS is no version. Values may be compared with ==.
type CAS struct {
	unique uint64
	token  pool.Token
}

// IsZero reports whether c is no version: the item was not read, or the server keeps none (started with -C).
func (c CAS) IsZero() bool { return c.unique == 0 }
