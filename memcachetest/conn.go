package memcachetest

import (
	"errors"
	"net"
	"time"
)

const (
	writeThreshold = 64 << 10 // committed bytes that are written without waiting for more

	// memcached serves this many commands per wake-up and then sends what it
	// has, so that one busy connection does not starve the others.
	commandsPerWake  = 21
	commandsPerYield = 20
)

// conn serves one connection: it reads requests in order, runs them on the
// process's store and writes the replies in order. Its goroutine owns it.
type conn struct {
	process *process
	net     net.Conn // what to read and write; TLS if that is on
	link    *link    // the transport below it
	in      *lineReader
	out     outbox
	faults  injector

	line   []byte   // the command line under work
	tokens [][]byte // memory of its words
	budget int      // commands until memcached would send its queue

	noreply       bool // this command's reply is not wanted
	commitReply   bool // this command makes memcached send its queue
	authenticated bool
	closing       bool  // end the connection after the queue is sent
	err           error // why no more is read or written
}

func newConn(p *process, l *link) *conn {
	c := &conn{process: p, link: l, net: p.secure(l), budget: commandsPerWake}
	l.hold = c.hang
	c.in = newLineReader(c, c.ahead)
	c.faults = p.plan.newInjector()
	c.authenticated = p.cfg.user == ""
	return c
}

// serve runs until the peer or the server ends the connection.
func (c *conn) serve() {
	defer c.process.forget(c)
	for c.err == nil && !c.closing {
		c.step()
	}
	c.finish()
	c.net.Close()
}

// finish sends what is left to send. If the requests broke off, memcached loses
// the queue, but not what it had sent before.
func (c *conn) finish() {
	if c.err != nil {
		c.dropQueue()
		c.err = nil
	}
	c.flush()
}

// step reads one command, runs it and queues its reply.
func (c *conn) step() {
	line, err := c.in.line()
	if errors.Is(err, errJunk) {
		c.abort()
		return
	}
	if err != nil {
		c.err = err
		return
	}
	c.line = append(c.line[:0], line...)
	c.noreply, c.commitReply = false, false
	if c.authenticated {
		c.run(split(c.line, c.tokens[:0]))
	} else {
		c.authenticate()
	}
	c.out.endReply()
	c.budget--
	if c.budget <= 0 || c.commitReply {
		c.commit()
	}
	if c.budget <= 0 {
		c.budget = commandsPerYield
	}
}

// abort ends the connection as memcached ends one that sends junk: what it had
// sent stays sent, queued replies are lost.
func (c *conn) abort() {
	c.dropQueue()
	c.closing = true
}

// ahead runs before the connection waits for the next request.
func (c *conn) ahead() error {
	c.flush()
	c.budget = commandsPerWake
	if idle := c.process.cfg.idleTimeout; idle > 0 {
		c.net.SetReadDeadline(time.Now().Add(idle))
	}
	return c.err
}

// Read feeds the line reader.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.net.Read(p)
	c.process.bytesRead.Add(int64(n))
	return n, err
}

// commit hands the queued replies to the faults and writes them if there are
// enough to be worth a write.
func (c *conn) commit() {
	c.releasePins()
	if c.faults.refresh(); c.faults.idle() {
		c.out.commit()
	} else {
		c.commitThroughFaults()
	}
	if c.out.committed >= writeThreshold {
		c.write()
	}
}

// flush writes every reply queued so far.
func (c *conn) flush() {
	c.commit()
	c.write()
}

// write sends the committed replies.
func (c *conn) write() {
	if c.out.committed == 0 {
		return
	}
	if c.err == nil {
		c.err = c.send(c.out.buf[:c.out.committed])
	}
	c.out.sent()
}

func (c *conn) send(b []byte) error {
	if c.faults.idle() {
		return c.put(b)
	}
	return c.sendThroughFaults(b)
}

func (c *conn) put(b []byte) error {
	n, err := c.net.Write(b)
	c.process.bytesWritten.Add(int64(n))
	return err
}

// dropQueue throws the queued replies away with what they hold.
func (c *conn) dropQueue() {
	c.out.drop()
	c.releasePins()
}

// pin marks an item as held by the reply under work. It needs the store lock.
func (c *conn) pin(it *item) {
	it.pins++
	c.out.pins = append(c.out.pins, it)
}

func (c *conn) releasePins() {
	if len(c.out.pins) == 0 {
		return
	}
	c.process.store.mu.Lock()
	defer c.process.store.mu.Unlock()
	for i, it := range c.out.pins {
		it.pins--
		c.out.pins[i] = nil
	}
	c.out.pins = c.out.pins[:0]
}

// say makes text the reply to the command under work, unless it asked for none.
func (c *conn) say(text string) {
	c.out.reset()
	if c.noreply {
		return
	}
	c.out.buf = append(append(c.out.buf, text...), "\r\n"...)
}

// fail is say for errors that no command can silence.
func (c *conn) fail(text string) {
	c.noreply = false
	c.say(text)
}
