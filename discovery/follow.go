package discovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Config says what to follow, and how. Only Source is required.
type Config struct {
	Source Source

	// Timeout bounds one look-up; default 6 s, so that a resolver whose first server is dead (resolv.conf waits 5 s for
	// it) still gets to ask the second. A Watcher's watch is not bounded.
	Timeout time.Duration
	// MaxBackoff bounds the pause between look-ups while they fail; default 10 s. It is never under the source's
	// interval.
	MaxBackoff time.Duration
	// MaxNodes is the longest list accepted; default 4096.
	MaxNodes int
	// OnEvent is told of every failed look-up, and of the first good one after that. It runs between look-ups and should
	// return soon. Default: nobody is told.
	OnEvent func(Event)
}

const (
	defaultTimeout    = 6 * time.Second
	defaultMaxBackoff = 10 * time.Second
	defaultMaxNodes   = 4096
)

// Follower turns a Source into a stream of lists that can be used as they are: validated, sorted by name, without
// repetitions. An error, an empty answer or an invalid list leaves the last good one in force. Safe for concurrent use.
type Follower struct {
	cfg Config

	mu    sync.Mutex
	nodes []Node // the last good list, never changed in place
	state state
}

// NewFollower checks cfg and returns a Follower that does nothing until Run. The error is ErrBadConfig.
func NewFollower(cfg Config) (*Follower, error) {
	if cfg.Source == nil {
		return nil, fmt.Errorf("%w: no source", ErrBadConfig)
	}
	if cfg.Timeout < 0 || cfg.MaxBackoff < 0 || cfg.MaxNodes < 0 {
		return nil, fmt.Errorf("%w: negative bound", ErrBadConfig)
	}
	setDefault(&cfg.Timeout, defaultTimeout)
	setDefault(&cfg.MaxBackoff, defaultMaxBackoff)
	setDefault(&cfg.MaxNodes, defaultMaxNodes)
	return &Follower{cfg: cfg}, nil
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

// Run follows the source until ctx ends, whose error it returns. It calls apply with every new list, the first included,
// one call after the other; the list belongs to apply. It starts no goroutine. Call it once.
func (f *Follower) Run(ctx context.Context, apply func([]Node)) error {
	step := f.poll
	if w, ok := f.cfg.Source.(Watcher); ok {
		step = func(ctx context.Context, apply func([]Node)) error { return f.watch(ctx, w, apply) }
	}
	p := pace{interval: intervalOf(f.cfg.Source), most: f.cfg.MaxBackoff}
	for {
		err := step(ctx, apply)
		if ctx.Err() != nil || !sleep(ctx, p.next(err)) {
			return ctx.Err()
		}
	}
}

// Nodes returns the last good list; empty before the first.
func (f *Follower) Nodes() []Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.nodes)
}

// poll makes one look-up. Its error is what the pause before the next depends on.
func (f *Follower) poll(ctx context.Context, apply func([]Node)) error {
	limited, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	nodes, err := f.cfg.Source.Nodes(limited)
	if ctx.Err() != nil {
		return ctx.Err() // the error, if any, is our own doing
	}
	if err != nil {
		nodes = nil
	}
	f.take(nodes, err, apply)
	return err
}

// watch runs one watch to its end. Its error is nil if the watch brought a good list.
func (f *Follower) watch(ctx context.Context, w Watcher, apply func([]Node)) error {
	answered := false
	err := watchWithin(ctx, w, f.cfg, func(nodes []Node, err error) {
		if ctx.Err() == nil {
			answered = f.take(nodes, err, apply) || answered
		}
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		err = ErrWatchEnded
	}
	f.take(nil, err, apply)
	if answered {
		return nil
	}
	return err
}

// take judges one answer, keeps and hands on what is new, and tells of trouble. It reports whether the list is good.
func (f *Follower) take(nodes []Node, err error, apply func([]Node)) bool {
	list, err := f.judge(nodes, err)
	changed, event := f.keep(list, err)
	if changed {
		apply(slices.Clone(list))
	}
	if event != nil && f.cfg.OnEvent != nil {
		f.cfg.OnEvent(*event)
	}
	return len(list) > 0
}

// judge returns the list in its valid form, or none and why not. Beside an error of the source a good list stays usable.
func (f *Follower) judge(nodes []Node, err error) ([]Node, error) {
	if len(nodes) == 0 {
		if err == nil {
			err = ErrNoNodes
		}
		return nil, err
	}
	list, invalid := Validate(nodes, f.cfg.MaxNodes)
	if invalid != nil {
		return nil, errors.Join(err, invalid)
	}
	return list, err
}

// keep makes list the last good one and notes what happened. The event is nil if nobody needs to be told.
func (f *Follower) keep(list []Node, err error) (changed bool, event *Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(list) > 0 {
		changed = !equalLists(f.nodes, list)
		f.nodes = list
	}
	event = f.state.note(time.Now(), err)
	if event != nil {
		event.Nodes = len(f.nodes)
	}
	if changed {
		f.state.changes++
	}
	return changed, event
}
