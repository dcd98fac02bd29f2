package memcache

import "github.com/nohop/memcache/protocol"

// Item is an item to be stored, or one that was read.
type Item struct {
	Key   string // 1 to 250 bytes, none of them a space, a control byte or DEL
	Value []byte
	Flags uint32 // the application's own, kept with the value

	// Expiration is memcached's exptime in seconds: 0 never, up to 30 days counted from now, above that a Unix time. A
	// negative one has expired at once. Reads do not fill it in.
	Expiration int32

	// CasID is the item's version as a read found it, for CompareAndSwap. It is the server's plain number: it may come
	// from another client or process, but means nothing at another server, nor at the same one after a restart, where
	// the count begins anew.
	CasID uint64
}

// expiredExptime is what memcached itself takes a negative exptime for: a Unix time that has long passed
// (memcached.h, EXPTIME_TO_POSITIVE_TIME).
const expiredExptime = 30*24*60*60 + 1

// exptime is an Expiration as it is sent.
func exptime(seconds int32) int64 {
	if seconds < 0 {
		return expiredExptime
	}
	return int64(seconds)
}

// readFlags are what every read returns.
const readFlags = protocol.ReturnValue | protocol.ReturnFlags | protocol.ReturnCAS
