package rulestore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// Config says what to follow. Only Store is required.
type Config struct {
	Store Store

	// Nodes are the names of the nodes that there are; see Follower.SetNodes. Until they are known, rules with nodes
	// wait.
	Nodes []string
	// Timeout bounds one look at the store; default 2 s.
	Timeout time.Duration
	// OnEvent is told when a table is refused or names a node that is not there, or the store fails, once for each reason in a
	// row, and when all is well again. It is called by Run and should return soon. Default: nobody is told.
	OnEvent func(Event)
}

const defaultTimeout = 2 * time.Second

// Follower turns a Store into a stream of tables that can be used as they are. Safe for concurrent use.
type Follower struct {
	cfg     Config
	hurry   chan struct{} // the store has changed
	renewed chan struct{} // the nodes have changed

	mu      sync.Mutex // guards what follows
	nodes   map[string]bool
	view    string
	inForce *hotkey.Table
	awaited bool          // of the nodes that inForce names, some have not been there yet, as far as is known
	applied *hotkey.Table // what is left of inForce here and now
	settled bool          // the store had answered when applied was handed on
	state   state
}

// NewFollower checks cfg and returns a Follower that does nothing until Run. The error is ErrBadConfig.
func NewFollower(cfg Config) (*Follower, error) {
	switch {
	case cfg.Store == nil:
		return nil, fmt.Errorf("%w: no store", ErrBadConfig)
	case cfg.Store.Interval() <= 0:
		return nil, fmt.Errorf("%w: the store's interval is not positive", ErrBadConfig)
	case cfg.Timeout < 0:
		return nil, fmt.Errorf("%w: negative timeout", ErrBadConfig)
	case cfg.Timeout == 0:
		cfg.Timeout = defaultTimeout
	}
	f := &Follower{cfg: cfg, hurry: make(chan struct{}, 1), renewed: make(chan struct{}, 1)}
	f.know(cfg.Nodes)
	return f, nil
}

// SetNodes says which nodes there are now. Rules that were left out because of their nodes may come back.
func (f *Follower) SetNodes(names []string) {
	f.know(names)
	poke(f.renewed)
	if f.Status().LastGood.IsZero() {
		poke(f.hurry) // the store may be on these nodes
	}
}

func (f *Follower) know(names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes, f.view = nil, ""
	if len(names) == 0 {
		return
	}
	f.view, f.nodes = View(names), make(map[string]bool, len(names))
	for _, n := range names {
		f.nodes[n] = true
	}
}

// poke leaves a message for who reads c, unless there is one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run follows the store until ctx ends, whose error it returns. It calls apply, one call after the other, with each table
// as it applies here and now: after the store has answered for the first time, a new one was taken, something in it expired, or
// the nodes changed. nil means no rules. Run ends the goroutines that it starts. Call it once.
func (f *Follower) Run(ctx context.Context, apply func(*hotkey.Table)) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	found := make(chan answer)
	wg.Go(func() { f.poll(ctx, found) })
	if n, ok := f.cfg.Store.(Notifier); ok {
		wg.Go(func() { f.listen(ctx, n) })
	}
	expiry := time.NewTimer(time.Hour)
	defer expiry.Stop()
	for {
		expiry.Reset(f.nextExpiry(time.Now()))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-found:
			f.take(a, apply)
		case <-f.renewed:
			f.refresh(apply)
		case <-expiry.C:
			f.refresh(apply)
		}
	}
}

// answer is what a look at the store brought.
type answer struct {
	table *hotkey.Table
	err   error
}

// poll looks at the store at its interval, with a fifth of it up or down by chance, so that a fleet that starts together
// does not ask together; and at once when the store says that it has changed.
func (f *Follower) poll(ctx context.Context, found chan<- answer) {
	for {
		a := f.load(ctx)
		select {
		case found <- a:
		case <-ctx.Done():
			return
		}
		interval := f.cfg.Store.Interval()
		f.pause(ctx, interval-interval/5+rand.N(2*interval/5+1))
	}
}

func (f *Follower) load(ctx context.Context) (a answer) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	a.table, a.err = f.cfg.Store.Load(ctx)
	return a
}

// pause waits for d, for a change of the store, or for the end.
func (f *Follower) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.hurry:
	case <-ctx.Done():
	}
}

// listen has the store tell of changes, again an interval after the connection was lost.
func (f *Follower) listen(ctx context.Context, n Notifier) {
	for ctx.Err() == nil {
		n.Notify(ctx, func() { poke(f.hurry) }) // its failure costs time only; Load's are told
		sleep(ctx, n.Interval())
	}
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// take judges what a look at the store brought, and hands on what is new.
func (f *Follower) take(a answer, apply func(*hotkey.Table)) {
	f.mu.Lock()
	changed, err := f.judge(a)
	event := f.state.note(time.Now(), err)
	isFirst := err == nil && f.state.looks-f.state.failed == 1
	f.mu.Unlock()
	if changed || isFirst {
		f.refresh(apply)
	}
	if event != nil && f.cfg.OnEvent != nil {
		f.cfg.OnEvent(*event)
	}
}

// refresh hands on what is left of the table in force here and now.
func (f *Follower) refresh(apply func(*hotkey.Table)) {
	f.mu.Lock()
	_ = f.missing() // the next look at the store tells
	f.applied = f.current(time.Now())
	f.settled = f.inForce != nil || !f.state.lastGood.IsZero()
	f.state.changes++
	applied := f.applied
	f.mu.Unlock()
	apply(applied)
}

// hasLost reports whether the last look has found no table, or an older one, in the store than that in force.
func (f *Follower) hasLost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inForce != nil && f.state.failures > 0 && (errors.Is(f.state.lastErr, ErrNoTable) || errors.Is(f.state.lastErr, ErrOlder))
}

// InForce returns the table in force as the store has it, whatever nodes there are, but without what has expired; nil if
// there is none. Pins are taken from it: that a node comes or goes is no reason for them to.
func (f *Follower) InForce() *hotkey.Table { return f.tableInForce().At(time.Now()) }

func (f *Follower) tableInForce() *hotkey.Table {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inForce
}

// nodeNames returns the nodes that there are, in no order.
func (f *Follower) nodeNames() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.nodes))
}

// Table returns the table that was handed on last; nil if there are no rules.
func (f *Follower) Table() *hotkey.Table {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied
}

// nextExpiry returns how long what was handed on last stays as it is; 0 if something in it has expired since.
func (f *Follower) nextExpiry(now time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := time.Hour
	until := func(end time.Time) {
		if !end.IsZero() {
			left = min(left, max(0, end.Sub(now)))
		}
	}
	until(f.applied.Header().Expires)
	for r := range f.applied.Rules() {
		until(r.Expires)
	}
	return left
}
