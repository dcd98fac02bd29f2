package memcachetest

import "strconv"

const nonNumeric = "CLIENT_ERROR cannot increment or decrement non-numeric value"

// arithmetic runs incr and decr: <name> <key> <delta> [noreply].
func (c *conn) arithmetic(w words, r deltaRequest) {
	c.wantNoreply(w)
	r.key = w.list[1]
	if len(r.key) > maxKeyLen {
		c.say(badFormat)
		return
	}
	delta, ok := parseUint64(w.list[2])
	if !ok {
		c.say("CLIENT_ERROR invalid numeric delta argument")
		return
	}
	r.delta = delta
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	switch result, n, _ := s.delta(r); result {
	case deltaOK:
		c.say(strconv.FormatUint(n, 10))
	case deltaNotFound:
		s.countDeltaMiss(r)
		c.say("NOT_FOUND")
	case deltaNoMemory:
		c.say("SERVER_ERROR out of memory")
	default:
		c.say(nonNumeric)
	}
}

func (s *store) countDeltaMiss(r deltaRequest) {
	if r.decrease {
		s.count.DecrMisses++
		return
	}
	s.count.IncrMisses++
}

// touch runs: touch <key> <exptime> [noreply].
func (c *conn) touch(w words) {
	c.wantNoreply(w)
	if len(w.list[1]) > maxKeyLen {
		c.say(badFormat)
		return
	}
	exptime, ok := parseInt32(w.list[2])
	if !ok {
		c.say("CLIENT_ERROR invalid exptime argument")
		return
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.fetch(w.list[1])
	s.count.countTouch(it)
	if it == nil {
		c.say("NOT_FOUND")
		return
	}
	it.exptime = s.clock.moment(exptime)
	c.say("TOUCHED")
}

// remove runs: delete <key> [0] [noreply].
func (c *conn) remove(w words) {
	if len(w.list) > 2 && !c.deleteTail(w) {
		c.say(badFormat + ".  Usage: delete <key> [noreply]")
		return
	}
	key := w.list[1]
	if len(key) > maxKeyLen {
		c.say(badFormat)
		return
	}
	c.process.prefixes.countDelete(key)
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.peek(key)
	if it == nil {
		s.count.DeleteMisses++
		c.say("NOT_FOUND")
		return
	}
	s.count.DeleteHits++
	s.unlink(it)
	c.say("DELETED")
}

// deleteTail checks the words after the key: "0", "noreply" or both.
func (c *conn) deleteTail(w words) bool {
	zero := string(w.list[2]) == "0"
	quiet := c.wantNoreply(w)
	if len(w.list) == 3 {
		return zero || quiet
	}
	return zero && quiet
}

// flushAll runs: flush_all [delay] [noreply].
func (c *conn) flushAll(w words) {
	bare := 1
	if c.wantNoreply(w) {
		bare = 2
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Flushes++
	exptime := int32(0)
	if len(w.list) != bare {
		delay, ok := parseInt32(w.list[1])
		if !ok {
			c.say("CLIENT_ERROR invalid exptime argument")
			return
		}
		exptime = delay
	}
	moment := s.clock.now()
	if exptime > 0 {
		moment = s.clock.moment(exptime)
	}
	s.flush(moment)
	c.say("OK")
}
