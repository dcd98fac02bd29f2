package history

import (
	"bytes"
	"encoding/hex"
)

// idBytes is the length of a value's name in its bytes: 16 hexadecimal digits.
const idBytes = 16

// MinSize is the length of the shortest value that Seal makes, in bytes.
const MinSize = 32

// Seal returns the bytes to store for v: size of them, at least MinSize. They depend on v and on size at every place,
// so that Unseal knows a value that was cut, mixed with another or changed. They are letters and digits, so that no part
// of them can pass for a reply.
func Seal(v Value, size int) []byte {
	b := make([]byte, 0, max(size, MinSize))
	b = appendID(b, v)
	state := uint64(v)*0x9e3779b97f4a7c15 ^ uint64(cap(b))
	for len(b) < cap(b) {
		// xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled").
		state ^= state >> 12
		state ^= state << 25
		state ^= state >> 27
		b = append(b, 'a'+byte((state*0x2545f4914f6cdd1d)>>60))
	}
	return b
}

// Unseal returns the value whose bytes are b, or Torn.
func Unseal(b []byte) Value {
	var id [idBytes / 2]byte
	if len(b) < MinSize {
		return Torn
	}
	if _, err := hex.Decode(id[:], b[:idBytes]); err != nil {
		return Torn
	}
	var v Value
	for _, x := range id {
		v = v<<8 | Value(x)
	}
	if v == 0 || !bytes.Equal(b, Seal(v, len(b))) {
		return Torn
	}
	return v
}

func appendID(b []byte, v Value) []byte {
	var id [idBytes / 2]byte
	for i := range id {
		id[i] = byte(v >> (8 * (len(id) - 1 - i)))
	}
	return hex.AppendEncode(b, id[:])
}
