package memcachetest

import "math"

const badFormat = "CLIENT_ERROR bad command line format"

// maxLength is the largest data block memcached agrees to skip.
const maxLength = math.MaxInt32 - 2

// storeReplies are the classic words for the outcomes of storing.
var storeReplies = map[storeResult]string{
	stored:    "STORED",
	notStored: "NOT_STORED",
	exists:    "EXISTS",
	notFound:  "NOT_FOUND",
}

// update runs set, add, replace, append, prepend and cas:
// <name> <key> <flags> <exptime> <bytes> [<cas unique>] [noreply].
// After most errors in its line the data block is taken for a command.
func (c *conn) update(w words, mode storeMode) {
	c.wantNoreply(w)
	if len(w.list[1]) > maxKeyLen {
		c.say(badFormat)
		return
	}
	r, length, ok := c.parseUpdate(w, mode)
	if !ok {
		c.say(badFormat)
		return
	}
	c.process.prefixes.countSet(w.list[1])
	if refused := c.refuse(r.item, length); refused != refusedNot {
		if mode == modeSet && refused != refusedReading {
			c.dropOld(r.item.key)
		}
		c.say(string(refused))
		c.skipBlock(length)
		return
	}
	if !c.receive(r.item, length) {
		c.say("CLIENT_ERROR bad data chunk")
		return
	}
	s := c.process.store
	s.mu.Lock()
	result, _ := s.store(r)
	s.mu.Unlock()
	c.say(storeReplies[result])
}

func (c *conn) parseUpdate(w words, mode storeMode) (r storeRequest, length int, ok bool) {
	flags, flagsOK := parseUint32(w.list[2])
	exptime, exptimeOK := parseInt32(w.list[3])
	size, sizeOK := parseInt32(w.list[4])
	casOK := true
	if mode == modeCAS {
		r.cas, casOK = parseUint64(w.list[5])
	}
	if !flagsOK || !exptimeOK || !sizeOK || !casOK || size < 0 || size > maxLength {
		return r, 0, false
	}
	r.mode = mode
	r.item = &item{key: string(w.list[1]), flags: flags, exptime: c.process.clock.moment(exptime)}
	return r, int(size), true
}

// refusal is the error line for a value that gets no memory.
type refusal string

const (
	refusedNot      refusal = ""
	refusedTooLarge refusal = "SERVER_ERROR object too large for cache"
	refusedNoMemory refusal = "SERVER_ERROR out of memory storing object"
	refusedReading  refusal = "SERVER_ERROR Out of memory during read"
)

// refuse finds memory for an item before its data block is read. It says why
// there is none.
func (c *conn) refuse(it *item, length int) refusal {
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fits(len(it.key), it.flags, length) {
		s.count.TooLarge++
		return refusedTooLarge
	}
	if s.reserve(len(it.key), it.flags, length) {
		return refusedNot
	}
	s.count.NoMemory++
	if chunked(s.limits.itemSize(len(it.key), it.flags, length)) {
		return refusedReading
	}
	return refusedNoMemory
}

// dropOld removes a key whose new value was refused: it would be out of date.
func (c *conn) dropOld(key string) {
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.peek([]byte(key)); old != nil {
		s.unlink(old)
	}
}

// receive reads the data block of the given length into the item. It returns
// false if the block does not end in CRLF.
func (c *conn) receive(it *item, length int) bool {
	block := make([]byte, length+len("\r\n"))
	if c.err = c.in.body(block); c.err != nil {
		return false
	}
	it.value = block[:length:length]
	s := c.process.store
	s.mu.Lock()
	s.count.Sets++
	s.mu.Unlock()
	return string(block[length:]) == "\r\n"
}

// skipBlock swallows the data block of a refused command.
func (c *conn) skipBlock(length int) {
	c.err = c.in.skip(length + len("\r\n"))
}
