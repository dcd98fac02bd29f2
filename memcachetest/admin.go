package memcachetest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

const notMegabytes = 1_000_000_000 // cache_memlimit takes megabytes; more than this are bytes

// verbosity runs: verbosity <level> [noreply]. There is no log to change.
func (c *conn) verbosity(w words) {
	c.wantNoreply(w)
	if _, ok := parseUint32(w.list[1]); !ok {
		c.say(badFormat)
		return
	}
	c.say("OK")
}

// cacheMemlimit runs: cache_memlimit <megabytes> [noreply].
func (c *conn) cacheMemlimit(w words) {
	c.wantNoreply(w)
	megabytes, ok := parseUint32(w.list[1])
	switch {
	case !ok:
		c.say("ERROR")
		return
	case megabytes < 8:
		c.say("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m")
		return
	case megabytes > notMegabytes:
		c.say("MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes")
		return
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits.memory = int(megabytes) << 20
	s.trim()
	c.say("OK")
}

func (c *conn) refreshCerts(w words) {
	c.wantNoreply(w)
	if c.process.cfg.tls == nil {
		c.noreply = false
		c.say("Error TLS not enabled")
		return
	}
	c.say("OK")
}

// slabs checks the words of the slab commands. The store has no slabs that
// could be moved.
func (c *conn) slabs(w words) {
	switch {
	case len(w.list) == 4 && string(w.list[1]) == "reassign":
		c.slabsReassign(w)
	case len(w.list) >= 3 && string(w.list[1]) == "automove":
		c.slabsAutomove(w)
	default:
		c.say("ERROR")
	}
}

func (c *conn) slabsReassign(w words) {
	src, srcOK := parseInt32(w.list[2])
	dst, dstOK := parseInt32(w.list[3])
	last := int32(len(slabSizes))
	switch {
	case !srcOK || !dstOK:
		c.say(badFormat)
	case src == dst:
		c.say("SAME src and dst class are identical")
	case src < -1 || src > last || dst < 0 || dst > last:
		c.say("BADCLASS invalid src or dst class id")
	default:
		c.say("NOSPARE source class has no spare pages")
	}
}

func (c *conn) slabsAutomove(w words) {
	c.wantNoreply(w)
	if string(w.list[2]) == "ratio" {
		c.sayOKIf(len(w.list) > 3 && isFloat(w.list[3]))
		return
	}
	level, ok := parseUint32(w.list[2])
	if !ok {
		c.say(badFormat)
		return
	}
	c.sayOKIf(level <= 2)
}

// sayOKIf answers OK or ERROR.
func (c *conn) sayOKIf(ok bool) {
	if !ok {
		c.say("ERROR")
		return
	}
	c.say("OK")
}

func isFloat(word []byte) bool {
	_, err := strconv.ParseFloat(string(word), 64)
	return err == nil
}

// lru checks the words of the LRU's settings. The store has one plain LRU list.
func (c *conn) lru(w words) {
	c.wantNoreply(w)
	args := w.list[2:]
	switch string(w.list[1]) {
	case "tune":
		c.lruTune(args)
	case "mode":
		c.sayOKIf(len(args) > 0 && (string(args[0]) == "flat" || string(args[0]) == "segmented"))
	case "temp_ttl":
		c.sayOKIf(len(args) > 0 && isInt(args[0]))
	default:
		c.say("ERROR")
	}
}

func isInt(word []byte) bool {
	_, ok := parseInt32(word)
	return ok
}

func (c *conn) lruTune(args [][]byte) {
	if len(args) < 4 || !isFloat(args[2]) || !isFloat(args[3]) {
		c.say("ERROR")
		return
	}
	hot, hotOK := parseUint32(args[0])
	warm, warmOK := parseUint32(args[1])
	switch {
	case !hotOK || !warmOK:
		c.say("ERROR")
	case hot+warm > 80:
		c.say("ERROR hot and warm pcts must not exceed 80")
	case args[2][0] == '-' || args[3][0] == '-':
		c.say("ERROR hot/warm age factors must be greater than 0")
	default:
		c.say("OK")
	}
}

// lruCrawler answers the crawler's commands; only metadump does anything.
func (c *conn) lruCrawler(w words) {
	switch len(w.list) {
	case 2:
		c.lruCrawlerSwitch(string(w.list[1]))
	case 3:
		c.lruCrawlerSet(string(w.list[1]), w.list[2])
	default:
		c.say("ERROR")
	}
}

func (c *conn) lruCrawlerSwitch(word string) {
	switch word {
	case "enable":
		c.say("ERROR failed to start lru crawler thread") // it runs already
	case "disable":
		c.say("OK")
	default:
		c.say("ERROR")
	}
}

func (c *conn) lruCrawlerSet(word string, arg []byte) {
	n, ok := parseUint32(arg)
	switch {
	case word == "crawl" && crawlable(arg):
		c.say("OK")
	case word == "crawl":
		c.say("BADCLASS invalid class id")
	case word == "metadump":
		c.metadump(arg)
	case word != "tocrawl" && word != "sleep":
		c.say("ERROR")
	case !ok:
		c.say(badFormat)
	case word == "sleep" && n > 1_000_000:
		c.say("CLIENT_ERROR sleep must be one second or less")
	default:
		c.say("OK")
	}
}

// crawlable reports whether the word names slab classes: all, hash or ids.
func crawlable(word []byte) bool {
	if string(word) == "all" || string(word) == "hash" {
		return true
	}
	for id := range bytes.SplitSeq(word, []byte(",")) {
		n, ok := parseUint32(id)
		if !ok || n < 1 || n > maxSlabClass {
			return false
		}
	}
	return true
}

// metadump lists the live items. Its lines end with LF alone.
func (c *conn) metadump(classes []byte) {
	switch {
	case c.process.cfg.noDump:
		c.say("ERROR metadump not allowed")
		return
	case c.out.queued() > 0:
		c.say("ERROR cannot pipeline other commands before metadump")
		return
	case !crawlable(classes):
		c.say("BADCLASS invalid class id")
		return
	}
	s := c.process.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for it := s.lru.oldest; it != nil; it = it.newer {
		c.out.buf = s.appendMeta(c.out.buf, it)
	}
	c.out.buf = append(c.out.buf, "END\r\n"...)
	c.commitReply = true
}

func (s *store) appendMeta(b []byte, it *item) []byte {
	now := s.clock.now()
	if s.flushed(it, now) || (it.exptime != 0 && it.exptime <= now) {
		return b
	}
	exp := int64(-1)
	if it.exptime != 0 {
		exp = s.clock.unix(it.exptime)
	}
	size := s.size(it)
	b = appendEncoded(append(b, "key="...), it.key)
	b = strconv.AppendInt(append(b, " exp="...), exp, 10)
	b = strconv.AppendInt(append(b, " la="...), s.clock.unix(it.access), 10)
	b = strconv.AppendUint(append(b, " cas="...), it.cas, 10)
	b = append(append(b, " fetch="...), yesNo(it.has(markFetched))...)
	b = strconv.AppendInt(append(b, " cls="...), int64(slabClass(size, s.limits.maxItem)), 10)
	b = strconv.AppendInt(append(b, " size="...), int64(size), 10)
	return append(b, '\n')
}

// appendEncoded appends a key as dumps show it (util.c, uriencode).
func appendEncoded(b []byte, key string) []byte {
	for _, c := range []byte(key) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			b = append(b, c)
		default:
			b = fmt.Appendf(b, "%%%02X", c)
		}
	}
	return b
}

// watchWords are the logs one may ask for.
var watchWords = map[string]bool{
	"rawcmds": true, "evictions": true, "fetchers": true, "mutations": true, "sysevents": true,
	"connevents": true, "proxyreqs": true, "proxyevents": true, "proxyuser": true,
}

// watch turns the connection into a log stream, which stays empty here:
// whatever the client still sends is ignored.
func (c *conn) watch(w words) {
	c.wantNoreply(w)
	if c.out.queued() > 0 {
		c.say("ERROR cannot pipeline other commands before watch")
		return
	}
	for _, word := range w.list[1:] {
		if !watchWords[string(word)] {
			c.say("ERROR")
			return
		}
	}
	c.say("OK")
	c.out.endReply()
	c.flush()
	for c.err == nil {
		c.err = c.in.skip(1)
	}
}
