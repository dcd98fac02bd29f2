package memcachetest

// metaDelete runs: md <key> <flags>*. With I it does not remove the item but
// marks it stale, under a new CAS unique.
func (c *conn) metaDelete(w words) {
	if len(w.list) < 2 {
		c.say("ERROR")
		return
	}
	r, ok := c.parseMetaChange(w)
	if !ok {
		return
	}
	if !r.opaqueFits() {
		c.fail(opaqueTooLong)
		return
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	status := s.metaDelete(r)
	if status == "HD" && c.noreply {
		return
	}
	c.out.buf = append(c.out.buf, status...)
	c.appendRequestFlags(r)
	c.endLine()
}

// parseMetaChange reads the line of md and ma, which report every wrong flag
// in the same words. It returns false after an error, which it has answered.
func (c *conn) parseMetaChange(w words) (r *metaRequest, ok bool) {
	switch {
	case len(w.list[1]) > maxKeyLen:
		c.say(badFormat)
		return nil, false
	case len(w.list) > maxMetaWords:
		c.say("CLIENT_ERROR options flags too long")
		return nil, false
	}
	r, why := c.parseMeta(w.list[1], w.list[2:])
	if why != "" {
		c.fail("CLIENT_ERROR invalid or duplicate flag")
		return nil, false
	}
	c.noreply = r.quiet
	return r, true
}

func (s *store) metaDelete(r *metaRequest) string {
	it := s.peek(r.key)
	switch {
	case it == nil:
		s.count.DeleteMisses++
		return "NF"
	case r.hasCAS && r.cas != it.cas:
		s.count.DeleteMisses++
		return "EX"
	case r.stale:
		s.invalidate(it, r)
		return "HD"
	}
	s.count.DeleteHits++
	s.unlink(it)
	return "HD"
}

// invalidate marks an item stale. The next reader may win the lease again.
func (s *store) invalidate(it *item, r *metaRequest) {
	if r.newTTL {
		it.exptime = r.exptime
	}
	it.mark |= markStale
	it.mark &^= markTokenSent
	it.cas = s.nextCAS()
}
