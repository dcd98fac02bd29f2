package memcachetest

// metaDelete runs: md <key> <flags>*. With I it does not remove the item but
// marks it stale, under a new CAS unique.
func (c *conn) metaDelete(w words) {
	if len(w.list) < 2 {
		c.say("ERROR")
		return
	}
	f, key, ok := c.parseMetaChange(w)
	if !ok {
		return
	}
	if !opaqueFits(w.list[2:]) {
		c.fail(opaqueTooLong)
		return
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.metaDelete(key, f)
	if status == "HD" && c.noreply {
		return
	}
	c.out.buf = append(c.out.buf, status...)
	c.appendRequestFlags(key, w.list[2:], f)
	c.endLine()
}

// parseMetaChange reads the line of md and ma, which report every wrong flag
// in the same words. It returns false after an error, which it has answered.
func (c *conn) parseMetaChange(w words) (f metaFlags, key []byte, ok bool) {
	switch {
	case len(w.list[1]) > maxKeyLen:
		c.say(badFormat)
		return f, nil, false
	case len(w.list) > maxMetaWords:
		c.say("CLIENT_ERROR options flags too long")
		return f, nil, false
	}
	f, key, why := c.parseMetaFlags(w.list[1], w.list[2:])
	if why != "" {
		c.fail("CLIENT_ERROR invalid or duplicate flag")
		return f, nil, false
	}
	c.noreply = f.quiet
	return f, key, true
}

func (s *store) metaDelete(key []byte, f metaFlags) string {
	it := s.peek(key)
	switch {
	case it == nil:
		s.count.DeleteMisses++
		return "NF"
	case f.hasCAS && f.cas != it.cas:
		s.count.DeleteMisses++
		return "EX"
	case f.stale:
		s.invalidate(it, f)
		return "HD"
	}
	s.count.DeleteHits++
	s.unlink(it)
	return "HD"
}

// invalidate marks an item stale. The next reader may win the lease again.
func (s *store) invalidate(it *item, f metaFlags) {
	if f.newTTL {
		it.exptime = f.exptime
	}
	it.mark |= markStale
	it.mark &^= markTokenSent
	it.cas = s.nextCAS()
}
