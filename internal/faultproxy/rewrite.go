package faultproxy

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
)

// isOrderly reports whether a read ended because the sender said so.
func isOrderly(err error) bool { return err == io.EOF }

// maxLine bounds what the rewriter keeps of a line without end; what is longer passes as it is.
const maxLine = 64 << 10

// strayLines are replies that a client may be waiting for, and some that it may not.
var strayLines = []string{"END\r\n", "EN\r\n", "HD\r\n", "STORED\r\n", "NS\r\n", "ERROR\r\n", "NOT_FOUND\r\n", "VERSION 1.6.18\r\n", "0\r\n"}

// rewriter cuts what a node says into replies and makes some of them wrong.
type rewriter struct {
	rnd     *rand.Rand
	pending []byte // the beginning of a reply
	held    []byte // a reply that waits for the next one
}

// next returns what to send on for b.
func (w *rewriter) next(b []byte, how Rewrite) []byte {
	w.pending = append(w.pending, b...)
	var out []byte
	at := 0
	for {
		n := replyLength(w.pending[at:])
		if n == 0 {
			break
		}
		out = w.pass(out, w.pending[at:at+n], how)
		at += n
	}
	w.pending = slices.Delete(w.pending, 0, at)
	return out
}

// rest returns what is left when the node has ended.
func (w *rewriter) rest() []byte { return append(w.held, w.pending...) }

// pass appends what becomes of one reply.
func (w *rewriter) pass(out, reply []byte, how Rewrite) []byte {
	if w.held != nil {
		out = append(append(out, reply...), w.held...)
		w.held = nil
		return out
	}
	if how.Kind == NoRewrite || how.Every > 1 && w.rnd.IntN(how.Every) > 0 {
		return append(out, reply...)
	}
	switch how.Kind {
	case StrayLine:
		out = append(out, strayLines[w.rnd.IntN(len(strayLines))]...)
	case CorruptLength:
		return w.corrupt(out, reply)
	case SwapReplies:
		w.held = bytes.Clone(reply)
		return out
	case DuplicateReply:
		out = append(out, reply...)
	}
	return append(out, reply...)
}

// corrupt appends a reply that announces a few bytes more or less than it has.
func (w *rewriter) corrupt(out, reply []byte) []byte {
	from, to, size, ok := lengthField(reply)
	if !ok {
		return append(out, reply...)
	}
	wrong := max(0, size+w.rnd.IntN(9)-4)
	if wrong == size {
		wrong++
	}
	out = append(out, reply[:from]...)
	out = strconv.AppendInt(out, int64(wrong), 10)
	return append(out, reply[to:]...)
}

// replyLength returns the length of the reply that b begins with, 0 if it is not all there. A value with its line is one
// reply, any other line another: what is wrong with the bytes is the client's to find out.
func replyLength(b []byte) int {
	line := bytes.IndexByte(b, '\n') + 1
	if line == 0 {
		if len(b) > maxLine {
			return len(b)
		}
		return 0
	}
	_, _, size, ok := lengthField(b[:line])
	if !ok {
		return line
	}
	if whole := line + size + len("\r\n"); whole <= len(b) {
		return whole
	}
	return 0
}

// lengthField finds the length in "VALUE key flags length" and "VA length" (memcached's protocol.txt, "Retrieval
// command" and "Meta Get").
func lengthField(reply []byte) (from, to, size int, ok bool) {
	field := 0
	switch {
	case bytes.HasPrefix(reply, []byte("VA ")):
		field = 1
	case bytes.HasPrefix(reply, []byte("VALUE ")):
		field = 3
	default:
		return 0, 0, 0, false
	}
	for range field {
		space := bytes.IndexByte(reply[from:], ' ')
		if space < 0 {
			return 0, 0, 0, false
		}
		from += space + 1
	}
	to = from
	for to < len(reply) && reply[to] >= '0' && reply[to] <= '9' {
		to++
	}
	size, err := strconv.Atoi(string(reply[from:to]))
	return from, to, size, err == nil && size <= maxValue
}

// maxValue is the largest length that counts as one: memcached's own limit is 1 GiB.
const maxValue = 1 << 30
