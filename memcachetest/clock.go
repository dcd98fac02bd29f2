package memcachetest

import (
	"sync"
	"time"
)

// Times of memcached (memcached.c, realtime): whole seconds since processStart,
// which lies 62 seconds before the real start, so that no moment is 0.
const (
	secondsBeforeStart = 62
	maxRelativeExptime = 60 * 60 * 24 * 30 // larger numbers are Unix times
	alreadyExpired     = 1                 // a moment before every start
)

// clock counts the whole seconds of one process. Like memcached's it is a
// cached number that a timer advances once a second: while the process is
// stopped it stands still, and after that until the next tick. It is safe for
// concurrent use.
type clock struct {
	start time.Time

	mu     sync.Mutex
	frozen uint32    // the time while stopped or until thaw
	thaw   time.Time // when frozen ends; zero while stopped
	held   bool      // whether frozen applies at all
}

func newClock() *clock { return &clock{start: time.Now()} }

// now returns the current moment in seconds.
func (k *clock) now() uint32 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.held && (k.thaw.IsZero() || time.Now().Before(k.thaw)) {
		return k.frozen
	}
	k.held = false
	return k.running()
}

func (k *clock) running() uint32 {
	return uint32(time.Since(k.start)/time.Second) + secondsBeforeStart
}

// stop freezes the clock.
func (k *clock) stop() {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.frozen, k.thaw, k.held = now, time.Time{}, true
}

// resume lets the clock catch up at its next tick.
func (k *clock) resume() {
	k.mu.Lock()
	defer k.mu.Unlock()
	ticks := time.Since(k.start)/time.Second + 1
	k.thaw = k.start.Add(ticks * time.Second)
}

// moment turns an exptime of the protocol into a moment: 0 stays 0 (never),
// a negative one is in the past, up to 30 days count from now, and more is
// Unix time. As in memcached the result wraps at 32 bits.
func (k *clock) moment(exptime int32) uint32 {
	switch {
	case exptime == 0:
		return 0
	case exptime < 0:
		return alreadyExpired
	case exptime <= maxRelativeExptime:
		return uint32(exptime) + k.now()
	}
	processStart := k.start.Unix() - secondsBeforeStart
	if int64(exptime) <= processStart {
		return alreadyExpired
	}
	return uint32(int64(exptime) - processStart)
}

// unix turns a moment back into Unix time.
func (k *clock) unix(moment uint32) int64 {
	return k.start.Unix() - secondsBeforeStart + int64(moment)
}
