package memcachetest

import "crypto/subtle"

// authenticate handles a line of a connection that has not logged in yet
// (memcached -Y): only "set <any> <any> <any> <length>" with a data block of
// "user password" counts. memcached answers all of it in one reply slot, so of
// several lines that arrive together only the last is answered.
func (c *conn) authenticate() {
	c.out.drop()
	w := split(c.line, c.tokens[:0])
	c.tokens = w.list
	length, ok := authLength(w)
	if !ok {
		c.say("CLIENT_ERROR unauthenticated")
		return
	}
	block := make([]byte, length+len("\r\n"))
	if c.err = c.in.body(block); c.err != nil {
		return
	}
	c.say(c.login(block, length))
}

// authLength reads the length of the data block; memcached never gets to see
// one that does not fit in its read buffer.
func authLength(w words) (int, bool) {
	if len(w.list) < 5 || string(w.list[0]) != "set" {
		return 0, false
	}
	n, ok := parseUint32(w.list[4])
	return int(n), ok && n < readBufferSize
}

func (c *conn) login(block []byte, length int) string {
	if string(block[length:]) != "\r\n" {
		return "CLIENT_ERROR bad command line termination"
	}
	pair := split(block[:length], nil).list
	if len(pair) < 2 {
		return "CLIENT_ERROR bad authentication token format"
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count.Auths++
	cfg := c.process.cfg
	if !equal(pair[0], cfg.user) || !equal(pair[1], cfg.password) {
		s.count.AuthErrors++
		return "CLIENT_ERROR authentication failure"
	}
	c.authenticated = true
	return "STORED"
}

func equal(got []byte, want string) bool {
	return subtle.ConstantTimeCompare(got, []byte(want)) == 1
}
