package faultproxy

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// Kind is one fault by its name.
type Kind struct {
	Name    string
	Hostile bool // replies are made wrong, so an acknowledgement may be false: see Rewrite
	random  func(rnd *rand.Rand) Faults
}

// Faults returns the fault with numbers drawn from rnd.
func (k Kind) Faults(rnd *rand.Rand) Faults { return k.random(rnd) }

// Kinds returns all single faults, fit for clients whose timeout is about 100 ms.
func Kinds() []Kind {
	return append(honestKinds(), hostileKinds()...)
}

func honestKinds() []Kind {
	return []Kind{
		{"delay", false, eitherWay(func(rnd *rand.Rand) Link {
			return Link{Delay: upTo(rnd, 60*time.Millisecond), Jitter: upTo(rnd, 60*time.Millisecond)}
		})},
		{"paths", false, eitherWay(func(rnd *rand.Rand) Link { return Link{Spread: upTo(rnd, 150*time.Millisecond)} })},
		{"bandwidth", false, eitherWay(func(rnd *rand.Rand) Link { return Link{BytesPerSecond: 2000 + rnd.IntN(200_000)} })},
		{"chop", false, eitherWay(func(*rand.Rand) Link { return Link{Chunk: 1} })},
		{"drip", false, eitherWay(func(rnd *rand.Rand) Link { return Link{Chunk: 1 + rnd.IntN(20), Drip: upTo(rnd, 5*time.Millisecond)} })},
		{"stall", false, eitherWay(func(*rand.Rand) Link { return Link{Flow: Stall} })},
		{"blackhole", false, eitherWay(func(*rand.Rand) Link { return Link{Flow: Blackhole} })},
		{"fin", false, eitherWay(func(rnd *rand.Rand) Link { return Link{Cut: FIN, CutAt: rnd.IntN(5000)} })},
		{"rst", false, eitherWay(func(rnd *rand.Rand) Link { return Link{Cut: RST, CutAt: rnd.IntN(5000)} })},
		{"refuse", false, func(*rand.Rand) Faults {
			return Faults{Connect: Refuse, ToNode: Link{Cut: RST}}
		}},
		{"silent", false, func(*rand.Rand) Faults {
			return Faults{Connect: Silent, ToNode: Link{Cut: RST}}
		}},
	}
}

func hostileKinds() []Kind {
	rewrite := func(kind RewriteKind) func(*rand.Rand) Faults {
		return func(rnd *rand.Rand) Faults { return Faults{Replies: Rewrite{Kind: kind, Every: 1 + rnd.IntN(100)}} }
	}
	return []Kind{
		{"stray", true, rewrite(StrayLine)},
		{"length", true, rewrite(CorruptLength)},
		{"swap", true, rewrite(SwapReplies)},
		{"duplicate", true, rewrite(DuplicateReply)},
	}
}

// eitherWay puts a link into one direction or both.
func eitherWay(link func(*rand.Rand) Link) func(*rand.Rand) Faults {
	return func(rnd *rand.Rand) Faults {
		l := link(rnd)
		switch rnd.IntN(3) {
		case 0:
			return Faults{ToNode: l}
		case 1:
			return Faults{ToClient: l}
		}
		return Faults{ToNode: l, ToClient: l}
	}
}

func upTo(rnd *rand.Rand, most time.Duration) time.Duration {
	return 1 + time.Duration(rnd.Int64N(int64(most)))
}

// Step is a fault and how long it lasts.
type Step struct {
	Name   string // of the Kind; "good" for none
	Faults Faults
	For    time.Duration
}

// Plan returns a schedule of length total that rnd decides: good times and faults of kinds, each of up to longest.
func Plan(rnd *rand.Rand, kinds []Kind, longest, total time.Duration) []Step {
	var steps []Step
	for left := total; left > 0; {
		s := Step{Name: "good", For: min(left, upTo(rnd, longest))}
		if len(steps)%2 == 1 && len(kinds) > 0 {
			kind := kinds[rnd.IntN(len(kinds))]
			s.Name, s.Faults = kind.Name, kind.Faults(rnd)
		}
		left -= s.For
		steps = append(steps, s)
	}
	return steps
}

// Play sets one step after the other and heals at the end, or when ctx ends. The errors are those of Set, and ctx's.
func (p *Proxy) Play(ctx context.Context, steps []Step) error {
	for _, s := range steps {
		if err := p.Set(s.Faults); err != nil {
			return err
		}
		timer := time.NewTimer(s.For)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(ctx.Err(), p.Heal())
		}
	}
	return p.Heal()
}
