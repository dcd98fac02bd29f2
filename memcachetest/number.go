package memcachetest

import (
	"bytes"
	"math"
)

// The functions here read numbers as memcached 1.6.18 does through C's strtol
// family (util.c): leading white space and a sign are fine, the number ends at
// white space or the end, and a value too wide for its type is cut, not
// refused. The second result is false where memcached reports an error.

func isSpace(c byte) bool {
	return c == ' ' || ('\t' <= c && c <= '\r')
}

// digits parses an optional sign and decimal digits. It fails if there are no
// digits, if other bytes follow, or if the magnitude exceeds 64 bits.
func digits(s []byte) (magnitude uint64, negative, ok bool) {
	s = bytes.TrimLeftFunc(s, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	i := 0
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		d := uint64(s[i] - '0')
		if magnitude > (math.MaxUint64-d)/10 {
			return 0, false, false
		}
		magnitude = magnitude*10 + d
	}
	if i == 0 || (i < len(s) && s[i] != 0 && !isSpace(s[i])) {
		return 0, false, false
	}
	return magnitude, negative, true
}

// parseUint64 reads an unsigned number. As strtoull does, it negates after a
// minus sign; memcached refuses that only if the top bit is then set.
func parseUint64(s []byte) (uint64, bool) {
	n, negative, ok := digits(s)
	if !ok {
		return 0, false
	}
	if negative {
		n = -n
	}
	if int64(n) < 0 && bytes.IndexByte(s, '-') >= 0 {
		return 0, false
	}
	return n, true
}

// parseUint32 is parseUint64 cut to its low 32 bits.
func parseUint32(s []byte) (uint32, bool) {
	n, ok := parseUint64(s)
	return uint32(n), ok
}

// parseInt32 reads a signed 64-bit number and keeps its low 32 bits.
func parseInt32(s []byte) (int32, bool) {
	n, negative, ok := digits(s)
	if !ok {
		return 0, false
	}
	if negative {
		return int32(-n), n <= 1<<63
	}
	return int32(n), n <= math.MaxInt64
}
