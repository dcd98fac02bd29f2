package protocol

import (
	"bytes"
	"math"
	"strconv"
)

// nextWord returns the first word of b and what follows it. Runs of spaces count as one, as memcached counts them.
func nextWord(b []byte) (word, rest []byte) {
	start := 0
	for start < len(b) && b[start] == ' ' {
		start++
	}
	end := start
	for end < len(b) && b[end] != ' ' {
		end++
	}
	return b[start:end], b[end:]
}

func trimSpaces(b []byte) []byte { return bytes.Trim(b, " ") }

// parseUint reads a decimal number of at most 64 bits: digits alone, no sign.
func parseUint(b []byte) (uint64, bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

func parseInt(b []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	return n, err == nil
}

// parseBlockSize reads the size of a data block: below 2 GiB, as memcached bounds it.
func parseBlockSize(b []byte) (int, bool) {
	n, ok := parseUint(b)
	if !ok || n > math.MaxInt32-2 {
		return 0, false
	}
	return int(n), true
}

func parseHex32(b []byte) (uint32, bool) {
	n, err := strconv.ParseUint(string(b), 16, 32)
	return uint32(n), err == nil
}

// ParseNumber reads a number as Increment and Decrement store it: decimal digits, perhaps padded with spaces.
func ParseNumber(b []byte) (uint64, bool) { return parseUint(bytes.TrimRight(b, " ")) }
