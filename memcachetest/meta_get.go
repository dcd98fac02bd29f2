package memcachetest

import "strconv"

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
	flags := w.list[2:]
	f, key, why := c.parseMetaFlags(w.list[1], flags)
	if why != "" {
		c.fail(why)
		return
	}
	c.noreply = f.quiet
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	it, won := s.getOrVivify(key, f)
	if it == nil {
		c.metaMiss(key, flags, f)
		return
	}
	c.metaHit(it, flags, f, won)
}

// getOrVivify returns the item for a key. With the meta flag N it creates an
// empty one on a miss, and then the second result is true: the caller owns the
// right to fill it.
func (s *store) getOrVivify(key []byte, f metaFlags) (it *item, created bool) {
	it = s.peek(key)
	if it != nil || !f.vivify || !s.reserve(len(key), 0, 0) {
		return it, false
	}
	it = &item{key: string(key)}
	s.link(it)
	return it, true
}

func (c *conn) metaMiss(key []byte, flags [][]byte, f metaFlags) {
	c.process.store.count.countGet(false)
	c.out.buf = append(c.out.buf, "EN"...)
	if !c.appendRequestFlags(key, flags, f) {
		c.fail(opaqueTooLong)
		return
	}
	c.endLine()
	if c.noreply {
		c.out.reset()
	}
}

func (c *conn) metaHit(it *item, flags [][]byte, f metaFlags, created bool) {
	c.appendStatus(it, f)
	won, ok := c.appendItemFlags(it, flags, f, created)
	if !ok {
		c.fail(opaqueTooLong)
		return
	}
	c.appendLease(it, won)
	c.endLine()
	if f.value {
		c.out.buf = append(append(c.out.buf, it.value...), "\r\n"...)
	}
	c.pin(it)
	s := c.process.store
	if !f.noUpdate {
		s.bump(it)
	}
	if f.newTTL {
		s.count.countTouch(true)
		return
	}
	s.count.countGet(true)
}

func (c *conn) appendStatus(it *item, f metaFlags) {
	if !f.value {
		c.out.buf = append(c.out.buf, "HD"...)
		return
	}
	c.out.buf = strconv.AppendInt(append(c.out.buf, "VA "...), int64(len(it.value)), 10)
}

// appendItemFlags acts on the flags in the order given: what T changes, a
// later t sees. It returns whether the caller won the lease; ok is false at an
// opaque that is too long.
func (c *conn) appendItemFlags(it *item, flags [][]byte, f metaFlags, created bool) (won, ok bool) {
	for _, flag := range flags {
		switch flag[0] {
		case 'T':
			it.exptime = f.exptime
		case 'N':
			if created {
				it.exptime = f.vivifyExptime
				won = true
			}
		case 'R':
			if !created && !it.has(markTokenSent) && it.exptime != 0 && it.exptime < f.recacheExptime {
				won = true
			}
		case 'O':
			if len(flag) > maxOpaqueLen {
				return false, false
			}
			c.appendFlag(flag)
		default:
			c.appendItemFlag(it, flag[0])
		}
	}
	return won, true
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
		c.appendKey(it.key, it.has(markBinaryKey))
	}
}

// appendLease appends the flags Z, X and W: the lease is taken, the item is
// stale, this caller is to refill it. The first reader of a stale item is.
func (c *conn) appendLease(it *item, won bool) {
	if it.has(markTokenSent) {
		c.out.buf = append(c.out.buf, " Z"...)
	}
	if it.has(markStale) {
		c.out.buf = append(c.out.buf, " X"...)
		won = won || !it.has(markTokenSent)
	}
	if won {
		c.out.buf = append(c.out.buf, " W"...)
		it.mark |= markTokenSent
	}
}
