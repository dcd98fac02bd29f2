package protocol

import (
	"bytes"
	"math"
)

// wordEnd returns the length of the word that b starts with.
func wordEnd(b []byte) int {
	for i, c := range b {
		if c == ' ' {
			return i
		}
	}
	return len(b)
}

func trimSpaces(b []byte) []byte { return bytes.Trim(b, " ") }

// safeDigits is how many decimal digits always fit into 64 bits.
const safeDigits = 19

// parseUint reads a decimal number of at most 20 digits and 64 bits: digits alone, no sign.
func parseUint(b []byte) (uint64, bool) {
	n, rest, ok := cutUint(b)
	return n, ok && len(rest) == 0
}

// cutUint reads the decimal number that b starts with, up to the first byte that is no digit.
func cutUint(b []byte) (n uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b); i++ {
		d := uint64(b[i] - '0')
		if d > 9 {
			break
		}
		if i >= safeDigits && (i > safeDigits || n > (math.MaxUint64-d)/10) {
			return 0, nil, false
		}
		n = n*10 + d
	}
	return n, b[i:], i > 0
}

// cutWordUint reads a number that is a word, and the space behind it if one follows.
func cutWordUint(b []byte) (n uint64, rest []byte, ok bool) {
	n, rest, ok = cutUint(b)
	if len(rest) == 0 {
		return n, rest, ok
	}
	return n, rest[1:], ok && rest[0] == ' '
}

// parseInt reads a decimal number that may be negative.
func parseInt(b []byte) (int64, bool) {
	digits, negative := bytes.CutPrefix(b, []byte("-"))
	n, ok := parseUint(digits)
	if n > math.MaxInt64 {
		return 0, false
	}
	if negative {
		return -int64(n), ok
	}
	return int64(n), ok
}

// maxBlockSize is the largest data block that memcached announces: its sizes are 32 bits with sign, CR LF included.
const maxBlockSize = math.MaxInt32 - 2

// parseHex32 reads a number as strconv.AppendUint writes it: 1 to 8 hexadecimal digits in lower case.
func parseHex32(b []byte) (n uint32, ok bool) {
	if len(b) == 0 || len(b) > 8 {
		return 0, false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | uint32(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint32(c-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// ParseNumber reads a number as Increment and Decrement store it: decimal digits, perhaps padded with spaces, which
// is what memcached leaves when a number became shorter in place.
func ParseNumber(b []byte) (uint64, bool) { return parseUint(bytes.TrimRight(b, " ")) }
