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

// rawClient gives each goroutine a connection to each node and no more: no pool, no deadline, no health. It is the floor of
// what a client costs that sends one request at a time on a connection.
type rawClient struct {
	nodes []string
	conns []net.Conn
}

func openRaw(_ *servers, nodes []string, _ int) (client, error) { return &rawClient{nodes: nodes}, nil }

func (c *rawClient) worker() (worker, error) {
	w := &rawWorker{in: make([]byte, 0, 4<<10), keys: make([][]string, len(c.nodes))}
	for _, node := range c.nodes {
		conn, err := net.Dial("tcp", node)
		if err != nil {
			return nil, err
		}
		c.conns = append(c.conns, conn)
		w.conns = append(w.conns, conn)
	}
	return w, nil
}

func (c *rawClient) close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

type rawWorker struct {
	conns   []net.Conn // by node
	keys    [][]string // of a GetMulti, by node
	out, in []byte
}

func (w *rawWorker) node(key string) int { return nodeOf(key, len(w.conns)) }

// nodeOf returns at which of so many nodes the floors have a key: by the last digit of its number, which costs nothing.
func nodeOf(key string, nodes int) int { return int(key[len(key)-1]) % nodes }

var (
	endOfLine = []byte("\r\n")
	endOfGet  = []byte("END\r\n")
	errMiss   = errors.New("miss")
)

// get returns a value of its own, as the libraries do.
func (w *rawWorker) get(key string) (int, error) {
	w.out = append(append(append(w.out[:0], "get "...), key...), "\r\n"...)
	if err := w.exchange(w.node(key), endOfGet); err != nil {
		return 0, err
	}
	value, err := valueOf(w.in)
	if err != nil {
		return 0, err
	}
	return len(bytes.Clone(value)), nil
}

func (w *rawWorker) set(key string, value []byte) error {
	w.out = appendSet(w.out[:0], key, value)
	if err := w.exchange(w.node(key), endOfLine); err != nil {
		return err
	}
	if string(w.in) != "STORED\r\n" {
		return fmt.Errorf("set: %q", w.in)
	}
	return nil
}

// getMulti returns how many keys it has put into a map, with a value of its own for each, as the libraries do.
func (w *rawWorker) getMulti(keys []string) (int, error) {
	for i := range w.keys {
		w.keys[i] = w.keys[i][:0]
	}
	for _, key := range keys {
		node := w.node(key)
		w.keys[node] = append(w.keys[node], key)
	}
	for node, keys := range w.keys {
		w.out = append(w.out[:0], "get"...)
		for _, key := range keys {
			w.out = append(append(w.out, ' '), key...)
		}
		w.out = append(w.out, endOfLine...)
		if _, err := w.conns[node].Write(w.out); err != nil {
			return 0, err
		}
	}
	found := make(map[string][]byte, len(keys))
	for node, keys := range w.keys {
		if err := w.read(node, endOfGet); err != nil {
			return 0, err
		}
		if err := takeValues(found, keys, w.in); err != nil {
			return 0, err
		}
	}
	return len(found), nil
}

// takeValues puts the values of a reply, which come in the order of keys, into found.
func takeValues(found map[string][]byte, keys []string, reply []byte) error {
	for _, key := range keys {
		value, rest, err := cutValue(reply)
		if err != nil {
			return err
		}
		found[key] = bytes.Clone(value)
		reply = rest
	}
	return nil
}

func appendSet(dst []byte, key string, value []byte) []byte {
	dst = append(append(append(dst, "set "...), key...), " 0 0 "...)
	dst = append(strconv.AppendInt(dst, int64(len(value)), 10), endOfLine...)
	return append(append(dst, value...), endOfLine...)
}

// exchange writes the request to a node and reads the reply.
func (w *rawWorker) exchange(node int, suffix []byte) error {
	if _, err := w.conns[node].Write(w.out); err != nil {
		return err
	}
	return w.read(node, suffix)
}

// read reads until the reply of a node ends with suffix. The benchmark's values never do.
func (w *rawWorker) read(node int, suffix []byte) error {
	w.in = w.in[:0]
	for !bytes.HasSuffix(w.in, suffix) {
		w.in = slices.Grow(w.in, 1)
		n, err := w.conns[node].Read(w.in[len(w.in):cap(w.in)])
		if err != nil {
			return err
		}
		w.in = w.in[:len(w.in)+n]
	}
	return nil
}

// valueOf cuts the value out of "VALUE key flags bytes\r\n...\r\nEND\r\n".
func valueOf(reply []byte) ([]byte, error) {
	value, rest, err := cutValue(reply)
	if err == nil && len(rest) != len(endOfGet) {
		err = fmt.Errorf("%d bytes behind the value", len(rest))
	}
	return value, err
}

// cutValue cuts off "VALUE key flags bytes\r\n...\r\n".
func cutValue(reply []byte) (value, rest []byte, err error) {
	line, rest, _ := bytes.Cut(reply, endOfLine)
	size, err := sizeIn(line)
	if err != nil {
		return nil, nil, err
	}
	if len(rest) < size+len(endOfLine) {
		return nil, nil, fmt.Errorf("reply %q", line)
	}
	return rest[:size], rest[size+len(endOfLine):], nil
}

// sizeIn returns the bytes in "VALUE key flags bytes".
func sizeIn(line []byte) (int, error) {
	if !bytes.HasPrefix(line, []byte("VALUE ")) {
		return 0, errMiss
	}
	return strconv.Atoi(string(line[bytes.LastIndexByte(line, ' ')+1:]))
}
