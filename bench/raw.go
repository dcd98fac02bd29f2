package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
)

var peerRaw = peer{name: "raw connection", open: openRaw}

// rawClient gives each goroutine a connection and no more: no pool, no deadline, no routing. It is the floor of what a
// client costs that sends one request at a time on a connection.
type rawClient struct {
	addr  string
	conns []net.Conn
}

func openRaw(_ *servers, nodes []string, _ int) (client, error) {
	if len(nodes) != 1 {
		return nil, errUnsupported
	}
	return &rawClient{addr: nodes[0]}, nil
}

func (c *rawClient) worker() (worker, error) {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return nil, err
	}
	c.conns = append(c.conns, conn)
	return &rawWorker{conn: conn, in: make([]byte, 0, 4<<10)}, nil
}

func (c *rawClient) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

type rawWorker struct {
	conn    net.Conn
	out, in []byte
}

var (
	endOfLine = []byte("\r\n")
	endOfGet  = []byte("END\r\n")
	errMiss   = errors.New("miss")
)

// get returns a value of its own, as the libraries do.
func (w *rawWorker) get(key string) (int, error) {
	w.out = append(append(append(w.out[:0], "get "...), key...), "\r\n"...)
	if err := w.exchange(endOfGet); err != nil {
		return 0, err
	}
	value, err := valueOf(w.in)
	if err != nil {
		return 0, err
	}
	return len(bytes.Clone(value)), nil
}

func (w *rawWorker) set(key string, value []byte) error {
	w.out = append(append(append(w.out[:0], "set "...), key...), " 0 0 "...)
	w.out = append(strconv.AppendInt(w.out, int64(len(value)), 10), "\r\n"...)
	w.out = append(append(w.out, value...), "\r\n"...)
	if err := w.exchange(endOfLine); err != nil {
		return err
	}
	if string(w.in) != "STORED\r\n" {
		return fmt.Errorf("set: %q", w.in)
	}
	return nil
}

func (w *rawWorker) getMulti([]string) (int, error) { return 0, errUnsupported }

// exchange writes the request and reads until the reply ends with suffix. The benchmark's values never do.
func (w *rawWorker) exchange(suffix []byte) error {
	if _, err := w.conn.Write(w.out); err != nil {
		return err
	}
	w.in = w.in[:0]
	for !bytes.HasSuffix(w.in, suffix) {
		w.in = slices.Grow(w.in, 1)
		n, err := w.conn.Read(w.in[len(w.in):cap(w.in)])
		if err != nil {
			return err
		}
		w.in = w.in[:len(w.in)+n]
	}
	return nil
}

// valueOf cuts the value out of "VALUE key flags bytes\r\n...\r\nEND\r\n".
func valueOf(reply []byte) ([]byte, error) {
	line, rest, _ := bytes.Cut(reply, endOfLine)
	if !bytes.HasPrefix(line, []byte("VALUE ")) {
		return nil, errMiss
	}
	size, err := strconv.Atoi(string(line[bytes.LastIndexByte(line, ' ')+1:]))
	if err != nil || size+len(endOfLine)+len(endOfGet) != len(rest) {
		return nil, fmt.Errorf("reply %q", line)
	}
	return rest[:size], nil
}
