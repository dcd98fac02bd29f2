package placement

import (
	"fmt"
	"math"
	"slices"
)

// Point is a node's place on a ring of 2^32 places.
type Point struct {
	Hash uint32
	Node int // index in the list of nodes
}

// Ring returns the Func that gives each key to the node of the first point at or after the key's hash, and the keys
// after the last point to the first. Of several points at one place the one of the lowest node counts.
//
// The points may be in any order and are not kept. Node must be 0 to 2^31-1. Ketama and KetamaUnweighted make the
// points of known clients. A look-up is a binary search.
func Ring(points []Point, hash Hash) (Func, error) {
	if hash == nil {
		return nil, fmt.Errorf("placement: Ring: %w", ErrHash)
	}
	if len(points) == 0 {
		return nil, fmt.Errorf("placement: Ring: %w: no points", ErrSize)
	}
	r := make(ring, len(points))
	for i, p := range points {
		if p.Node < 0 || p.Node > math.MaxInt32 {
			return nil, fmt.Errorf("placement: Ring: %w: point %d has node %d", ErrSize, i, p.Node)
		}
		r[i] = uint64(p.Hash)<<32 | uint64(p.Node)
	}
	slices.Sort(r)
	return func(key string) int { return r.node(hash(key)) }, nil
}

// ring holds sorted points, each with its place in the high half and its node in the low one: comparing two of them is
// one instruction.
type ring []uint64

func (r ring) node(hash uint32) int {
	i, _ := slices.BinarySearch(r, uint64(hash)<<32)
	if i == len(r) {
		i = 0
	}
	return int(uint32(r[i]))
}
