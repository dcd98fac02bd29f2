package placement

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

const (
	rendezvousTagSeed = ch3Seed
	rendezvousKeySeed = 2718281828
	maxTags           = 1 << 23
)

// Rendezvous is mcrouter's hash_func "Rendezvous" or "WeightedRendezvous" (mcrouter/lib/RendezvousHashFunc.cpp and
// WeightedRendezvousHashFunc.cpp): every node has a score for every key, and the highest wins.
//
// It goes by tags, not by positions. Removing any node moves its keys, spread over the others, and no other key;
// adding one moves its share to it. Every look-up computes the scores of all nodes. Safe for concurrent use.
type Rendezvous struct {
	tags    []uint64  // hashes
	weights []float64 // nil: all alike
}

// NewRendezvous takes one tag for each node, in the order of the nodes; tags are unique and not empty. Errors wrap
// ErrSize or ErrServer.
func NewRendezvous(tags []string) (*Rendezvous, error) {
	hashes, err := hashTags("NewRendezvous", tags)
	if err != nil {
		return nil, err
	}
	return &Rendezvous{tags: hashes}, nil
}

// NewWeightedRendezvous takes a tag and a weight for each node. Each node gets keys in proportion to its weight, which
// is finite and not negative, at least one of them above 0; a node of weight 0 gets none. Changing a weight moves
// keys only from or to that node. Errors wrap ErrSize, ErrServer or ErrWeight.
func NewWeightedRendezvous(tags []string, weights []float64) (*Rendezvous, error) {
	hashes, err := hashTags("NewWeightedRendezvous", tags)
	if err != nil {
		return nil, err
	}
	if len(weights) != len(tags) {
		return nil, fmt.Errorf("placement: NewWeightedRendezvous: %w: %d tags, %d weights", ErrSize, len(tags), len(weights))
	}
	if err := checkRendezvousWeights(weights); err != nil {
		return nil, err
	}
	return &Rendezvous{tags: hashes, weights: slices.Clone(weights)}, nil
}

func hashTags(function string, tags []string) ([]uint64, error) {
	if err := checkSize(function, len(tags), maxTags); err != nil {
		return nil, err
	}
	hashes := make([]uint64, len(tags))
	seen := make(map[string]int, len(tags))
	for i, tag := range tags {
		if tag == "" {
			return nil, fmt.Errorf("placement: %s: %w: tag %d is empty", function, ErrServer, i)
		}
		if first, ok := seen[tag]; ok {
			return nil, fmt.Errorf("placement: %s: %w: tag %q is at %d and %d", function, ErrServer, tag, first, i)
		}
		seen[tag] = i
		hashes[i] = murmur64A(bytesOf(tag), rendezvousTagSeed)
	}
	return hashes, nil
}

func checkRendezvousWeights(weights []float64) error {
	for i, w := range weights {
		if !(w >= 0 && w <= math.MaxFloat64) { // NaN too
			return fmt.Errorf("placement: NewWeightedRendezvous: %w: %v of node %d", ErrWeight, w, i)
		}
	}
	if slices.Max(weights) == 0 {
		return fmt.Errorf("placement: NewWeightedRendezvous: %w: all are 0", ErrWeight)
	}
	return nil
}

// Pick returns the index of the node with the highest score. It is a Func.
func (r *Rendezvous) Pick(key string) int {
	hash := rendezvousKeyHash(key)
	best, highest := 0, r.score(0, hash)
	for i := 1; i < len(r.tags); i++ {
		if score := r.score(i, hash); score >= highest { // of equals, the last
			best, highest = i, score
		}
	}
	return best
}

// AppendOrder appends the indexes of all nodes to order, best first: the order in which failover tries them. The first
// is Pick's.
func (r *Rendezvous) AppendOrder(order []int, key string) []int {
	hash := rendezvousKeyHash(key)
	start := len(order)
	for i := range r.tags {
		order = append(order, i)
	}
	slices.SortFunc(order[start:], func(a, b int) int {
		return cmp.Or(cmp.Compare(r.score(b, hash), r.score(a, hash)), b-a)
	})
	return order
}

func rendezvousKeyHash(key string) uint64 {
	return murmur64A(bytesOf(key), rendezvousKeySeed)
}

// score is a floating-point number in the original also where no weights are in play: two hashes that differ only in
// their low bits are a tie there.
func (r *Rendezvous) score(node int, keyHash uint64) float64 {
	h := mix128(keyHash, r.tags[node])
	if r.weights == nil {
		return float64(h)
	}
	const mantissa = 1 << 53
	return r.weights[node] / -math.Log(float64(h%mantissa)/mantissa)
}

// mix128 is CityHash's Hash128to64 of the two halves (Pike and Alakuijala, 2011).
func mix128(low, high uint64) uint64 {
	const factor = 0x9ddfea08eb382d69
	a := (low ^ high) * factor
	a ^= a >> 47
	b := (high ^ a) * factor
	b ^= b >> 47
	return b * factor
}
