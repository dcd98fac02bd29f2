package protocol

import (
	"errors"
	"math"
	"time"
)

// ErrInvalidTTL means that a TTL is negative, or ends later than memcached can count (2038-01-19).
var ErrInvalidTTL = errors.New("memcache: invalid TTL")

// relativeLimit is the largest exptime that memcached reads as seconds from now; above it, the number is a
// Unix time (doc/protocol.txt, "Expiration times").
const relativeLimit = 30 * 24 * time.Hour

// Exptime returns memcached's number for a TTL counted from now. 0 means never. Parts of a second round up, and one
// second becomes two: the server counts whole ticks, so an exptime of 1 may end at once. More than 30 days becomes
// the Unix time at which the TTL ends.
func Exptime(ttl time.Duration, now time.Time) (int64, error) {
	switch {
	case ttl == 0:
		return 0, nil
	case ttl < 0:
		return 0, ErrInvalidTTL
	case ttl <= relativeLimit:
		return max(2, ceilSeconds(ttl)), nil
	}
	end := now.Unix() + ceilSeconds(ttl)
	if end > math.MaxInt32 {
		return 0, ErrInvalidTTL
	}
	return end, nil
}

func ceilSeconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}
