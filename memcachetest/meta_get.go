package memcachetest

// metaGet runs: mg <key> <flags>*.
func (c *conn) metaGet(w words) {
	switch {
	case len(w.list) < 2:
		c.say("ERROR")
		return
	case len(w.list[1]) > maxKeyLen:
		c.fail(badFormat)
		return
	case len(w.list) > maxMetaWords:
		c.fail("CLIENT_ERROR options flags are too long")
		return
	}
	r, why := c.parseMeta(w.list[1], w.list[2:])
	if why != "" {
		c.fail(why)
		return
	}
	c.noreply = r.quiet
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.getOrVivify(r)
	if it == nil {
		c.metaMiss(r)
		return
	}
	c.metaHit(it, r)
}

// getOrVivify returns the item for the key. With the flag N it creates an empty
// one on a miss.
func (s *store) getOrVivify(r *metaRequest) *item {
	it := s.peek(r.key)
	if it != nil || !r.vivify || !s.reserve(len(r.key), 0, 0) {
		return it
	}
	it = &item{key: string(r.key)}
	s.link(it)
	r.created = true
	return it
}

func (c *conn) metaMiss(r *metaRequest) {
	c.process.store.count.countGet(nil)
	c.out.buf = append(c.out.buf, "EN"...)
	if !c.appendRequestFlags(r) {
		c.fail(opaqueTooLong)
		return
	}
	c.endLine()
	if c.noreply {
		c.out.reset()
	}
}

func (c *conn) metaHit(it *item, r *metaRequest) {
	if !r.bumpLate {
		c.bumpFor(r, it)
	}
	c.appendStatus(len(it.value), r)
	if !c.appendItemFlags(it, r) {
		c.fail(opaqueTooLong)
		return
	}
	c.appendLease(it, r)
	c.endLine()
	if r.value {
		c.out.buf = append(append(c.out.buf, it.value...), "\r\n"...)
	}
	c.pin(it)
	if r.bumpLate {
		c.bumpFor(r, it)
	}
	if r.newTTL {
		c.process.store.count.countTouch(it)
		return
	}
	c.process.store.count.countGet(it)
}

// bumpFor counts the read as a use, unless the flag u forbids it. With flags
// that show or change an item's times memcached does so after the reply, which
// an opaque too long prevents.
func (c *conn) bumpFor(r *metaRequest, it *item) {
	if !r.noUpdate {
		c.process.store.bump(it)
	}
}

// appendItemFlags acts on the flags in the order given: what T changes, a later
// t sees. It returns false at an opaque that is too long.
func (c *conn) appendItemFlags(it *item, r *metaRequest) bool {
	for _, flag := range r.flags {
		switch flag[0] {
		case 'T':
			it.exptime = r.exptime
		case 'N':
			if r.created {
				it.exptime = r.vivifyExptime
				r.won = true
			}
		case 'R':
			r.won = r.won || r.recaches(it)
		case 'O':
			if len(flag) > maxOpaqueLen {
				return false
			}
			c.appendFlag(flag)
		default:
			c.appendItemFlag(it, flag[0])
		}
	}
	return true
}

// recaches reports whether the flag R wins the lease: the item expires soon and
// nobody has won it yet.
func (r *metaRequest) recaches(it *item) bool {
	return !r.created && !it.has(markTokenSent) && it.exptime != 0 && it.exptime < r.recacheExptime
}

// appendItemFlag appends what a flag without a token asks for.
func (c *conn) appendItemFlag(it *item, letter byte) {
	now := c.process.clock.now()
	switch letter {
	case 's':
		c.appendNumber('s', uint64(len(it.value)))
	case 't':
		c.appendTTL(it, now)
	case 'c':
		c.appendNumber('c', it.cas)
	case 'f':
		c.appendNumber('f', uint64(it.flags))
	case 'l':
		c.appendNumber('l', uint64(now-it.access))
	case 'h':
		fetched := uint64(0)
		if it.has(markFetched) {
			fetched = 1
		}
		c.appendNumber('h', fetched)
	case 'k':
		c.appendKey(it.key, it.mark)
	}
}

// appendLease appends the flags Z, X and W: the lease is taken, the item is
// stale, this caller is to refill it. The first reader of a stale item is.
func (c *conn) appendLease(it *item, r *metaRequest) {
	if it.has(markTokenSent) {
		c.out.buf = append(c.out.buf, " Z"...)
	}
	if it.has(markStale) {
		c.out.buf = append(c.out.buf, " X"...)
		r.won = r.won || !it.has(markTokenSent)
	}
	if r.won {
		c.out.buf = append(c.out.buf, " W"...)
		it.mark |= markTokenSent
	}
}
