package protocol

import (
	"errors"
	"math"
	"time"
)

// ErrInvalidTTL means that a TTL or exptime is negative, or ends later than memcached can count (2038-01-19).
var ErrInvalidTTL = errors.New("memcache: invalid TTL")

// relativeLimit is the largest exptime that memcached reads as seconds from now; above it, the number is a
// Unix time (doc/protocol.txt, "Expiration times").
const (
	relativeLimit        = relativeLimitSeconds * time.Second
	relativeLimitSeconds = 30 * 24 * 60 * 60
)

// Exptime returns memcached's number for a TTL counted from now. 0 means never. Parts of a second round up, and one
// second becomes two: the server counts whole ticks, so an exptime of 1 may end at once. More than 30 days becomes
// the Unix time at which the TTL ends. The error is ErrInvalidTTL.
func Exptime(ttl time.Duration, now time.Time) (int64, error) {
	switch {
	case ttl == 0:
		return 0, nil
	case ttl < 0:
		return 0, ErrInvalidTTL
	case ttl <= relativeLimit:
		return max(2, ceilSeconds(ttl)), nil
	}
	end := ceilUnix(now.Add(ttl))
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

func ceilUnix(t time.Time) int64 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return s
}
