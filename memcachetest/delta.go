package memcachetest

import "strconv"

// deltaResult is the outcome of an arithmetic command.
type deltaResult uint8

const (
	deltaOK deltaResult = iota
	deltaNotFound
	deltaNonNumeric
	deltaMismatch // the CAS unique differs
	deltaNoMemory
)

// deltaRequest is an arithmetic command.
type deltaRequest struct {
	key      []byte
	decrease bool
	delta    uint64
	cas      uint64 // CAS unique to compare with; 0 for none
}

// delta changes a number (memcached.c, do_add_delta). It returns the item that
// memcached looks at afterwards: if the number did not fit in its place that
// is the replaced item, so that a new exptime set on it is lost.
func (s *store) delta(r deltaRequest) (deltaResult, uint64, *item) {
	it := s.peek(r.key)
	if it == nil {
		return deltaNotFound, 0, nil
	}
	if len(it.value) == 0 || chunked(s.size(it)) {
		return deltaNonNumeric, 0, nil
	}
	if r.cas != 0 && r.cas != it.cas {
		return deltaMismatch, 0, nil
	}
	n, ok := parseUint64(it.value)
	if !ok {
		return deltaNonNumeric, 0, nil
	}
	n = r.apply(n)
	s.countDelta(r)
	if !s.writeNumber(it, n) {
		return deltaNoMemory, 0, nil
	}
	return deltaOK, n, it
}

func (r deltaRequest) apply(n uint64) uint64 {
	switch {
	case !r.decrease:
		return n + r.delta
	case r.delta > n:
		return 0
	}
	return n - r.delta
}

func (s *store) countDelta(r deltaRequest) {
	if r.decrease {
		s.count.DecrHits++
		return
	}
	s.count.IncrHits++
}

// writeNumber overwrites the value in place, padded with spaces, if it is long
// enough and no reply under way still holds it; else it stores a new item.
func (s *store) writeNumber(it *item, n uint64) bool {
	text := strconv.AppendUint(nil, n, 10)
	if len(text) > len(it.value) || it.pins > 0 {
		return s.replaceNumber(it, text)
	}
	value := make([]byte, len(it.value))
	for i := copy(value, text); i < len(value); i++ {
		value[i] = ' '
	}
	it.value = value
	it.cas = s.nextCAS()
	s.lru.touch(it)
	return true
}

func (s *store) replaceNumber(it *item, text []byte) bool {
	fresh := &item{key: it.key, value: text, flags: it.flags, exptime: it.exptime}
	if !s.reserve(len(it.key), it.flags, len(text)) {
		return false
	}
	s.link(fresh)
	it.cas = fresh.cas
	return true
}
