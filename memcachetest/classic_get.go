package memcachetest

import "strconv"

// getRequest is what the commands get, gets, gat and gats differ in.
type getRequest struct {
	withCAS bool
	touch   bool
	exptime uint32 // for touch
}

func (c *conn) getAndTouch(w words, r getRequest) {
	exptime, ok := parseInt32(w.list[1])
	if !ok {
		c.say("CLIENT_ERROR invalid exptime argument")
		return
	}
	r.touch = true
	r.exptime = c.process.clock.moment(exptime)
	w.list = w.list[1:]
	c.get(w, r)
}

// get answers the keys after the first word in order, then END. A key that is
// too long replaces every reply still queued by one error.
func (c *conn) get(w words, r getRequest) {
	for keys := w.list[1:]; ; keys = w.list {
		for _, key := range keys {
			if len(key) > maxKeyLen {
				c.dropQueue()
				c.say("CLIENT_ERROR bad command line format")
				return
			}
			c.getOne(key, r)
		}
		if w.rest == nil {
			break
		}
		w = split(w.rest, c.tokens[:0])
	}
	c.out.buf = append(c.out.buf, "END\r\n"...)
	c.commitReply = true
}

func (c *conn) getOne(key []byte, r getRequest) {
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.fetch(key)
	c.process.prefixes.countGet(key, it)
	if r.touch {
		s.count.countTouch(it)
	} else {
		s.count.countGet(it)
	}
	if it == nil {
		return
	}
	if r.touch {
		it.exptime = r.exptime
	}
	c.out.buf = r.appendValue(c.out.buf, it)
}

func (r getRequest) appendValue(b []byte, it *item) []byte {
	b = append(append(b, "VALUE "...), it.key...)
	b = strconv.AppendUint(append(b, ' '), uint64(it.flags), 10)
	b = strconv.AppendInt(append(b, ' '), int64(len(it.value)), 10)
	if r.withCAS {
		b = strconv.AppendUint(append(b, ' '), it.cas, 10)
	}
	b = append(append(b, "\r\n"...), it.value...)
	return append(b, "\r\n"...)
}
