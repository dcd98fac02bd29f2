package hotkey

import (
	"iter"
	"time"
)

// TickInterval is how often Detector.Tick is called, and so the span of a window; the windows of the last second are judged.
const (
	TickInterval = 250 * time.Millisecond
	windowCount  = 4 // windows that make the trailing second
)

// trail is a ring of windows: one being filled, under the lock of its sink, and four frozen ones, which belong to the
// goroutine that holds Detector.mu. They are swapped, so a frozen window is whole, and nobody waits while it is judged.
type trail struct {
	filling *window
	frozen  [windowCount]*window // the newest first
}

func newTrail(entries int) *trail {
	t := &trail{filling: newWindow(entries)}
	for i := range t.frozen {
		t.frozen[i] = newWindow(entries)
	}
	return t
}

// swap freezes the window being filled and goes on with the oldest one, which has been cleared. The sink's lock is held.
func (t *trail) swap() {
	oldest := t.oldest()
	copy(t.frozen[1:], t.frozen[:])
	t.frozen[0], t.filling = t.filling, oldest
}

func (t *trail) oldest() *window { return t.frozen[windowCount-1] }

// tally is a sum of entries.
type tally struct {
	cost, over          float64
	ops, writes, misses float64
	seen                int
	eyes                eyeSet
}

func (t *tally) add(e *entry) {
	t.cost += float64(e.cost)
	t.over += float64(e.over)
	t.ops += float64(e.ops)
	t.writes += float64(e.writes)
	t.misses += float64(e.misses)
	t.seen += int(e.seen)
}

func (t *tally) merge(o tally) {
	t.cost += o.cost
	t.over += o.over
	t.ops += o.ops
	t.writes += o.writes
	t.misses += o.misses
	t.seen += o.seen
}

// bytes that the ops moved: an op's cost is its bytes and base.
func (t *tally) bytes(base int) float64 { return max(0, t.cost-t.ops*float64(base)) }

// sum returns what the frozen windows hold of the key with that hash.
func (t *trail) sum(hash uint64) (sum tally) {
	for _, w := range t.frozen {
		if place := w.index.find(hash); place >= 0 {
			sum.add(&w.entries[place])
			sum.eyes |= w.eyes[place]
		}
	}
	return sum
}

// all returns what the frozen windows hold of all keys together.
func (t *trail) all() (sampled tally, exact totals, span time.Duration) {
	for _, w := range t.frozen {
		sampled.merge(w.sampled)
		exact.add(w.totals)
		span += w.span
	}
	return sampled, exact, span
}

// minSeen is how many sampled ops a key needs in the trailing second before it is judged. Five in four windows means two
// in one of them, which spares summing up the many keys that were seen once.
const minSeen = windowCount + 1

// repeated yields each key that was sampled at least twice in one of the frozen windows.
func (t *trail) repeated() iter.Seq2[uint64, tally] {
	return func(yield func(uint64, tally) bool) {
		for i, w := range t.frozen {
			for place := range w.used {
				hash := w.index.hashes[place]
				if w.entries[place].seen < 2 || t.repeatedBefore(i, hash) {
					continue
				}
				if !yield(hash, t.sum(hash)) {
					return
				}
			}
		}
	}
}

func (t *trail) repeatedBefore(i int, hash uint64) bool {
	for _, w := range t.frozen[:i] {
		if e := w.find(hash); e != nil && e.seen >= 2 {
			return true
		}
	}
	return false
}
