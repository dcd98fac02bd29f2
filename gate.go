package memcache

import (
	"context"
	"sync/atomic"
)

// gate counts the operations that are under way, so that Shutdown can wait for them. It is entered before the view is
// loaded: an operation that still found the old view is counted when Shutdown looks.
//
// Each request enters by a door of its own, so that processors do not share a counter: it stays with one processor most of
// the time, as everything in a sync.Pool does.
type gate struct {
	doors   [doors]door
	waiting atomic.Bool
	left    chan struct{} // somebody has left by a door that is empty now
}

// door is the width of a cache line.
type door struct {
	inside atomic.Int64
	_      [56]byte
}

const doors = 32

var nextDoor atomic.Uint32

// newDoor returns the door for a new request.
func newDoor() int { return int(nextDoor.Add(1) % doors) }

func (g *gate) enter(door int) { g.doors[door].inside.Add(1) }

func (g *gate) leave(door int) {
	if g.doors[door].inside.Add(-1) == 0 && g.waiting.Load() {
		g.tell()
	}
}

func (g *gate) tell() {
	select {
	case g.left <- struct{}{}:
	default:
	}
}

// wait returns when all who have entered have left, or with ctx's error.
func (g *gate) wait(ctx context.Context) error {
	g.waiting.Store(true)
	defer g.tell() // there may be another who waits
	for !g.isEmpty() {
		select {
		case <-g.left:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// isEmpty reports whether nobody who entered before it was called is inside.
func (g *gate) isEmpty() bool {
	for i := range g.doors {
		if g.doors[i].inside.Load() != 0 {
			return false
		}
	}
	return true
}
