package hotcopy

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// The shelf has room for 8,192 entries: 1,024 rows by the key's hash, of 8 places.
const (
	rows   = 1 << 10
	places = 8
)

// shelf holds the entries, by hash, and bounds their memory. Looking one up takes no lock. What has not been used for the
// longest makes room for others, approximately: a hand goes round and takes what was not used since it last came by.
type shelf struct {
	limit int // bytes
	slots [rows * places]atomic.Pointer[entry]

	mu      sync.Mutex // guards all changes of slots and entries, and what follows
	entries int
	used    int // bytes
	hand    int // index in slots
}

func (s *shelf) row(hash uint64) []atomic.Pointer[entry] {
	first := int(hash>>16%rows) * places // in 64 bits: an int may have 32, and a sign
	return s.slots[first : first+places]
}

// find returns the entry of a key, or nil.
func (s *shelf) find(hash uint64, key string) *entry {
	row := s.row(hash)
	for i := range row {
		if e := row[i].Load(); e != nil && e.hash == hash && e.key == key {
			return e
		}
	}
	return nil
}

// add puts an entry for a key on the shelf, unless there is one, and returns it. It returns nil if the entry is not wanted
// any more, which is asked under the lock.
func (s *shelf) add(hash uint64, key string, now int64, wanted func() bool) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.find(hash, key); e != nil {
		return e
	}
	if !wanted() {
		return nil
	}
	e := &entry{key: key, hash: hash, born: now}
	if s.limit > 0 && !s.makeRoom(e.charge(), e) {
		return nil
	}
	at := s.placeIn(s.row(hash))
	if old := at.Load(); old != nil {
		s.remove(at, old)
	}
	at.Store(e)
	s.entries++
	s.used += e.charge()
	return e
}

// placeIn returns the place in a row that is free, or one that was not used lately, or just one.
func (s *shelf) placeIn(row []atomic.Pointer[entry]) *atomic.Pointer[entry] {
	for i := range row {
		if row[i].Load() == nil {
			return &row[i]
		}
	}
	first := rand.IntN(places)
	for i := range places {
		if at := &row[(first+i)%places]; !at.Load().used.Swap(false) {
			return at
		}
	}
	return &row[first]
}

func (s *shelf) remove(at *atomic.Pointer[entry], e *entry) {
	at.Store(nil)
	s.entries--
	s.used -= e.charge()
	e.gone = true
	e.held.Store(nil)
}

// drop takes all entries off the shelf for which unwanted holds.
func (s *shelf) drop(unwanted func(*entry) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.slots {
		if e := s.slots[i].Load(); e != nil && unwanted(e) {
			s.remove(&s.slots[i], e)
		}
	}
}

// makeRoom takes off what was not used lately, but not for, until so many bytes more fit, and reports whether they do.
func (s *shelf) makeRoom(more int, but *entry) bool {
	for range 2 * len(s.slots) {
		if s.used+more <= s.limit {
			return true
		}
		at := &s.slots[s.hand]
		s.hand = (s.hand + 1) % len(s.slots)
		if e := at.Load(); e != nil && e != but && !e.used.Swap(false) {
			s.remove(at, e)
		}
	}
	return s.used+more <= s.limit
}

// keep has e hold h, unless e has been taken off the shelf, a write of this process has begun since writes was read or is
// under way, or what is held was asked for later. The value of h is not kept where there is no room: force says whether
// other values make some.
func (s *shelf) keep(e *entry, h *held, writes int64, force eviction) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.gone || e.running > 0 || e.writes.Load() != writes {
		return
	}
	if last := e.held.Load(); last != nil && last.asked > h.asked && h.asked != 0 {
		return
	}
	s.put(e, h, force)
}

// eviction says whether a value takes the place of others.
type eviction uint8

const (
	ifRoom eviction = iota
	evicting
)

// put has e hold h, which may be nil.
func (s *shelf) put(e *entry, h *held, force eviction) {
	grows := h.charge() - e.held.Load().charge()
	if grows > 0 && !s.fits(grows, e, force) {
		grows -= h.charge()
		h = h.without()
	}
	e.held.Store(h)
	s.used += grows
}

func (s *shelf) fits(more int, e *entry, force eviction) bool {
	return s.used+more <= s.limit || force == evicting && s.makeRoom(more, e)
}

// forget has e hold nothing, if it holds h.
func (s *shelf) forget(e *entry, h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.gone && e.held.Load() == h {
		s.put(e, nil, ifRoom)
	}
}

// beginWrite notes that a write of this process begins, and returns what endWrite needs.
func (s *shelf) beginWrite(e *entry) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.running++
	return e.writes.Add(1)
}

// endWrite notes that it has ended and that h is known of what it left; nil: nothing. If writes have overlapped, it is not
// known which came last.
func (s *shelf) endWrite(e *entry, began int64, h *held) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.running--
	alone := e.writes.Add(1) == began+1 && e.running == 0
	switch {
	case e.gone:
	case alone:
		s.put(e, h, evicting)
	default:
		s.put(e, nil, ifRoom)
	}
}

// size returns how many entries there are, and what they take.
func (s *shelf) size() (entries, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.entries, s.used
}
