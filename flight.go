package memcache

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
)

// job is a load as one caller would have it done.
type job struct {
	*absent
	ctx  context.Context // of the caller
	load loadFunc
}

// loads are the loads that are under way in this process, one for each key. Callers share them as with x/sync's
// singleflight, with two differences: a load ends when nobody waits for it any more, and nobody gets a result that may be
// older than a write which was acknowledged before they called.
type loads struct {
	ctx    context.Context // ends with Close
	behind func(func()) bool
	count  loadCounters
	active atomic.Int64 // flights; spares writes the lock

	mu      sync.Mutex // guards what follows, and the fields of flights that say so
	flights map[string]*flight
	closed  bool
	wg      sync.WaitGroup
}

// flight is one load and those who wait for it.
//
// It goes in steps: each look at the cache is one, the load is one, and storing is one. A result is as old as the step that
// it comes from, so a caller that joined during that step, or after it, may have called after a write that the result does
// not know of. Such a caller goes on with the next flight. A value that could be stored is as old as the storing: the
// lease was there until then, so nobody had written the key since it was given. (Later, somebody may have: the home has
// stored, another process deletes the key, a caller misses it, and the flight still clears the other replicas.)
type flight struct {
	job    *job
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   chan struct{}

	// Written before done is closed.
	item   *Item
	err    error
	oldest int // the result is for callers that joined before this step

	// Under loads.mu.
	step      int
	won       CAS // what a caller's own read had the lease for, if any
	waiting   int
	detached  bool    // goes on if nobody waits
	abandoned bool    // ends because nobody waits
	next      *flight // for those who joined too late
}

const forAll = math.MaxInt // of an error: it is for all who wait, however late they joined

// do has j's key loaded and waits for the result.
func (l *loads) do(j *job) (*Item, error) {
	f, step, err := l.join(j)
	for err == nil {
		if err = l.await(j.ctx, f); err != nil {
			break
		}
		if step < f.oldest {
			return f.result()
		}
		step = 0
		f, err = l.follow(f, j)
	}
	return nil, err
}

// join enters the flight of j's key, a new one if there is none, and returns at which step.
func (l *loads) join(j *job) (*flight, int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.flights[j.key]; f != nil {
		l.count.shared.Add(1)
		f.waiting++
		f.noteWon(j)
		return f, f.step, nil
	}
	f, err := l.startLocked(j)
	return f, 0, err
}

// follow enters the flight after f. It began after f had left the map, and so after everybody who waited for f had called:
// they may have its result whenever they join.
func (l *loads) follow(f *flight, j *job) (*flight, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.next == nil || f.next.abandoned {
		f.next = l.flights[j.key]
	}
	if f.next != nil {
		f.next.waiting++
		return f.next, nil
	}
	next, err := l.startLocked(j)
	f.next = next
	return next, err
}

// startLocked starts a flight with one who waits.
func (l *loads) startLocked(j *job) (*flight, error) {
	if l.closed {
		return nil, ErrClosed
	}
	f := l.registerLocked(j)
	f.waiting = 1
	l.wg.Go(func() { l.fly(f) })
	return f, nil
}

// startBehind starts a flight that nobody waits for, unless there is one, and reports whether the key is being loaded.
func (l *loads) startBehind(j *job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.flights[j.key]; f != nil {
		f.noteWon(j)
		return true
	}
	if l.closed {
		return false
	}
	f := l.registerLocked(j)
	f.detached = true
	if !l.behind(func() { l.fly(f) }) {
		l.removeLocked(f)
		f.cancel(nil)
		return false
	}
	return true
}

func (l *loads) registerLocked(j *job) *flight {
	f := &flight{job: j, won: j.won, done: make(chan struct{})}
	f.ctx, f.cancel = context.WithCancelCause(context.WithoutCancel(j.ctx))
	if l.flights == nil {
		l.flights = make(map[string]*flight)
	}
	l.flights[j.key] = f
	l.active.Store(int64(len(l.flights)))
	return f
}

// removeLocked has nobody join f any more.
func (l *loads) removeLocked(f *flight) {
	if l.flights[f.job.key] == f {
		delete(l.flights, f.job.key)
		l.active.Store(int64(len(l.flights)))
	}
}

// await waits for f. A caller that leaves is counted out, and the last one ends the flight.
func (l *loads) await(ctx context.Context, f *flight) error {
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		l.leave(f)
		return ctx.Err()
	case <-l.ctx.Done():
		return ErrClosed
	}
}

func (l *loads) leave(f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f.waiting--; f.waiting > 0 || f.detached {
		return
	}
	f.abandoned = true
	l.removeLocked(f)
	f.cancel(context.Canceled)
}

// forget has nobody join the flight of a key any more, because the key was written: what is being loaded may be older.
// The writer calls it when the write is done and before it returns.
func (l *loads) forget(key string) {
	if l.active.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if f := l.flights[key]; f != nil {
		l.removeLocked(f)
	}
}

// forgetAll is forget of every key.
func (l *loads) forgetAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.flights)
	l.active.Store(0)
}

// close refuses what is new, so that wait returns when what is under way has ended.
func (l *loads) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

// advance begins the next step of f.
func (l *loads) advance(f *flight) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.step++
	return f.step
}

// noteWon keeps the lease that a caller which joins has got by its first read.
func (f *flight) noteWon(j *job) {
	if !j.won.IsZero() {
		f.won = j.won
	}
}

// owns reports whether a lease that is taken is that of a caller of f. A node gives a lease once; if a caller's first read
// had it from the home, it is ours, and if it was from another replica, its CAS says so.
func (l *loads) owns(f *flight, lease lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return lease.busy && !f.won.IsZero() && f.won == lease.cas
}

// result returns what the flight came to, as one caller's own.
func (f *flight) result() (*Item, error) {
	if p, ok := f.err.(*panicError); ok {
		panic(p)
	}
	if f.err != nil {
		return nil, f.err
	}
	own := *f.item
	own.TTL = 0 // as in every item that was read
	own.Value = append(make([]byte, 0, len(own.Value)), own.Value...)
	return &own, nil
}
