package memcachetest

import "fmt"

// metaNoop runs mn, which also makes memcached send all it has.
func (c *conn) metaNoop(words) {
	c.say("MN")
	c.commitReply = true
}

// metaDebug runs: me <key> [b]. Looking does not count as a use.
func (c *conn) metaDebug(w words) {
	if len(w.list) < 2 || len(w.list[1]) > maxKeyLen {
		c.say(badFormat)
		return
	}
	key := w.list[1]
	if len(w.list) > 2 && string(w.list[2]) == "b" {
		if key = decodeKey(key); key == nil {
			c.say(badFormat)
			return
		}
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Meta++
	it := s.peek(key)
	if it == nil {
		c.say("EN")
		return
	}
	c.out.buf = appendDebug(c.out.buf, s, it)
}

func appendDebug(b []byte, s *store, it *item) []byte {
	b = append(b, "ME "...)
	if it.has(markBinaryKey) {
		b = appendBase64(b, it.key)
	} else {
		b = append(b, it.key...)
	}
	now := s.clock.now()
	exp := int64(-1)
	if it.exptime != 0 { // memcached counts this one backwards
		exp = int64(now) - int64(it.exptime)
	}
	size := s.size(it)
	return fmt.Appendf(b, " exp=%d la=%d cas=%d fetch=%s cls=%d size=%d\r\n",
		exp, now-it.access, it.cas, yesNo(it.has(markFetched)), slabClass(size, s.limits.maxItem), size)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
