package hotkey

import (
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Sizes of the fixed memory of a detector, about 500 KiB together (TestMemoryIsFixed).
const (
	opEntries   = 1024 // keys per window
	missEntries = 128  // missed keys per window; as many templates
	nameCells   = 704
	maxWatched  = 512 // hot keys at a time
	maxMissed   = 128 // missed keys at a time; as many templates
)

// sink takes the samples of all samplers.
type sink struct {
	mu        sync.Mutex // guards the filling windows and names; the frozen windows are not its business
	ops       *trail     // keys by cost
	misses    *trail     // keys by misses
	templates *trail     // families of keys by misses
	names     *names
	dense     int // samples of misses in this window, at which the sink asks for fewer
}

func newSink() *sink {
	return &sink{
		ops:       newTrail(opEntries),
		misses:    newTrail(missEntries),
		templates: newTrail(missEntries),
		names:     newNames(nameCells),
		dense:     missBurst,
	}
}

// count adds exact totals.
func (s *sink) count(t totals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops.filling.totals.add(t)
}

// addOp adds a sample of the stream of ops.
func (s *sink) addOp(key string, hash uint64, eye eyeSet, sample entry, t totals) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.ops.filling
	w.totals.add(t)
	if e := w.add(hash, sample); e.seen == 2 {
		s.names.put(hash, key)
	}
	w.see(hash, eye)
	if sample.writes == 0 {
		s.noteRead(key, hash, sample)
	}
}

// noteRead adds a sampled read to what is known of missed keys, where ops, misses and writes are the reads, the
// misses among them, and how many reads were sampled: a ratio must have both its parts from one stream.
func (s *sink) noteRead(key string, hash uint64, sample entry) {
	read := entry{ops: sample.ops, misses: sample.misses, writes: 1}
	if e := s.misses.filling.find(hash); e != nil {
		e.add(read)
	}
	if s.templates.filling.used == 0 {
		return
	}
	var buf [maxKeySize]byte
	if e := s.templates.filling.find(xxhash.Sum64(appendTemplate(buf[:0], key))); e != nil {
		e.add(read)
	}
}

// missBurst is how many samples of misses a window takes before the samplers are asked for fewer: twice what a window
// should have.
const missBurst = 2 * missesPerSecond / windowCount

// addMiss adds a sample of the stream of misses, and missed to the exact count. It returns true if there are too many
// samples.
func (s *sink) addMiss(key string, hash uint64, eye eyeSet, sample entry, missed int64) (tooDense bool) {
	var buf [maxKeySize]byte
	template := appendTemplate(buf[:0], key)
	family := xxhash.Sum64(template)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ops.filling.totals.misses += missed
	if e := s.misses.filling.add(hash, sample); e.seen == 2 {
		s.names.put(hash, key)
	}
	s.misses.filling.see(hash, eye)
	if string(template) != key {
		if e := s.templates.filling.add(family, sample); e.seen == 2 {
			s.names.put(family, string(template))
		}
		s.templates.filling.see(family, eye)
	}
	if s.misses.filling.sampled.seen < s.dense {
		return false
	}
	s.dense += missBurst
	return true
}

// freeze ends the windows, which cover span. The caller holds Detector.mu.
func (s *sink) freeze(span time.Duration) {
	trails := [...]*trail{s.ops, s.misses, s.templates}
	for _, t := range trails {
		t.oldest().reset()
	}
	s.mu.Lock()
	for _, t := range trails {
		t.swap()
	}
	s.names.now++
	s.dense = missBurst
	s.mu.Unlock()
	for _, t := range trails {
		t.frozen[0].span = span
	}
}

// keepName has a key's name known for the trailing second.
func (s *sink) keepName(hash uint64, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names.put(hash, key)
}

func (s *sink) name(hash uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names.get(hash)
}

func (s *sink) pin(hash uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.names.pin(hash)
}

func (s *sink) unpin(hash uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names.unpin(hash)
}
