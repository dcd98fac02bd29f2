package memcachetest

import "strconv"

// metaArithmetic runs: ma <key> <flags>*.
func (c *conn) metaArithmetic(w words) {
	if len(w.list) < 2 {
		c.say("ERROR")
		return
	}
	f, key, ok := c.parseMetaChange(w)
	if !ok {
		return
	}
	decrease, ok := deltaMode(f.mode)
	if !ok {
		c.fail("CLIENT_ERROR invalid mode for ma M token")
		return
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	r := deltaRequest{key: key, decrease: decrease, delta: f.delta, cas: f.cas}
	if s.limits.noCAS {
		r.cas = min(r.cas, 0)
	}
	c.metaDelta(r, f, w.list[2:])
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

func (c *conn) metaDelta(r deltaRequest, f metaFlags, flags [][]byte) {
	s := c.process.store
	result, n, it := s.delta(r)
	switch result {
	case deltaNonNumeric:
		c.fail(nonNumeric)
	case deltaNoMemory:
		c.fail("SERVER_ERROR out of memory")
	case deltaMismatch:
		c.metaDeltaMiss("EX", r.key, f, flags)
	case deltaOK:
		c.metaDeltaHit(it, n, f, flags, false)
		if c.noreply {
			c.out.reset()
		}
	case deltaNotFound:
		c.metaDeltaVivify(r, f, flags)
	}
}

// metaDeltaVivify answers for a key that does not exist: N creates it with the
// initial value J, and then q does not silence the reply.
func (c *conn) metaDeltaVivify(r deltaRequest, f metaFlags, flags [][]byte) {
	s := c.process.store
	if !f.vivify {
		s.countDeltaMiss(r)
		c.metaDeltaMiss("NF", r.key, f, flags)
		return
	}
	value := strconv.AppendUint(nil, f.initial, 10)
	if !s.reserve(len(r.key), 0, len(value)) {
		c.fail("SERVER_ERROR Out of memory allocating new item")
		return
	}
	it := &item{key: string(r.key), value: value}
	s.link(it)
	c.metaDeltaHit(it, f.initial, f, flags, true)
}

func (c *conn) metaDeltaMiss(status string, key []byte, f metaFlags, flags [][]byte) {
	c.out.buf = append(c.out.buf, status...)
	if !c.appendRequestFlags(key, flags, f) {
		c.fail(opaqueTooLong)
		return
	}
	c.endLine()
}

func (c *conn) metaDeltaHit(it *item, n uint64, f metaFlags, flags [][]byte, created bool) {
	number := strconv.AppendUint(nil, n, 10)
	if f.value {
		c.out.buf = strconv.AppendInt(append(c.out.buf, "VA "...), int64(len(number)), 10)
	} else {
		c.out.buf = append(c.out.buf, "HD"...)
	}
	if !c.appendDeltaFlags(it, f, flags, created) {
		c.fail(opaqueTooLong)
		return
	}
	c.endLine()
	if f.value {
		c.out.buf = append(append(c.out.buf, number...), "\r\n"...)
	}
}

func (c *conn) appendDeltaFlags(it *item, f metaFlags, flags [][]byte, created bool) bool {
	for _, flag := range flags {
		switch flag[0] {
		case 'c':
			c.appendNumber('c', it.cas)
		case 't':
			c.appendTTL(it, c.process.clock.now())
		case 'T':
			it.exptime = f.exptime
		case 'N':
			if created {
				it.exptime = f.vivifyExptime
			}
		case 'O':
			if len(flag) > maxOpaqueLen {
				return false
			}
			c.appendFlag(flag)
		case 'k':
			c.appendKey(it.key, f.binaryKey)
		}
	}
	return true
}
