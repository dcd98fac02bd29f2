package hotkey

import (
	"iter"
	"time"
)

// watch is a key under watch. Shares and rates are smoothed over some 8 ticks.
type watch struct {
	hash               uint64
	act, report        latch
	since              time.Time // reported as hot
	saidWriteHot       bool
	saidAdvice         bool
	known              bool   // the smoothed values hold something
	eyes               eyeSet // that have seen it since it is watched
	seen               int32
	share              float64
	ops, bytes, writes float32 // per second
	size               float32
}

// learn moves the smoothed values towards what the trailing second says.
func (w *watch) learn(k *Key) {
	part := float32(1.0 / 8)
	if !w.known {
		w.known, part = true, 1
	}
	w.seen = int32(k.Sampled)
	w.eyes |= k.eyes
	w.share += float64(part) * (k.Share - w.share)
	w.ops += part * (float32(k.OpsPerSecond) - w.ops)
	w.bytes += part * (float32(k.BytesPerSecond) - w.bytes)
	w.writes += part * (float32(k.OpsPerSecond*k.WriteShare) - w.writes)
	switch {
	case w.size == 0:
		w.size = float32(k.ItemSize)
	case k.Sampled > 0:
		w.size += part * (float32(k.ItemSize) - w.size)
	}
}

// key returns the smoothed values, without the name.
func (w *watch) key() Key {
	return Key{
		Hash:           w.hash,
		Share:          w.share,
		OpsPerSecond:   float64(w.ops),
		BytesPerSecond: float64(w.bytes),
		WriteShare:     min(1, ratio(float64(w.writes), float64(w.ops))),
		ItemSize:       int(w.size),
		Sampled:        int(w.seen),
		Since:          w.since,
	}
}

// watchlist is the keys under watch, in a fixed number of places.
type watchlist struct {
	index   index
	watches []watch
	taken   []bool
	free    []uint16
}

func newWatchlist() *watchlist {
	l := &watchlist{index: newIndex(maxWatched), watches: make([]watch, maxWatched), taken: make([]bool, maxWatched)}
	for i := range maxWatched {
		l.free = append(l.free, uint16(maxWatched-1-i))
	}
	return l
}

func (l *watchlist) full() bool { return len(l.free) == 0 }

func (l *watchlist) find(hash uint64) *watch {
	place := l.index.find(hash)
	if place < 0 {
		return nil
	}
	return &l.watches[place]
}

func (l *watchlist) insert(hash uint64) *watch {
	place := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	l.watches[place] = watch{hash: hash}
	l.taken[place] = true
	l.index.insert(hash, int(place))
	return &l.watches[place]
}

func (l *watchlist) remove(w *watch) {
	place := l.index.find(w.hash)
	l.index.remove(place)
	l.taken[place] = false
	l.free = append(l.free, uint16(place))
}

// all yields the watches; the one yielded may be removed.
func (l *watchlist) all() iter.Seq[*watch] {
	return func(yield func(*watch) bool) {
		for place := range l.watches {
			if l.taken[place] && !yield(&l.watches[place]) {
				return
			}
		}
	}
}

// coolest returns the watch with the least share among those not reported, nil if there is none.
func (l *watchlist) coolest() (coolest *watch) {
	for w := range l.all() {
		if !w.report.on && (coolest == nil || w.share < coolest.share) {
			coolest = w
		}
	}
	return coolest
}

func (l *watchlist) counts() (acting, hot int) {
	for w := range l.all() {
		if w.act.on {
			acting++
		}
		if w.report.on {
			hot++
		}
	}
	return acting, hot
}
