package memcachetest

// storeMode is how a storage command treats an item that exists or does not.
type storeMode uint8

const (
	modeSet storeMode = iota
	modeAdd
	modeReplace
	modeAppend
	modePrepend
	modeCAS
)

// storeResult is the outcome of a storage command.
type storeResult uint8

const (
	notStored storeResult = iota
	stored
	exists
	notFound
)

// storeRequest is a storage command with its data block read.
type storeRequest struct {
	item  *item // what to store; its cas field is still free
	mode  storeMode
	cas   uint64 // CAS unique to compare with; 0 for none
	stale bool   // meta flag I: accept an older CAS unique, and mark the item stale
}

// store applies a storage command (memcached.c, do_store_item). It returns the
// item as it is now in the store, or nil if nothing was stored.
func (s *store) store(r storeRequest) (storeResult, *item) {
	old := s.peek([]byte(r.item.key))
	if old == nil {
		return s.storeNew(r)
	}
	switch r.mode {
	case modeAdd:
		s.lru.touch(old)
		return notStored, nil
	case modeCAS:
		return s.storeCAS(r, old)
	case modeAppend, modePrepend:
		return s.extend(r, old)
	}
	s.link(r.item)
	return stored, r.item
}

func (s *store) storeNew(r storeRequest) (storeResult, *item) {
	switch r.mode {
	case modeCAS:
		s.count.CASMisses++
		return notFound, nil
	case modeReplace, modeAppend, modePrepend:
		return notStored, nil
	}
	s.link(r.item)
	return stored, r.item
}

func (s *store) storeCAS(r storeRequest, old *item) (storeResult, *item) {
	match := r.cas != 0 && r.cas == old.cas
	if !match && (!r.stale || r.cas == 0 || r.cas > old.cas) {
		s.count.CASBadval++
		return exists, nil
	}
	if !match {
		r.item.exptime = old.exptime
		r.item.mark |= markStale | old.mark&markTokenSent
	}
	s.count.CASHits++
	s.link(r.item)
	return stored, r.item
}

// extend appends to or prepends an item that exists. The result is a new item
// with the old one's flags and exptime and none of its marks.
func (s *store) extend(r storeRequest, old *item) (storeResult, *item) {
	if r.cas != 0 && r.cas != old.cas {
		return exists, nil
	}
	length := len(old.value) + len(r.item.value)
	if !s.fits(len(old.key), old.flags, length) {
		return notStored, nil
	}
	head, tail := old.value, r.item.value
	if r.mode == modePrepend {
		head, tail = tail, head
	}
	value := append(append(make([]byte, 0, length), head...), tail...)
	if !s.reserve(len(old.key), old.flags, length) {
		return notStored, nil
	}
	it := &item{key: old.key, value: value, flags: old.flags, exptime: old.exptime}
	s.link(it)
	return stored, it
}
