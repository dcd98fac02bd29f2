package memcache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"
)

// LoadStats counts what GetOrLoad and Load did besides returning what was there. Each of Loads, once it has ended, is one
// of Errors, Stored, Void and Unstored.
type LoadStats struct {
	Loads    uint64 // calls of a load function
	Errors   uint64 // that failed or panicked
	Stored   uint64 // whose value was stored
	Void     uint64 // whose value was not stored because the key was written, flushed or expired meanwhile
	Unstored uint64 // whose value was not stored for want of a lease, or its node did not answer or refused it, or it had expired
	Waited   uint64 // times that another process's load was waited for
	Shared   uint64 // callers that joined a load of this process
}

type loadCounters struct {
	loads, errors, stored, void, unstored, waited, shared atomic.Uint64
}

func (c *loadCounters) stats() LoadStats {
	return LoadStats{Loads: c.loads.Load(), Errors: c.errors.Load(), Stored: c.stored.Load(), Void: c.void.Load(),
		Unstored: c.unstored.Load(), Waited: c.waited.Load(), Shared: c.shared.Load()}
}

// fly does a flight, from its first step to its result.
func (l *loads) fly(f *flight) {
	defer f.cancel(nil)
	defer context.AfterFunc(l.ctx, func() { f.cancel(ErrClosed) })()
	if f.item, f.err = l.searchGuarded(f); f.err != nil {
		f.oldest = forAll
	}
	l.mu.Lock()
	l.removeLocked(f)
	behind := f.detached && f.waiting == 0
	l.mu.Unlock()
	close(f.done)
	if behind && f.err != nil && l.ctx.Err() == nil {
		f.job.client.cfg.log.Error("memcache: load in the background", "error", f.err)
	}
}

// searchGuarded is search; what panics in it, a Compressor for one, panics in the callers, as it would if they did it.
func (l *loads) searchGuarded(f *flight) (item *Item, err error) {
	defer func() {
		if value := recover(); value != nil {
			item, err = nil, &panicError{value, debug.Stack()}
		}
	}()
	return l.search(f)
}

// search looks for the value at the key's home, and loads it if that is this flight's to do: if it gets the lease, if the
// wait for another process was in vain, or if there is no lease to be had.
func (l *loads) search(f *flight) (*Item, error) {
	pause := pauses{left: f.job.opts.wait}
	for waited := false; ; waited = true {
		f.oldest = l.advance(f)
		item, lease, err := f.job.takeLease(f.ctx)
		switch {
		case err != nil && !isCacheFault(err):
			return nil, err
		case err != nil:
			return l.loadUnleased(f)
		case lease.won || l.owns(f, lease):
			return l.loadLeased(f, item, lease)
		case item != nil:
			return item, nil
		case !lease.busy: // WithoutLeases, or the node has no memory for a stub
			return l.loadUnleased(f)
		}
		if !waited {
			l.count.waited.Add(1)
		}
		if !pause.wait(f.ctx) {
			return l.stopWaiting(f)
		}
	}
}

// stopWaiting is for a key that another process has been loading for too long.
func (l *loads) stopWaiting(f *flight) (*Item, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	if f.job.opts.failBusy {
		return nil, ErrBusy
	}
	return l.loadUnleased(f)
}

// loadLeased loads and stores under a lease. If it could be stored, the result is as old as the step of storing: see flight.
func (l *loads) loadLeased(f *flight, old *Item, lease lease) (*Item, error) {
	ctx := context.WithoutCancel(f.ctx) // what is left to do at the node has its own timeout
	item, err := l.load(f)
	if err != nil {
		f.job.release(ctx, old, lease)
		return nil, err
	}
	storing := l.advance(f)
	err = f.job.store(ctx, item, lease)
	l.countFill(err)
	switch {
	case err == nil:
		f.oldest = storing
	case !errors.Is(err, errVoid):
		f.job.release(ctx, old, lease)
	}
	return item, badItem(item, err)
}

// loadUnleased loads without a lease.
func (l *loads) loadUnleased(f *flight) (*Item, error) {
	item, err := l.load(f)
	if err != nil {
		return nil, err
	}
	if !f.job.opts.noLeases || !l.isCurrent(f) {
		l.count.unstored.Add(1)
		return item, nil
	}
	err = f.job.add(context.WithoutCancel(f.ctx), item)
	l.countFill(err)
	return item, badItem(item, err)
}

func (l *loads) countFill(err error) {
	switch {
	case err == nil:
		l.count.stored.Add(1)
	case errors.Is(err, errVoid):
		l.count.void.Add(1)
	default:
		l.count.unstored.Add(1)
	}
}

// badItem keeps, of the errors of storing, those that the application has to mend. All others only mean that the value
// is not in the cache; a negative TTL means that the value has just expired.
func badItem(item *Item, err error) error {
	if errors.Is(err, ErrInvalidTTL) && item.TTL > 0 || errors.Is(err, ErrReservedFlags) {
		return err
	}
	return nil
}

// isCurrent reports whether callers can still join f: neither was its key written, nor has everybody left.
func (l *loads) isCurrent(f *flight) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flights[f.job.key] == f
}

// load calls the load function, as a step of its own.
func (l *loads) load(f *flight) (*Item, error) {
	f.oldest = l.advance(f)
	l.count.loads.Add(1)
	item, err := call(f.ctx, f.job.load)
	if err == nil && item == nil {
		err = errNoItem
	}
	if err != nil {
		l.count.errors.Add(1)
		return nil, err
	}
	return &Item{Key: f.job.key, Value: item.Value, Flags: item.Flags, TTL: item.TTL}, nil
}

// call calls load and makes an error of a panic and of runtime.Goexit, so that those who wait learn of them. Goexit cannot
// be stopped, so load has a goroutine of its own.
func call(ctx context.Context, load loadFunc) (item *Item, err error) {
	err = errGoexit
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		defer func() {
			if value := recover(); value != nil {
				err = &panicError{value, debug.Stack()}
			}
		}()
		item, err = load(ctx)
	}()
	<-returned
	return item, err
}

var errGoexit = errors.New("memcache: load ended its goroutine")

// panicError is the panic of a load, with which its callers panic.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string {
	return fmt.Sprintf("memcache: load panicked: %v\n\n%s", p.value, p.stack)
}

// Unwrap returns the error that load panicked with, if it was one.
func (p *panicError) Unwrap() error {
	err, _ := p.value.(error)
	return err
}
