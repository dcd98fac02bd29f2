package route

import (
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/pool"
)

// Pin is how far this process is with a pin: a rule that moves one key's home to another node while nothing happens to
// the nodes. It has the steps that a node has which comes and goes (pool.Step), for the one key alone. They are counted from
// when this process saw the rule come or go, as each process sees that within D of the others. It never turns round: a
// pin that goes while it comes has come first, so that nobody is ahead of it in one direction and behind it in the other.
// Safe for concurrent use, but for Rules.Tend.
type Pin struct {
	length time.Duration // of a step
	began  time.Time
	in     []leg // of which the last has been gone when the pin is Serving
	came   bool  // rather than been found
	out    atomic.Pointer[wayOut]
	serves atomic.Bool // its way in is over, so that the clock need not be asked

	tended pool.Step // at which Tend was last; used by one goroutine at a time
}

// leg is a step of a way, and how long it lasts.
type leg struct {
	step pool.Step
	time time.Duration
}

// wayOut is how a pin goes. After it, the pin is over.
type wayOut struct {
	from time.Time
	legs []leg
}

// PinSeen says how a process came to know of a pin, and with that what it can know of how far the others are.
type PinSeen uint8

// The ways of seeing a pin. The first is for a process that knows what was before; the others are for one that has
// just begun.
const (
	PinComes       PinSeen = iota // it was not there, and is
	PinFound                      // every process has known it for D or longer
	PinFoundYoung                 // there may be some that do not know it yet
	PinFoundEnding                // it ends: who may use it still, and who not any more, is not known
)

// Steps of a pin last as long as those of a node do: D in whole seconds, and two for what is under way and not punctual.
func pinStepTime(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second) + 2*time.Second
}

// PinTime is longer than it takes any process to be done with a pin that ends, where D is d, also if the pin had only just
// come.
func PinTime(d time.Duration) time.Duration { return 8 * pinStepTime(d) }

// NewPin returns a pin that begins now, where D is d.
//
// Who begins Settling writes as all do who are at Entering, Filling or Settling, or may be Serving, and reads what they leave;
// but the others must write to both homes, or to none but the new one. While some may not know of the pin, or a pin ends,
// nothing is safe beside all that the others may do but to store the key nowhere: Returning.
func NewPin(seen PinSeen, d time.Duration) *Pin {
	t := pinStepTime(d)
	p := &Pin{length: t, began: time.Now(), came: seen == PinComes, tended: pool.Unmet}
	switch seen {
	case PinComes:
		p.in = []leg{{pool.Entering, t}, {pool.Filling, t}, {pool.Settling, t}}
	case PinFound:
		p.in = []leg{{pool.Settling, 4 * t}}
	case PinFoundYoung:
		p.in = []leg{{pool.Returning, t}, {pool.Settling, 4 * t}}
	case PinFoundEnding:
		p.out.Store(&wayOut{p.began, []leg{{pool.Returning, PinTime(d)}}})
	}
	return p
}

// End has the pin go. To end it twice changes nothing.
func (p *Pin) End() {
	now, in := time.Now(), p.began.Add(total(p.in))
	out := &wayOut{from: now, legs: []leg{{pool.Retiring, p.length}, {pool.Draining, p.length}, {pool.Retired, p.length}}}
	switch left := in.Sub(now); {
	case left <= 0:
	case p.came:
		out.from = in
	default: // the others may go before it, or after it
		out.legs = []leg{{pool.Returning, left + 4*p.length}}
	}
	p.out.CompareAndSwap(nil, out)
}

// Ends reports whether the pin goes, or has gone.
func (p *Pin) Ends() bool { return p.out.Load() != nil }

// Over reports whether the pin has gone.
func (p *Pin) Over() bool {
	out := p.out.Load()
	return out != nil && time.Since(out.from) >= total(out.legs)
}

// Step returns the step that the pin is at; of one that has gone, Retired.
func (p *Pin) Step() pool.Step {
	out := p.out.Load()
	if out == nil && p.serves.Load() {
		return pool.Serving
	}
	now := time.Now()
	if out != nil && !now.Before(out.from) {
		return stepAt(out.legs, now.Sub(out.from), pool.Retired)
	}
	step := stepAt(p.in, now.Sub(p.began), pool.Serving)
	if step == pool.Serving {
		p.serves.Store(true)
	}
	return step
}

func stepAt(legs []leg, after time.Duration, end pool.Step) pool.Step {
	for _, l := range legs {
		if after < l.time {
			return l.step
		}
		after -= l.time
	}
	return end
}

func total(legs []leg) (sum time.Duration) {
	for _, l := range legs {
		sum += l.time
	}
	return sum
}

// pinnedStep is the step of a node for a key that is pinned there, when the node itself may come and go. Of two ways in the
// one that is behind counts, of two ways out the one that is ahead. Where one goes in and the other out, nobody stores the
// key, which is safe beside everything.
func pinnedStep(node, pin pool.Step) pool.Step {
	switch {
	case node == pool.Serving, node == pool.Unmet:
		return pin
	case pin == pool.Serving:
		return node
	case comes(pin) && comes(node):
		return min(pin, node)
	case !comes(pin) && !comes(node):
		return max(pin, node)
	case pin == pool.Retired:
		return pin
	case comes(pin) && node == pool.Retiring && pin != pool.Returning:
		return pin
	}
	return pool.Returning
}

func comes(s pool.Step) bool { return s >= pool.Returning && s <= pool.Settling }
