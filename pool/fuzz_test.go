package pool

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/nohop/memcache/protocol"
)

// cannedConn is a connection on which the peer has said all it will ever say. Like a socket it can be interrupted, though
// it never waits.
type cannedConn struct {
	net.Conn
	greeting, replies []byte
	most              int // bytes of one read
}

func (c *cannedConn) Read(b []byte) (int, error) {
	if len(c.greeting) > 0 {
		n := copy(b, c.greeting)
		c.greeting = c.greeting[n:]
		return n, nil
	}
	if len(c.replies) == 0 {
		return 0, io.EOF
	}
	n := copy(b[:min(len(b), c.most)], c.replies)
	c.replies = c.replies[n:]
	return n, nil
}

func (c *cannedConn) RemoteAddr() net.Addr             { return nil }
func (c *cannedConn) Write(b []byte) (int, error)      { return len(b), nil }
func (c *cannedConn) Close() error                     { return nil }
func (c *cannedConn) SetDeadline(time.Time) error      { return nil }
func (c *cannedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *cannedConn) SetWriteDeadline(time.Time) error { return nil }

// fuzzScript is what is asked of a peer that answers anything.
func fuzzScript() []*Op {
	ops := getOps("a", "bb", "a", "c")
	for _, r := range []protocol.Request{
		{Command: protocol.Set, Key: "a", Value: []byte("v")},
		{Command: protocol.Delete, Key: "bb"},
		{Command: protocol.Get, Key: "a", Meta: protocol.ReturnValue | protocol.ReturnKey},
		{Command: protocol.Increment, Key: "n", Meta: protocol.ReturnValue},
		{Command: protocol.Touch, Key: "a", Exptime: 9},
		{Command: protocol.GetAndTouch, Key: "bb", Exptime: 9},
		{Command: protocol.Stats},
		{Command: protocol.Version},
		{Command: protocol.Noop},
		{Command: protocol.Set, Key: "a", Value: []byte("v")},
		{Command: protocol.Set, Key: "bb", Value: []byte("w")},
		{Command: protocol.Set, Key: "c"},
	} {
		ops = append(ops, &Op{Request: r})
	}
	ops = append(ops, getOps("d")...)
	ops[0].Dst = make([]byte, 0, 10)
	return ops
}

// FuzzReader has a peer answer a fixed script of requests with arbitrary bytes. The node must neither panic nor hang, nor
// return a value that was not framed for its key.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{
		"",
		"END\r\nHD O1\r\nHD O2\r\n",
		"VALUE a 0 1 1\r\nx\r\nVALUE bb 0 2 1\r\nyy\r\nVALUE a 0 1 1\r\nz\r\nVALUE c 0 0 1\r\n\r\nEND\r\nHD O1\r\nNF O2\r\n",
		"END\r\nHD O1\r\nHD O2\r\nVA 3 ka O3\r\nabc\r\nVA 2 O4\r\n17\r\nHD O5\r\nVA 1 f0 c1 O6\r\nx\r\nSTAT a b\r\nEND\r\n" +
			"VERSION 1.6.18\r\nMN\r\nMN\r\nVALUE d 0 3 9\r\nabc\r\nEND\r\n",
		"END\r\nHD O1\r\nHD O2\r\nVA 3 ka O3\r\nabc\r\nVA 2 O4\r\n17\r\nHD O5\r\nVA 1 f0 c1 O6\r\nx\r\nEND\r\n" +
			"VERSION 1.6.18\r\nMN\r\nSERVER_ERROR out of memory storing object\r\nMN\r\nVALUE d 0 3 9\r\nabc\r\nEND\r\n",
		"END\r\nSTORED\r\nDELETED\r\nEND\r\n5\r\nTOUCHED\r\nVALUE bb 0 1\r\nx\r\nEND\r\nEND\r\nVERSION 1.4\r\nVERSION 1.4\r\nEND\r\n",
		"VALUE a 0 4294967290 1\r\n",
		"VALUE a 0 8388608 1\r\nshort",
		"VALUE a 0 5 1\r\nEND\r\n\r\nEND\r\n",
		"VALUE c 0 1 1\r\nx\r\nEND\r\nSERVER_ERROR object too large for cache\r\n",
		"VALUE a 0 20000 1\r\n" + string(bytes.Repeat([]byte("x"), 20000)) + "\r\nEND\r\n",
		"\n", "\r\n", "\x00", " ", "END",
	} {
		for _, most := range []uint16{1, 3, 60_000} {
			f.Add([]byte(seed), most, false)
			f.Add([]byte(seed), most, true)
		}
	}
	f.Fuzz(func(t *testing.T, replies []byte, most uint16, text bool) {
		cfg := Config{Addr: "node:11211", Timeout: 10 * time.Second, MaxValue: 1 << 20}
		if text {
			cfg.Dialect = protocol.Text
		}
		dials := 0
		cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
			if dials++; dials > 2 {
				return nil, os.ErrDeadlineExceeded
			}
			return &cannedConn{greeting: []byte("VERSION 1.6.18\r\n"), replies: replies, most: int(most) + 1}, nil
		}
		n := NewNode(cfg)
		ops := fuzzScript()
		start := time.Now()
		n.Do(context.Background(), ops)
		if took := time.Since(start); took > cfg.Timeout/2 {
			t.Fatalf("a peer that had said everything was waited for: %v", took)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		for i, op := range ops {
			if !framed(op, replies) {
				t.Fatalf("op %d, %s %s: value %q, err %v was not framed for it", i, op.Request.Command, op.Request.Key, op.Value, op.Err)
			}
		}
	})
}

// framed reports whether the replies hold op's value as a data block, behind a line that names the key or is a meta line.
func framed(op *Op, replies []byte) bool {
	if op.Err != nil {
		return op.Value == nil && op.Reply.Status == protocol.NoReply
	}
	if len(op.Value) == 0 {
		return true
	}
	for rest := replies; ; {
		line, block, found := bytes.Cut(rest, []byte("\r\n"))
		if !found {
			return false
		}
		named := bytes.Contains(line, []byte("VALUE "+op.Request.Key+" ")) || bytes.Contains(line, []byte("VA "))
		if named && bytes.HasPrefix(block, append(op.Value, "\r\n"...)) {
			return true
		}
		rest = block
	}
}
