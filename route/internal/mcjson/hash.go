package mcjson

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// hash is SpookyHash V2 of a string, or Thomas Wang's mix of an int, both of 64 bits, as mcrouter has them.
func (c *call) hash() (*Value, error) {
	v, err := c.argOf("value", String, Int)
	if err != nil {
		return nil, err
	}
	h, err := c.hashOf(v)
	if err != nil {
		return nil, err
	}
	return c.madeInt(int64(h))
}

func (c *call) hashOf(v *Value) (uint64, error) {
	if v.Kind == Int {
		return mix64(uint64(v.Int)), nil
	}
	if len(v.Str) > maxSpookyShort {
		unsupported := c.errorf("strings of more than %d bytes are not supported, this one has %d", maxSpookyShort, len(v.Str)).(*Error)
		unsupported.Err = errors.ErrUnsupported
		return 0, unsupported
	}
	return spookyShort(v.Str), nil
}

// weightedHash picks a key of an object of weights by rendezvous hashing.
func (c *call) weightedHash() (*Value, error) {
	dictionary, err := c.argOf("dictionary", Object)
	if err != nil {
		return nil, err
	}
	key, err := c.argOf("key", String, Int)
	if err != nil {
		return nil, err
	}
	if err := c.spendOn(dictionary); err != nil {
		return nil, err
	}
	weights, problem := normalWeights(dictionary)
	if problem != "" {
		return nil, c.errorf("%s", problem)
	}
	h := uint64(key.Int) // an int is taken as it is
	if key.Kind == String {
		if h, err = c.hashOf(key); err != nil {
			return nil, err
		}
	}
	return c.madeText(dictionary.Members[rendezvous(dictionary.Members, weights, h)].Name)
}

// normalWeights returns the weights of the members with a sum of 1. Those down to -0.01 count as 0.
func normalWeights(dictionary *Value) (weights []float64, problem string) {
	sum := 0.0
	for _, member := range dictionary.Members {
		weight, ok := member.Value.Number()
		if !ok {
			return nil, fmt.Sprintf("the weight of %q is %s, want a number", shorten(member.Name), member.Value.Kind)
		}
		if weight < -0.01 {
			return nil, fmt.Sprintf("the weight of %q is %v, want 0 or more", shorten(member.Name), weight)
		}
		weights = append(weights, max(weight, 0))
		sum += max(weight, 0)
	}
	if sum < epsilon || math.IsInf(sum, 0) {
		return nil, "the weights have no finite sum above 0"
	}
	for i := range weights {
		weights[i] /= sum
	}
	return weights, ""
}

const epsilon = 0x1p-52 // the distance from 1 to the next float64

// rendezvous returns the member whose draw, raised to 1/weight, is the highest. See mcrouter/lib/config/RendezvousHash.h.
func rendezvous(nodes []Member, weights []float64, key uint64) int {
	best, highest := 0, -1.0
	for i, node := range nodes {
		score := 0.0
		if weights[i] > epsilon {
			draw := float64(mix64(fnvSigned(node.Name)+key)) / math.MaxUint64
			score = math.Pow(draw, 1/weights[i])
		}
		if score > highest {
			best, highest = i, score
		}
	}
	return best
}

// fnvSigned is 64-bit FNV-1 with folly's old flaw, on which the picks of mcrouter depend: bytes count as signed.
func fnvSigned(text string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(text); i++ {
		h *= 1099511628211
		h ^= uint64(int8(text[i]))
	}
	return h
}

// mix64 is Thomas Wang's 64-bit integer hash (folly's twang_mix64).
func mix64(k uint64) uint64 {
	k = ^k + k<<21
	k ^= k >> 24
	k *= 265
	k ^= k >> 14
	k *= 21
	k ^= k >> 28
	return k + k<<31
}

// maxSpookyShort is the length of the longest string of SpookyHash's short form.
const maxSpookyShort = 191

// spookyShort is SpookyHash V2 with seed 0 for up to maxSpookyShort bytes (Bob Jenkins, http://burtleburtle.net/bob/hash/spooky.html).
func spookyShort(text string) uint64 {
	const odd = 0xdeadbeefdeadbeef
	h := [4]uint64{2: odd, 3: odd}
	rest := []byte(text)
	for len(rest) >= 32 {
		spookyBlock(&h, rest)
		h[0] += binary.LittleEndian.Uint64(rest[16:])
		h[1] += binary.LittleEndian.Uint64(rest[24:])
		rest = rest[32:]
	}
	if len(rest) >= 16 {
		spookyBlock(&h, rest)
		rest = rest[16:]
	}
	if len(rest) == 0 {
		h[2] += odd
		h[3] += odd
	}
	var tail [16]byte
	copy(tail[:], rest)
	h[2] += binary.LittleEndian.Uint64(tail[:])
	h[3] += binary.LittleEndian.Uint64(tail[8:]) + uint64(len(text))<<56
	spookyEnd(&h)
	return h[0]
}

func spookyBlock(h *[4]uint64, block []byte) {
	h[2] += binary.LittleEndian.Uint64(block)
	h[3] += binary.LittleEndian.Uint64(block[8:])
	for i, rotation := range [...]int{50, 52, 30, 41, 54, 48, 38, 37, 62, 34, 5, 36} {
		a, b, c := &h[(i+2)%4], &h[(i+3)%4], &h[i%4]
		*a = bits.RotateLeft64(*a, rotation) + *b
		*c ^= *a
	}
}

func spookyEnd(h *[4]uint64) {
	for i, rotation := range [...]int{15, 52, 26, 51, 28, 9, 47, 54, 32, 25, 63} {
		a, b := &h[(i+3)%4], &h[(i+2)%4]
		*a ^= *b
		*b = bits.RotateLeft64(*b, rotation)
		*a += *b
	}
}
