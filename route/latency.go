package route

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// LatencyOptions say where time is added. The zero value adds none.
type LatencyOptions struct {
	Before time.Duration // before ops are sent
	After  time.Duration // after they are answered
	Total  time.Duration // wait after the answer until the whole took so long
}

// ErrLatency means that a time to be added is negative.
var ErrLatency = errors.New("memcache: negative latency")

// latency adds time to what its child does.
type latency struct {
	child   Route
	options LatencyOptions
}

// Latency has child serve ops and makes that take longer, for tests of what is above it; ByOperation or ByPrefix say for
// which ops. If the context ends before ops are sent, they fail with its error; if it ends after they are answered, the
// answers stand. Errors are ErrLatency and, without child, ErrNoPart.
func Latency(child Route, o LatencyOptions) (Route, error) {
	switch {
	case child == nil:
		return nil, ErrNoPart
	case o.Before < 0 || o.After < 0 || o.Total < 0:
		return nil, ErrLatency
	}
	return &latency{child, o}, nil
}

func (l *latency) Do(ctx context.Context, ops []*Op) {
	start := time.Now()
	if err := pause(ctx, l.options.Before); err != nil {
		for _, op := range ops {
			refuse(op, err)
		}
		return
	}
	doEach(ctx, ops, func(*Op) Route { return l.child })
	left := l.options.Total - time.Since(start)
	_ = pause(ctx, max(l.options.After, left)) // the answers stand
}

// pause returns after d, or with the context's error when that ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *latency) Explain(op *Op) Step {
	o := l.options
	why := fmt.Sprintf("%v before, %v after, at least %v", o.Before, o.After, o.Total)
	return Step{Route: "latency", Why: why, Next: []Step{Explain(l.child, op)}}
}
