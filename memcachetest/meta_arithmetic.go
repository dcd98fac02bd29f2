package memcachetest

import "strconv"

// metaArithmetic runs: ma <key> <flags>*.
func (c *conn) metaArithmetic(w words) {
	if len(w.list) < 2 {
		c.say("ERROR")
		return
	}
	r, ok := c.parseMetaChange(w)
	if !ok {
		return
	}
	decrease, ok := deltaMode(r.mode)
	if !ok {
		c.fail("CLIENT_ERROR invalid mode for ma M token")
		return
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	c.metaDelta(deltaRequest{key: r.key, decrease: decrease, delta: r.delta, cas: r.cas}, r)
}

func deltaMode(mode byte) (decrease, ok bool) {
	switch mode {
	case 0, 'I', '+':
		return false, true
	case 'D', '-':
		return true, true
	}
	return false, false
}

func (c *conn) metaDelta(d deltaRequest, r *metaRequest) {
	result, n, it := c.process.store.delta(d)
	switch result {
	case deltaNonNumeric:
		c.fail(nonNumeric)
	case deltaNoMemory:
		c.fail("SERVER_ERROR out of memory")
	case deltaMismatch:
		c.metaDeltaMiss("EX", r)
	case deltaOK:
		c.metaDeltaHit(it, n, r)
		if c.noreply {
			c.out.reset()
		}
	case deltaNotFound:
		c.metaDeltaVivify(d, r)
	}
}

// metaDeltaVivify answers for a key that does not exist: N creates it with the
// initial value J, and then q does not silence the reply.
func (c *conn) metaDeltaVivify(d deltaRequest, r *metaRequest) {
	s := c.process.store
	if !r.vivify {
		s.countDeltaMiss(d)
		c.metaDeltaMiss("NF", r)
		return
	}
	value := strconv.AppendUint(nil, r.initial, 10)
	if !s.reserve(len(r.key), 0, len(value)) {
		c.fail("SERVER_ERROR Out of memory allocating new item")
		return
	}
	it := &item{key: string(r.key), value: value}
	s.link(it)
	r.created = true
	c.metaDeltaHit(it, r.initial, r)
}

func (c *conn) metaDeltaMiss(status string, r *metaRequest) {
	c.out.buf = append(c.out.buf, status...)
	if !c.appendRequestFlags(r) {
		c.fail(opaqueTooLong)
		return
	}
	c.endLine()
}

func (c *conn) metaDeltaHit(it *item, n uint64, r *metaRequest) {
	number := strconv.AppendUint(nil, n, 10)
	c.appendStatus(len(number), r)
	if !c.appendDeltaFlags(it, r) {
		c.fail(opaqueTooLong)
		return
	}
	c.endLine()
	if r.value {
		c.out.buf = append(append(c.out.buf, number...), "\r\n"...)
	}
}

// appendDeltaFlags acts on the flags in order, like appendItemFlags.
func (c *conn) appendDeltaFlags(it *item, r *metaRequest) bool {
	for _, flag := range r.flags {
		switch flag[0] {
		case 'c':
			c.appendNumber('c', it.cas)
		case 't':
			c.appendTTL(it, c.process.clock.now())
		case 'T':
			it.exptime = r.exptime
		case 'N':
			if r.created {
				it.exptime = r.vivifyExptime
			}
		case 'O':
			if len(flag) > maxOpaqueLen {
				return false
			}
			c.appendFlag(flag)
		case 'k':
			c.appendKey(it.key, r.keyMark)
		}
	}
	return true
}
