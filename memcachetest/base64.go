package memcachetest

import "encoding/base64"

// decodeKey decodes a base64 key as memcached 1.6.18 does (base64.c): bytes
// outside the alphabet are skipped, padding is required, and what follows the
// padding is ignored. It returns nil for a key that memcached refuses.
func decodeKey(text []byte) []byte {
	clean := make([]byte, 0, len(text))
	for _, c := range text {
		if inBase64(c) {
			clean = append(clean, c)
		}
	}
	if len(clean) == 0 || len(clean)%4 != 0 {
		return nil
	}
	var key []byte
	for i := 0; i < len(clean); i += 4 {
		var pad int
		key, pad = appendBlock(key, clean[i:i+4])
		if pad > 2 {
			return nil
		}
		if pad > 0 {
			break
		}
	}
	return key
}

func inBase64(c byte) bool {
	return sextet(c) < 64
}

// sextet is the value of c, 0 for padding, and 64 for bytes that are neither.
func sextet(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A'
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26
	case '0' <= c && c <= '9':
		return c - '0' + 52
	case c == '+':
		return 62
	case c == '/':
		return 63
	case c == '=':
		return 0
	}
	return 64
}

// appendBlock decodes four characters and returns how many were padding. The
// padding may stand anywhere in the block: memcached only counts it.
func appendBlock(key, block []byte) ([]byte, int) {
	pad := 0
	var bits uint32
	for _, c := range block {
		if c == '=' {
			pad++
		}
		bits = bits<<6 | uint32(sextet(c))
	}
	key = append(key, byte(bits>>16), byte(bits>>8), byte(bits))
	return key[:len(key)-min(pad, 2)], pad
}

func appendBase64(dst []byte, key string) []byte {
	return base64.StdEncoding.AppendEncode(dst, []byte(key))
}
