package discovery

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// DefaultInterval is the time between two look-ups of a source that does not say otherwise.
const DefaultInterval = time.Second

// Paced is a Source that wants to be asked at an interval of its own.
type Paced interface {
	Source
	Interval() time.Duration // over 0
}

// Every returns src, to be asked at this interval; 0 or less means src's own. A Watcher is not asked, so it is returned as
// it is: for a Merge give the interval to its parts.
func Every(interval time.Duration, src Source) Source {
	if _, ok := src.(Watcher); ok || interval <= 0 {
		return src
	}
	return paced{src, interval}
}

type paced struct {
	Source
	interval time.Duration
}

func (p paced) Interval() time.Duration { return p.interval }

func intervalOf(src Source) time.Duration {
	if p, ok := src.(Paced); ok && p.Interval() > 0 {
		return p.Interval()
	}
	return DefaultInterval
}

// pace decides how long to wait between look-ups.
type pace struct {
	interval, most time.Duration
	failures       int
}

// next returns the pause after a look-up that ended with err. A source that answers is asked at its interval, with a
// fifth of it up or down by chance, so that many processes that start together do not stay together. One that
// does not answer is asked half as often after each failure, with up to half of the pause left out by chance.
func (p *pace) next(err error) time.Duration {
	if err == nil || errors.Is(err, ErrNoNodes) {
		p.failures = 0
		return between(p.interval-p.interval/5, p.interval+p.interval/5)
	}
	pause := p.interval
	for i := 0; i < p.failures && pause < p.most; i++ {
		pause += min(pause, p.most-pause)
	}
	p.failures++
	return between(pause/2, pause)
}

func between(low, high time.Duration) time.Duration {
	return low + rand.N(high-low+1)
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
