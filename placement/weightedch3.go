package placement

import (
	"fmt"
	"math"
	"strconv"
)

const (
	weightedCh3Seed  = 0xface2014 // of the coin
	weightedCh3Tries = 32

	// missingWeight is what mcrouter takes for nodes beyond the end of the weights.
	missingWeight = 0.5

	// keyRoom is enough for a key of memcached with a salt of WeightedCh3 behind it.
	keyRoom = 256
)

// WeightedCh3 is mcrouter's hash_func "WeightedCh3" (mcrouter/lib/WeightedCh3HashFunc.cpp): Ch3, whose node is accepted
// with the probability of its weight; otherwise the key is hashed again with "0", "1", ... behind it, at most 32 times.
//
// n is 1 to 2^23. Weights are 0 to 1; a node without one has 0.5, and weights beyond n are ignored, whatever they are.
// With all weights 1 it is Ch3. Lowering a weight moves only keys of that node, raising it only keys to that node. If
// all weights are 0, keys still go to some node.
func WeightedCh3(n int, weights []float64) (Func, error) {
	if err := checkSize("WeightedCh3", n, ch3MaxNodes); err != nil {
		return nil, err
	}
	limits := make([]uint32, n)
	for i := range limits {
		weight := missingWeight
		if i < len(weights) {
			weight = weights[i]
		}
		if !(weight >= 0 && weight <= 1) { // NaN too
			return nil, fmt.Errorf("placement: WeightedCh3: %w: %v of node %d, want 0 to 1", ErrWeight, weight, i)
		}
		limits[i] = uint32(weight * math.MaxUint32)
	}
	return func(key string) int { return weightedCh3(bytesOf(key), limits) }, nil
}

// weightedCh3 accepts node i if the coin of the salted key is below limits[i].
func weightedCh3(key []byte, limits []uint32) int {
	node := ch3(key, len(limits))
	if spooky32(key, weightedCh3Seed) < limits[node] {
		return node
	}
	var room [keyRoom]byte
	salted := append(room[:0], key...)
	for try := range weightedCh3Tries - 1 {
		salted = appendReversed(salted[:len(key)], try)
		node = ch3(salted, len(limits))
		if spooky32(salted, weightedCh3Seed) < limits[node] {
			break
		}
	}
	return node
}

// appendReversed appends the decimal digits of n, the lowest first.
func appendReversed(b []byte, n int) []byte {
	for n >= 10 {
		b = append(b, byte('0'+n%10))
		n /= 10
	}
	return strconv.AppendInt(b, int64(n), 10)
}
