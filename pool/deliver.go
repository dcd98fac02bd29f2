package pool

import (
	"bytes"
	"errors"

	"github.com/nohop/memcache/protocol"
)

// deliverBuffered decodes and delivers every reply that is complete.
func (c *conn) deliverBuffered(op *Op) error {
	r := &c.reader
	if c.reader.block.call != nil {
		if complete, err := c.continueBlock(); err != nil || !complete {
			return err
		}
	}
	for r.r < r.w {
		end := bytes.IndexByte(r.buf[r.r:r.w], '\n')
		if end < 0 {
			if r.w-r.r > maxLineSize {
				return errLine
			}
			if c.expected(0) == nil && !r.owesEnd {
				return errStray
			}
			break
		}
		if end == 0 || end > maxLineSize || r.buf[r.r+end-1] != '\r' {
			return errLine
		}
		more, err := c.takeReply(r.buf[r.r:r.r+end-1], end+1, op)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	c.reader.tally.hand(c.node)
	c.admit()
	return nil
}

// takeReply matches one line, which takes size bytes of the buffer, with what is owed. False means that the line's
// data block is not complete: nothing was consumed.
func (c *conn) takeReply(line []byte, size int, op *Op) (more bool, err error) {
	k := c.expected(0)
	if c.reader.owesEnd {
		return true, c.takeLineEnd(line, size)
	}
	if k == nil {
		return false, errStray
	}
	reply := &c.reader.reply
	if err := reply.Decode(line, k.command, k.form); err != nil {
		return true, c.takeError(k, err, size)
	}
	switch k.form {
	case protocol.FormLine:
		return c.takeOfLine(reply, size, op)
	case protocol.FormStats:
		return true, c.takeStat(k, reply, size)
	case protocol.FormQuiet:
		c.takeQuietEnd(reply, size)
		return true, nil
	}
	if err := verify(k, reply, c.dialect); err != nil {
		return false, err
	}
	return c.takeBlock(k, reply, size, op)
}

// verify checks what the protocol offers to detect a shifted reply.
func verify(k *call, reply *protocol.Reply, d protocol.Dialect) error {
	if reply.Has(protocol.ReturnKey) && !reply.IsKey(k.key) {
		return errShifted
	}
	if reply.Opaque == k.opaque { // both 0 if there is none
		return nil
	}
	if !reply.Has(protocol.WithOpaque) && reply.Status == protocol.Miss && d == protocol.MetaBasic {
		return nil
	}
	return errShifted
}

// takeError delivers an error line, if the connection is in sync after it.
func (c *conn) takeError(k *call, err error, size int) error {
	var refused *protocol.ServerError
	if !errors.As(err, &refused) || k.form == protocol.FormLine || !refused.InSync() {
		return err
	}
	switch {
	case k.form == protocol.FormQuiet:
		return c.takeRefusal(err, size)
	case k.form == protocol.FormStats && (k.key == "" || len(k.stats) > 0): // it is not about the group
		return &protocol.ServerError{Kind: refused.Kind, Text: refused.Text} // which is not in sync
	}
	c.reader.r += size
	c.failHead(k, err)
	return nil
}

// failHead ends k, which is the head and was written, with an error of its own.
func (c *conn) failHead(k *call, err error) {
	k.err, k.sent = err, true
	c.owed.pop()
	c.deliver(k)
}

// takeOfLine takes a line of the reply to "gets": a VALUE answers its own key and says that the keys before it in
// the line have missed; END says so of all that are left.
func (c *conn) takeOfLine(reply *protocol.Reply, size int, op *Op) (more bool, err error) {
	if reply.Status == protocol.Miss {
		c.reader.r += size
		c.missRestOfLine()
		return true, nil
	}
	skipped, found := c.findInLine(reply)
	if !found {
		return false, errShifted
	}
	for range skipped {
		c.miss()
	}
	return c.takeBlock(c.owed.peek(0), reply, size, op)
}

// findInLine returns how many keys of the head's line come before the one that the reply is for.
func (c *conn) findInLine(reply *protocol.Reply) (skipped uint32, found bool) {
	for {
		k := c.expected(skipped)
		switch {
		case k == nil:
			return 0, false
		case reply.IsKey(k.key):
			return skipped, true
		case k.endsGroup:
			return 0, false
		}
		skipped++
	}
}

// expected returns the i-th owed call whose request was written, nil if there are fewer.
func (c *conn) expected(i uint32) *call {
	if int32(c.sentTail.Load()-c.owed.head.Load()-i) <= 0 {
		return nil
	}
	return c.owed.peek(i)
}

func (c *conn) missRestOfLine() {
	for {
		end := c.owed.peek(0).endsGroup
		c.miss()
		if end {
			return
		}
	}
}

// miss answers the head with a miss.
func (c *conn) miss() {
	k := c.owed.peek(0)
	k.reply = protocol.Reply{Status: protocol.Miss, Block: -1}
	c.count(k, protocol.Miss, 0)
	c.owed.pop()
	c.deliver(k)
}

func (c *conn) takeLineEnd(line []byte, size int) error {
	if string(line) != "END" {
		return errShifted
	}
	c.reader.owesEnd = false
	c.reader.r += size
	return nil
}

// maxStats bounds the lines of one reply. "stats conns" has seven for each connection.
const maxStats = 1 << 16

func (c *conn) takeStat(k *call, reply *protocol.Reply, size int) error {
	c.reader.r += size
	if reply.Status != protocol.More {
		k.reply = *reply
		c.owed.pop()
		c.deliver(k)
		return nil
	}
	if len(k.stats) == maxStats {
		return errEndless
	}
	k.stats = append(k.stats, Stat{reply.Name, reply.Text})
	return nil
}

// deliver publishes a call's result and, if its caller is gone, puts it back for use.
func (c *conn) deliver(k *call) {
	if k.finish() {
		return
	}
	if isJournaled(k.command) {
		c.node.noteLate(k, c.id)
	}
	c.node.freeCall(k)
}
