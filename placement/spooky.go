package placement

import (
	"encoding/binary"
	"math/bits"
)

// Bob Jenkins' SpookyHash V2, http://burtleburtle.net/bob/hash/spooky.html (public domain).
const (
	spookyConst = 0xdeadbeefdeadbeef
	spookyVars  = 12             // words of state of the long form
	spookyBlock = 8 * spookyVars // bytes mixed at once by the long form
	spookyShort = 2 * spookyBlock
)

// Rotations of the long form, in the order in which they are used.
var (
	spookyLongMix = [spookyVars]int{11, 32, 43, 31, 17, 28, 39, 57, 55, 54, 22, 46}
	spookyLongEnd = [spookyVars]int{44, 15, 34, 21, 38, 33, 10, 13, 38, 53, 42, 54}
)

// spooky32 is the low half of the first 64-bit word of SpookyHash V2 with both seeds equal.
func spooky32(data []byte, seed uint64) uint32 {
	if len(data) < spookyShort {
		return uint32(spookyShortHash(data, seed))
	}
	return uint32(spookyLongHash(data, seed))
}

// spookyShortHash serves data of up to 191 bytes.
func spookyShortHash(data []byte, seed uint64) uint64 {
	length := uint64(len(data))
	a, b, c, d := seed, seed, uint64(spookyConst), uint64(spookyConst)
	for ; len(data) >= 32; data = data[32:] {
		c += binary.LittleEndian.Uint64(data)
		d += binary.LittleEndian.Uint64(data[8:])
		a, b, c, d = spookyShortMix(a, b, c, d)
		a += binary.LittleEndian.Uint64(data[16:])
		b += binary.LittleEndian.Uint64(data[24:])
	}
	if len(data) >= 16 {
		c += binary.LittleEndian.Uint64(data)
		d += binary.LittleEndian.Uint64(data[8:])
		a, b, c, d = spookyShortMix(a, b, c, d)
		data = data[16:]
	}
	d += length << 56
	if len(data) == 0 {
		c += spookyConst
		d += spookyConst
	} else {
		head := min(len(data), 8)
		c += littleEndian(data[:head])
		d += littleEndian(data[head:])
	}
	return spookyShortEnd(a, b, c, d)
}

func spookyShortMix(a, b, c, d uint64) (uint64, uint64, uint64, uint64) {
	c, a = spookyStep(c, d, a, 50)
	d, b = spookyStep(d, a, b, 52)
	a, c = spookyStep(a, b, c, 30)
	b, d = spookyStep(b, c, d, 41)
	c, a = spookyStep(c, d, a, 54)
	d, b = spookyStep(d, a, b, 48)
	a, c = spookyStep(a, b, c, 38)
	b, d = spookyStep(b, c, d, 37)
	c, a = spookyStep(c, d, a, 62)
	d, b = spookyStep(d, a, b, 34)
	a, c = spookyStep(a, b, c, 5)
	b, d = spookyStep(b, c, d, 36)
	return a, b, c, d
}

// spookyStep turns x, adds y to it and folds the sum into z.
func spookyStep(x, y, z uint64, turn int) (uint64, uint64) {
	x = bits.RotateLeft64(x, turn) + y
	return x, z ^ x
}

// spookyShortEnd returns the first word only.
func spookyShortEnd(a, b, c, d uint64) uint64 {
	d, c = spookyEndStep(d, c, 15)
	a, d = spookyEndStep(a, d, 52)
	b, a = spookyEndStep(b, a, 26)
	c, b = spookyEndStep(c, b, 51)
	d, c = spookyEndStep(d, c, 28)
	a, d = spookyEndStep(a, d, 9)
	b, a = spookyEndStep(b, a, 47)
	c, b = spookyEndStep(c, b, 54)
	d, _ = spookyEndStep(d, c, 32)
	a, _ = spookyEndStep(a, d, 25)
	_, a = spookyEndStep(b, a, 63)
	return a
}

func spookyEndStep(x, y uint64, turn int) (uint64, uint64) {
	x ^= y
	y = bits.RotateLeft64(y, turn)
	return x + y, y
}

// spookyLongHash serves data of 192 bytes and more. The last block is filled up with zeros and ends with the number of
// its bytes.
func spookyLongHash(data []byte, seed uint64) uint64 {
	var h [spookyVars]uint64
	for i := range h {
		h[i] = seed
		if i%3 == 2 {
			h[i] = spookyConst
		}
	}
	for ; len(data) >= spookyBlock; data = data[spookyBlock:] {
		spookyMix(&h, data)
	}
	var last [spookyBlock]byte
	copy(last[:], data)
	last[spookyBlock-1] = byte(len(data))
	for i := range h {
		h[i] += binary.LittleEndian.Uint64(last[8*i:])
	}
	for range 3 {
		spookyEndPartial(&h)
	}
	return h[0]
}

func spookyMix(h *[spookyVars]uint64, block []byte) {
	for i, turn := range spookyLongMix {
		next, before, last := (i+2)%spookyVars, (i+10)%spookyVars, (i+11)%spookyVars
		h[i] += binary.LittleEndian.Uint64(block[8*i:])
		h[next] ^= h[before]
		h[last] ^= h[i]
		h[i] = bits.RotateLeft64(h[i], turn)
		h[last] += h[(i+1)%spookyVars]
	}
}

func spookyEndPartial(h *[spookyVars]uint64) {
	for i, turn := range spookyLongEnd {
		this, next, before := (i+1)%spookyVars, (i+2)%spookyVars, (i+11)%spookyVars
		h[before] += h[this]
		h[next] ^= h[before]
		h[this] = bits.RotateLeft64(h[this], turn)
	}
}
