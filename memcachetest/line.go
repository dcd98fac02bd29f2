package memcachetest

import (
	"bytes"
	"errors"
	"io"
)

// Limits of memcached 1.6.18's text parser (proto_text.c).
const (
	readBufferSize = 16 << 10 // one read of the socket takes at most this much
	maxLineNotGet  = 2048     // more bytes than this without LF end a connection
	maxGetIndent   = 100      // leading spaces that still make a long line a get
	maxTokens      = 23       // words per pass of the tokenizer
	maxKeyLen      = 250      // bytes
)

// errJunk reports bytes that are no request: memcached closes silently.
var errJunk = errors.New("no line end in the first 2048 bytes")

// lineReader cuts a stream into command lines and data blocks the way
// memcached does: what it accepts depends on how the bytes arrived. It is used
// by one goroutine.
type lineReader struct {
	src   io.Reader
	ahead func() error // called before each read that waits for a next line
	buf   []byte
	start int // buf[start:end] is read and not consumed
	end   int
}

func newLineReader(src io.Reader, ahead func() error) *lineReader {
	return &lineReader{src: src, ahead: ahead, buf: make([]byte, readBufferSize)}
}

// line returns the next line without its end, valid until the next call. A CR
// alone on its line stays, as in memcached.
func (r *lineReader) line() ([]byte, error) {
	for {
		data := r.buf[r.start:r.end]
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			r.start += i + 1
			return trimCR(data[:i]), nil
		}
		if len(data) > maxLineNotGet && !longGet(data) {
			return nil, errJunk
		}
		if err := r.ahead(); err != nil {
			return nil, err
		}
		if err := r.fill(); err != nil {
			return nil, err
		}
	}
}

func trimCR(line []byte) []byte {
	if n := len(line); n > 1 && line[n-1] == '\r' {
		return line[:n-1]
	}
	return line
}

// longGet reports whether a line of unknown length may be a large multiget,
// the only command that may exceed maxLineNotGet.
func longGet(data []byte) bool {
	words := bytes.TrimLeft(data, " ")
	if len(data)-len(words) > maxGetIndent {
		return false
	}
	return bytes.HasPrefix(words, []byte("get ")) || bytes.HasPrefix(words, []byte("gets "))
}

// fill reads once into the free part of the buffer, which it makes first.
func (r *lineReader) fill() error {
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) {
		r.buf = append(r.buf, make([]byte, len(r.buf))...)
	}
	n, err := r.src.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	return err
}

// idle reports whether every byte read so far is consumed.
func (r *lineReader) idle() bool { return r.start == r.end }

// body fills p with the next bytes. Unlike line it never calls ahead:
// memcached holds back earlier replies while it waits for a data block.
func (r *lineReader) body(p []byte) error {
	n := copy(p, r.buf[r.start:r.end])
	r.start += n
	_, err := io.ReadFull(r.src, p[n:])
	return err
}

// skip consumes n bytes.
func (r *lineReader) skip(n int) error {
	for n > 0 {
		if r.idle() {
			if err := r.fill(); err != nil {
				return err
			}
		}
		step := min(n, r.end-r.start)
		r.start += step
		n -= step
	}
	return nil
}

// words are the tokens of a line. rest is what the tokenizer left after
// maxTokens words; nil when it reached the end of the line.
type words struct {
	list [][]byte
	rest []byte
}

// split cuts line into words at runs of spaces, into list's memory. A NUL ends
// the line, as memcached reads it as a C string.
func split(line []byte, list [][]byte) words {
	if i := bytes.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	list = list[:0]
	for len(line) > 0 {
		i := bytes.IndexByte(line, ' ')
		if i < 0 {
			return words{list: append(list, line)}
		}
		if i > 0 {
			list = append(list, line[:i])
		}
		line = line[i+1:]
		if i > 0 && len(list) == maxTokens && len(line) > 0 {
			return words{list: list, rest: line}
		}
	}
	return words{list: list}
}

// last returns the last word, or nil if there is none.
func (w words) last() []byte {
	if len(w.list) == 0 {
		return nil
	}
	return w.list[len(w.list)-1]
}
