package hotkey

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

// EventKind says what happened.
type EventKind uint8

// The kinds.
const (
	HotStart EventKind = iota + 1 // Key takes a share, or bytes, above the threshold
	HotEnd                        // Key has been below a quarter of it for 30 s
	Missed                        // Missed, a key or a family of keys, is read and not there
	WriteHot                      // Key is too hot for its node, and written so often that copies do not help
	Advice                        // nothing is done about Key, and Decision says what would help
)

var eventNames = [...]string{HotStart: "hot-start", HotEnd: "hot-end", Missed: "missed", WriteHot: "write-hot", Advice: "advice"}

func (k EventKind) String() string {
	if k < HotStart || int(k) >= len(eventNames) {
		return "unknown"
	}
	return eventNames[k]
}

// Event is something that happened. Events are values; whoever gets one owns it.
type Event struct {
	Kind     EventKind
	Time     time.Time // of the tick
	Key      Key       // of all kinds but Missed
	Missed   MissedKey // of Missed
	Decision Decision  // of WriteHot and Advice
	Dropped  uint64    // events that this loop has lost just before this one, because it was too slow
}

// eventBuffer is how many events wait for a slow loop.
const eventBuffer = 256

// stream gives events to loops that come and go. It never waits for them.
type stream struct {
	mu      sync.Mutex // guards what follows
	subs    map[*subscription]struct{}
	closed  bool
	dropped atomic.Uint64
}

type subscription struct {
	events chan Event
	lost   uint64 // since the last event that had room; under stream.mu
}

// Events yields what happens from the moment the loop begins until it is left, ctx ends, or the detector is closed:
//
//	for event := range detector.Events(ctx) { … }
//
// A loop that falls 256 events behind loses the newer ones; the next it gets says how many. Several loops may run at a
// time, each gets all events.
func (d *Detector) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		sub := d.stream.subscribe()
		defer d.stream.unsubscribe(sub)
		for {
			select {
			case <-ctx.Done():
				return
			case event, open := <-sub.events:
				if !open || !yield(event) {
					return
				}
			}
		}
	}
}

func (s *stream) subscribe() *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := &subscription{events: make(chan Event, eventBuffer)}
	if s.closed {
		close(sub.events)
		return sub
	}
	if s.subs == nil {
		s.subs = make(map[*subscription]struct{})
	}
	s.subs[sub] = struct{}{}
	return sub
}

func (s *stream) unsubscribe(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, sub)
}

func (s *stream) publish(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subs {
		e.Dropped = sub.lost
		select {
		case sub.events <- e:
			sub.lost = 0
		default:
			sub.lost++
			s.dropped.Add(1)
		}
	}
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for sub := range s.subs {
		close(sub.events)
	}
	s.subs = nil
}
