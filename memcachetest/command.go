package memcachetest

import "bytes"

// command is a classic command: how many words its line may have, its own name
// included, and what it does.
type command struct {
	min, max int // words; max 0 for any number
	run      func(*conn, words)
}

// commands are memcached 1.6.18's (proto_text.c, process_command_ascii),
// without the ones that only builds for debugging have.
var commands = map[string]command{
	"get":  {2, 0, func(c *conn, w words) { c.get(w, getRequest{}) }},
	"bget": {2, 0, func(c *conn, w words) { c.get(w, getRequest{}) }},
	"gets": {2, 0, func(c *conn, w words) { c.get(w, getRequest{withCAS: true}) }},
	"gat":  {2, 0, func(c *conn, w words) { c.getAndTouch(w, getRequest{}) }},
	"gats": {2, 0, func(c *conn, w words) { c.getAndTouch(w, getRequest{withCAS: true}) }},

	"set":     {5, 6, func(c *conn, w words) { c.update(w, modeSet) }},
	"add":     {5, 6, func(c *conn, w words) { c.update(w, modeAdd) }},
	"replace": {5, 6, func(c *conn, w words) { c.update(w, modeReplace) }},
	"append":  {5, 6, func(c *conn, w words) { c.update(w, modeAppend) }},
	"prepend": {5, 6, func(c *conn, w words) { c.update(w, modePrepend) }},
	"cas":     {6, 7, func(c *conn, w words) { c.update(w, modeCAS) }},

	"incr":   {3, 4, func(c *conn, w words) { c.arithmetic(w, deltaRequest{}) }},
	"decr":   {3, 4, func(c *conn, w words) { c.arithmetic(w, deltaRequest{decrease: true}) }},
	"touch":  {3, 4, (*conn).touch},
	"delete": {2, 4, (*conn).remove},

	"flush_all":      {1, 3, (*conn).flushAll},
	"version":        {1, 0, func(c *conn, _ words) { c.say("VERSION " + c.process.cfg.version) }},
	"quit":           {1, 0, func(c *conn, _ words) { c.closing = true }},
	"verbosity":      {2, 3, (*conn).verbosity},
	"stats":          {1, 0, (*conn).stats},
	"shutdown":       {1, 0, func(c *conn, _ words) { c.say("ERROR: shutdown not enabled") }},
	"slabs":          {1, 0, (*conn).slabs},
	"lru":            {2, 0, (*conn).lru},
	"lru_crawler":    {1, 0, (*conn).lruCrawler},
	"watch":          {1, 0, (*conn).watch},
	"cache_memlimit": {2, 3, (*conn).cacheMemlimit},
	"refresh_certs":  {1, 0, (*conn).refreshCerts},
}

// metaCommands are the two-letter ones.
var metaCommands = map[string]func(*conn, words){
	"mg": (*conn).metaGet,
	"ms": (*conn).metaSet,
	"md": (*conn).metaDelete,
	"ma": (*conn).metaArithmetic,
	"me": (*conn).metaDebug,
	"mn": (*conn).metaNoop,
}

// run executes one command line.
func (c *conn) run(w words) {
	c.tokens = w.list
	if len(w.list) == 0 || len(w.list[0]) < 2 {
		c.say("ERROR")
		return
	}
	name := w.list[0]
	if len(name) == 2 && name[0] == 'm' {
		c.runMeta(w)
		return
	}
	cmd, known := commands[string(name)]
	switch {
	case !known && httpRequest(w):
		c.abort()
	case !known || len(w.list) < cmd.min || (cmd.max > 0 && len(w.list) > cmd.max):
		c.say("ERROR")
	default:
		cmd.run(c, w)
	}
}

func (c *conn) runMeta(w words) {
	cmd, known := metaCommands[string(w.list[0])]
	if !known || c.process.cfg.noMeta {
		c.say("ERROR")
		return
	}
	cmd(c, w)
}

// httpRequest reports whether memcached takes an unknown command for a
// browser's: the last word names the protocol. It does not look at commands
// that share their first letter with the most common ones.
func httpRequest(w words) bool {
	return bytes.IndexByte([]byte("gsacidt"), w.list[0][0]) < 0 && bytes.HasPrefix(w.last(), []byte("HTTP/"))
}

// wantNoreply looks for "noreply" as the last word.
func (c *conn) wantNoreply(w words) bool {
	c.noreply = string(w.last()) == "noreply"
	return c.noreply
}
