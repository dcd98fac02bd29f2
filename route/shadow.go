package route

import (
	"context"
	"fmt"

	"github.com/nohop/memcache/protocol"
)

// ShadowOptions say what is copied. The zero value copies nothing.
type ShadowOptions struct {
	From, To float64                  // the keys whose fraction is in [From, To): [0, 1) are all, [0, 0) none
	Fraction func(key string) float64 // of a key, in [0,1); nil: by Op.Hash, whichever node holds the key
	Keys     []string                 // keys that are copied besides
	Requests float64                  // the fraction of these keys' requests; 0 means 1, all
}

type shadow struct {
	child, target Route
	options       ShadowOptions
	keys          map[string]bool
	coin          coin
	background    *Background
}

// Shadow serves ops by child and has target serve copies of some in the background, so that new nodes can be tried under
// real traffic. Child's reply or error is the answer; what comes of the copies does not matter, they are not waited for,
// and when b is full they are dropped. To shadow some nodes of a pool only, put the Shadow around these.
//
// Read-modify-writes take effect at child; the copies of them at target, on what target has. Not copied is what one node
// decides for one client: compare-and-swap and gets for a lease. mcrouter goes by the fraction placement.Fraction,
// and its ranges include their end. Numbers outside [0,1], and ranges that end before they begin, are ErrFraction.
func Shadow(child, target Route, o ShadowOptions, b *Background) (Route, error) {
	if err := checkParts(b, child, target); err != nil {
		return nil, err
	}
	if !isFraction(o.From) || !isFraction(o.To) || o.From > o.To || !isFraction(o.Requests) {
		return nil, ErrFraction
	}
	if o.Requests == 0 {
		o.Requests = 1
	}
	s := &shadow{child: child, target: target, options: o, keys: make(map[string]bool, len(o.Keys)), background: b}
	for _, key := range o.Keys {
		s.keys[key] = true
	}
	s.options.Keys = nil // the caller's
	return s, nil
}

func (s *shadow) Do(ctx context.Context, ops []*Op) {
	if copied := s.sample(ops); len(copied) > 0 {
		s.background.Do(ctx, s.target, copied)
	}
	doEach(ctx, ops, func(*Op) Route { return s.child })
}

// sample returns the ops to be copied.
func (s *shadow) sample(ops []*Op) (sample []*Op) {
	for _, op := range ops {
		if s.isEligible(op) && s.coin.falls(s.options.Requests) {
			sample = append(sample, op)
		}
	}
	return sample
}

func (s *shadow) isEligible(op *Op) bool {
	r := &op.Request
	if !r.Command.IsKeyed() || r.Meta&(protocol.Compare|protocol.Vivify|protocol.Recache) != 0 {
		return false
	}
	f := s.fraction(op)
	return s.options.From <= f && f < s.options.To || len(s.keys) > 0 && s.keys[r.Key]
}

// fraction returns that of op's key. Where slots go by the same hash, mixing it makes each node's keys spread over all
// fractions.
func (s *shadow) fraction(op *Op) float64 {
	if s.options.Fraction != nil {
		return s.options.Fraction(op.Request.Key)
	}
	return unit(mix(op.Hash))
}

func (s *shadow) Explain(op *Op) Step {
	step := Step{Route: "shadow", Why: "not copied", Next: []Step{Explain(s.child, op)}}
	if !s.isEligible(op) {
		return step
	}
	step.Why = "copied"
	if s.options.Requests < 1 {
		step.Why = fmt.Sprintf("%g of the requests are copied", s.options.Requests)
	}
	step.Next = append(step.Next, Step{Route: "in the background", Next: []Step{Explain(s.target, op)}})
	return step
}
