package discovery

import "time"

// Event is a look-up that failed, or the first that did not after one that did.
type Event struct {
	Err      error         // nil: the source answers again
	Failures int           // failed look-ups in a row, this one included; of a recovery, those before it
	Age      time.Duration // since the last good answer, or since the first look-up if there was none
	Nodes    int           // in the list that stays in force
}

// Status is a snapshot of a Follower.
type Status struct {
	Nodes    int       // in the list in force
	Changes  uint64    // lists handed on, the first included
	LookUps  uint64    // answers of the source, good and bad; of a Watcher, all that it has said
	Failed   uint64    // bad ones of these
	Failures int       // bad ones in a row; 0: all is well
	LastGood time.Time // of the last good answer; zero: none yet
	LastErr  error     // of the last bad answer, also when good ones have followed; nil: none yet
	LastBad  time.Time // of LastErr
	// Age is how long the list has gone unconfirmed: 0 while the source is well, else the time since the last good
	// answer, or since the first look-up if there was none.
	Age time.Duration
}

// state is the part of a Status that answers change.
type state struct {
	started           time.Time // of the first answer
	lastGood, lastBad time.Time
	lastErr           error
	lookUps, failed   uint64
	changes           uint64
	failures          int
}

// note counts one answer and returns the event it makes, if any.
func (s *state) note(now time.Time, err error) *Event {
	if s.started.IsZero() {
		s.started = now
	}
	s.lookUps++
	if err == nil {
		return s.noteGood(now)
	}
	s.failed++
	s.failures++
	s.lastErr, s.lastBad = err, now
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
		Nodes: len(f.nodes), Changes: s.changes, LookUps: s.lookUps, Failed: s.failed, Failures: s.failures,
		LastGood: s.lastGood, LastErr: s.lastErr, LastBad: s.lastBad, Age: s.age(time.Now()),
	}
}
