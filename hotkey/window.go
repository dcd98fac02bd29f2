package hotkey

import (
	"math"
	"time"
)

// window counts the keys of a span of time by Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient Computation of
// Frequent and Top-k Elements in Data Streams", 2005): when all m entries are taken, a new key takes over the entry that
// counts least and inherits its count as an error. Of a stream of weight N:
//
//   - a key's true weight is at least its entry's cost and at most cost + over;
//   - over is at most N/m, and so is the true weight of a key that has no entry.
//
// The bounds of several windows add up, so windows are merged by summing a key's entries (trail.sum).
type window struct {
	index   index
	entries []entry
	eyes    []eyeSet // of each entry: who beside the owner of the detector has seen it
	used    int
	heap    []uint16 // the entry that counts least first; empty until all entries are taken
	sampled tally    // of all samples, whether their entries are still there or not
	totals  totals   // exact
	span    time.Duration
}

// entry is what is known of a key in a window: sums over its samples since it took the entry. ops, writes and misses are
// estimates of numbers of ops. Windows of misses use them otherwise, see sink.noteRead.
type entry struct {
	cost, over          float32
	ops, writes, misses float32
	seen                uint16 // ops sampled
	at                  uint16 // in the heap
}

func (e *entry) rank() float32 { return e.cost + e.over }

func (e *entry) add(o entry) {
	e.cost += o.cost
	e.ops += o.ops
	e.writes += o.writes
	e.misses += o.misses
	e.seen = uint16(min(uint32(e.seen)+uint32(o.seen), math.MaxUint16))
}

func newWindow(entries int) *window {
	return &window{index: newIndex(entries), entries: make([]entry, entries), eyes: make([]eyeSet, entries), heap: make([]uint16, 0, entries)}
}

func (w *window) reset() {
	w.index.clear()
	w.used, w.heap = 0, w.heap[:0]
	w.sampled, w.totals, w.span = tally{}, totals{}, 0
}

// find returns the entry of hash, or nil.
func (w *window) find(hash uint64) *entry {
	place := w.index.find(hash)
	if place < 0 {
		return nil
	}
	return &w.entries[place]
}

// add adds a sample of the key with that hash and returns its entry.
func (w *window) add(hash uint64, sample entry) *entry {
	w.sampled.add(&sample)
	place := w.index.find(hash)
	if place < 0 {
		place = w.claim(hash)
	}
	e := &w.entries[place]
	e.add(sample)
	if len(w.heap) > 0 {
		w.sink(int(e.at))
	}
	return e
}

// see notes who has seen a key that has an entry.
func (w *window) see(hash uint64, eye eyeSet) {
	if eye != 0 {
		w.eyes[w.index.find(hash)] |= eye
	}
}

// claim gives hash a free entry, or that which counts least.
func (w *window) claim(hash uint64) int {
	if w.used < len(w.entries) {
		place := w.used
		w.used++
		w.entries[place], w.eyes[place] = entry{}, 0
		w.index.insert(hash, place)
		return place
	}
	if len(w.heap) == 0 {
		w.order()
	}
	place := int(w.heap[0])
	w.index.remove(place)
	w.index.insert(hash, place)
	w.entries[place], w.eyes[place] = entry{over: w.entries[place].rank()}, 0
	return place
}

// order makes the heap. Most windows never come to it.
func (w *window) order() {
	for i := range w.entries {
		w.heap = append(w.heap, uint16(i))
		w.entries[i].at = uint16(i)
	}
	for i := len(w.heap)/2 - 1; i >= 0; i-- {
		w.sink(i)
	}
}

// sink moves the i-th of the heap down to where it belongs.
func (w *window) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(w.heap); child++ {
			if w.entryAt(child).rank() < w.entryAt(least).rank() {
				least = child
			}
		}
		if least == i {
			return
		}
		w.heap[i], w.heap[least] = w.heap[least], w.heap[i]
		w.entryAt(i).at, w.entryAt(least).at = uint16(i), uint16(least)
		i = least
	}
}

func (w *window) entryAt(i int) *entry { return &w.entries[w.heap[i]] }
