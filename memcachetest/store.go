package memcachetest

import "sync"

// limits are the fixed sizes of a store.
type limits struct {
	maxItem    int  // bytes of one item, with its header
	memory     int  // bytes of all items
	noEviction bool // a full store refuses instead of evicting
	noCAS      bool // every CAS unique is 0
}

// store holds the items of one memcached process. Commands lock it for as long
// as they look at an item; every method below expects the lock.
type store struct {
	mu     sync.Mutex
	clock  *clock
	limits limits
	count  Stats

	items   map[string]*item
	lru     lruList
	used    int    // bytes charged for items
	lastCAS uint64 // the process's only CAS counter

	oldestLive uint32 // flush_all: items not accessed after this moment are gone
	oldestCAS  uint64 // flush_all: and so are those with a lower CAS unique
}

func newStore(clock *clock, l limits) *store {
	return &store{clock: clock, limits: l, items: make(map[string]*item)}
}

// peek returns the live item for key, or nil. It removes a dead one.
func (s *store) peek(key []byte) *item {
	it := s.items[string(key)]
	if it == nil {
		return nil
	}
	now := s.clock.now()
	switch {
	case s.flushed(it, now):
		s.count.GetFlushed++
	case it.exptime != 0 && it.exptime <= now:
		s.count.GetExpired++
	default:
		return it
	}
	s.unlink(it)
	return nil
}

// fetch is peek for a read that counts as a use.
func (s *store) fetch(key []byte) *item {
	it := s.peek(key)
	if it != nil {
		s.bump(it)
	}
	return it
}

func (s *store) bump(it *item) {
	it.bump(s.clock.now())
	s.lru.touch(it)
}

// flushed reports whether a flush_all that is due covers the item.
func (s *store) flushed(it *item, now uint32) bool {
	if s.oldestLive == 0 || s.oldestLive > now {
		return false
	}
	return it.access <= s.oldestLive || (s.oldestCAS != 0 && it.cas != 0 && it.cas < s.oldestCAS)
}

// flush makes every item invalid from the given moment on. Without a delay it
// takes a CAS unique, so that items stored in the same second survive.
func (s *store) flush(moment uint32) {
	if s.limits.noCAS {
		s.oldestLive = moment
		return
	}
	s.oldestLive = moment - 1
	if s.oldestLive <= s.clock.now() {
		s.oldestCAS = s.nextCAS()
	}
}

func (s *store) nextCAS() uint64 {
	if s.limits.noCAS {
		return 0
	}
	s.lastCAS++
	return s.lastCAS
}

// link stores an item under its key in place of any other and gives it a new
// CAS unique. The caller has made room.
func (s *store) link(it *item) {
	if old := s.items[it.key]; old != nil {
		s.unlink(old)
	}
	it.cas = s.nextCAS()
	it.access = s.clock.now()
	s.items[it.key] = it
	s.lru.push(it)
	s.used += charge(s.size(it))
	s.count.TotalItems++
	s.trim()
}

// trim evicts what other stores have put above the limit since room was made.
func (s *store) trim() {
	for s.used > s.limits.memory && !s.limits.noEviction {
		s.evict(s.lru.oldest)
	}
}

func (s *store) unlink(it *item) {
	delete(s.items, it.key)
	s.lru.remove(it)
	s.used -= charge(s.size(it))
}

func (s *store) size(it *item) int {
	return s.limits.itemSize(len(it.key), it.flags, len(it.value))
}

// fits reports whether an item may be stored at all (memcached -I).
func (s *store) fits(keyLen int, flags uint32, valueLen int) bool {
	return s.limits.itemSize(keyLen, flags, valueLen) <= s.limits.maxItem
}

// reserve makes room for an item by evicting the least recently used ones. It
// returns false if the store may not evict (memcached -M) or is too small.
func (s *store) reserve(keyLen int, flags uint32, valueLen int) bool {
	need := charge(s.limits.itemSize(keyLen, flags, valueLen))
	for s.used+need > s.limits.memory {
		if s.limits.noEviction || s.lru.oldest == nil {
			return false
		}
		s.evict(s.lru.oldest)
	}
	return true
}

func (s *store) evict(it *item) {
	now := s.clock.now()
	if s.flushed(it, now) || (it.exptime != 0 && it.exptime <= now) {
		s.count.Reclaimed++
	} else {
		s.count.Evictions++
	}
	s.unlink(it)
}

// clear removes every item.
func (s *store) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.items)
	s.lru = lruList{}
	s.used = 0
}
