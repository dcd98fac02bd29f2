package hotkey

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Options of a Detector. The zero value is the default of everything.
type Options struct {
	// Nodes is the number of nodes that keys are spread over, 0 meaning 1; see Detector.SetNodes.
	Nodes int
	// RequestCost is what an op costs beside the bytes it moves, in bytes: a node's bytes per second over its ops per
	// second. Default 1,024.
	RequestCost int
	// Share of the cost of all ops from which a key is reported as hot, above 0 and at most 1. Default 0.01.
	Share float64
	// BytesPerSecond that ops on a key move from which it is reported as hot. Default 1,000,000; negative: never.
	BytesPerSecond float64
	// MissesPerSecond of a key, or of a family of keys, from which it is reported as missed. Default 20; negative:
	// never.
	MissesPerSecond float64

	seed uint64 // of the samplers; 0 means a random one
}

// ErrBadOptions is matched by the errors of New.
var ErrBadOptions = errors.New("hotkey: bad options")

// DefaultRequestCost is the default of Options.RequestCost.
const DefaultRequestCost = 1024

// maxRequestCost keeps sums of cost far from overflow.
const maxRequestCost = 1 << 30

func (o Options) withDefaults() (Options, error) {
	o.Nodes = cmp.Or(o.Nodes, 1)
	o.RequestCost = cmp.Or(o.RequestCost, DefaultRequestCost)
	o.Share = cmp.Or(o.Share, 0.01)
	o.BytesPerSecond = threshold(cmp.Or(o.BytesPerSecond, 1e6))
	o.MissesPerSecond = threshold(cmp.Or(o.MissesPerSecond, 20))
	o.seed = cmp.Or(o.seed, rand.Uint64())
	switch {
	case o.Nodes < 0:
		return o, fmt.Errorf("%w: Nodes is %d", ErrBadOptions, o.Nodes)
	case o.RequestCost < 0 || o.RequestCost > maxRequestCost:
		return o, fmt.Errorf("%w: RequestCost is %d", ErrBadOptions, o.RequestCost)
	case !(o.Share > 0 && o.Share <= 1):
		return o, fmt.Errorf("%w: Share is %v", ErrBadOptions, o.Share)
	case math.IsNaN(o.BytesPerSecond) || math.IsNaN(o.MissesPerSecond):
		return o, fmt.Errorf("%w: a threshold is not a number", ErrBadOptions)
	}
	return o, nil
}

// threshold is infinite if t is negative.
func threshold(t float64) float64 {
	if t < 0 {
		return math.Inf(1)
	}
	return t
}
