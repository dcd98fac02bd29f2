package rulestore

import (
	"time"

	"github.com/nohop/memcache/hotkey"
)

// Event is trouble with a store or its table, or the end of it.
type Event struct {
	Err      error         // nil: all is well again
	Failures int           // looks at the store that failed in a row, this one included; of a recovery, those before it
	Age      time.Duration // since the last look that went well, or since the first if none did
}

// Status is a snapshot of a Follower.
type Status struct {
	Header   hotkey.Header // of the table in force; its epoch stands also when all of it has expired
	Rules    int           // that apply here and now
	Changes  uint64        // tables handed on
	Looks    uint64        // at the store
	Failed   uint64        // of these: the store failed, or its table was refused or names a node that is not there
	Failures int           // in a row; 0: all is well
	LastGood time.Time     // zero: none yet
	LastErr  error         // of the last look that failed, also when good ones have followed; nil: none yet
	LastBad  time.Time     // of LastErr
	Settled  bool          // the store had answered when a table, or none, was handed on last
	// Age is how long the table has gone unconfirmed: 0 while all is well, else the time since the last look that went well,
	// or since the first if none did.
	Age time.Duration
}

// state is the part of a Status that looks at the store change.
type state struct {
	started           time.Time
	lastGood, lastBad time.Time
	lastErr           error
	looks, failed     uint64
	changes           uint64
	failures          int
}

// note counts one look and returns the event it makes, if any.
func (s *state) note(now time.Time, err error) *Event {
	if s.started.IsZero() {
		s.started = now
	}
	s.looks++
	if err == nil {
		return s.noteGood(now)
	}
	again := s.failures > 0 && s.lastErr.Error() == err.Error()
	s.failed++
	s.failures++
	s.lastErr, s.lastBad = err, now
	if again {
		return nil
	}
	return &Event{Err: err, Failures: s.failures, Age: s.age(now)}
}

func (s *state) noteGood(now time.Time) *Event {
	var event *Event
	if s.failures > 0 {
		event = &Event{Failures: s.failures, Age: s.age(now)}
	}
	s.failures, s.lastGood = 0, now
	return event
}

func (s *state) age(now time.Time) time.Duration {
	switch {
	case s.failures == 0:
		return 0
	case s.lastGood.IsZero():
		return now.Sub(s.started)
	default:
		return now.Sub(s.lastGood)
	}
}

// Status returns a snapshot.
func (f *Follower) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.state
	return Status{
		Header: f.inForce.Header(), Rules: f.applied.Len(), Changes: s.changes,
		Settled: f.settled,
		Looks:   s.looks, Failed: s.failed, Failures: s.failures,
		LastGood: s.lastGood, LastErr: s.lastErr, LastBad: s.lastBad, Age: s.age(time.Now()),
	}
}
