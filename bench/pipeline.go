package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
)

var peerPipeline = peer{name: "raw pipeline", open: openPipeline}

// pipelineClient has all goroutines share one connection and does no more: no deadline, no health, no routing, no check that a
// reply belongs to its request, and after an error nothing. It is the floor of what a client costs that shares a connection:
// on a machine where it does not reach a goal, nothing does that wakes a goroutine for each reply.
type pipelineClient struct {
	conn net.Conn
	in   *bufio.Reader

	mu      sync.Mutex
	open    exchange // callers add to it
	spare   exchange // memory of an earlier one
	leading bool     // one of the callers writes and reads
}

// exchange is what is written at once, and whose replies are read at once.
type exchange struct {
	out    []byte
	owed   []*pipelineWorker
	isLine bool // the requests are the keys of one "get"
}

func openPipeline(_ *servers, nodes []string, _ int) (client, error) {
	if len(nodes) != 1 {
		return nil, errUnsupported
	}
	conn, err := net.Dial("tcp", nodes[0])
	if err != nil {
		return nil, err
	}
	return &pipelineClient{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *pipelineClient) worker() (worker, error) {
	return &pipelineWorker{client: c, wake: make(chan struct{}, 1)}, nil
}

func (c *pipelineClient) close() { c.conn.Close() }

// pipelineWorker is one caller and what it waits for.
type pipelineWorker struct {
	client *pipelineClient
	wake   chan struct{}
	leads  bool // set before wake: it is the next leader, and not answered yet
	value  []byte
	err    error
}

// get returns a value of its own, as the libraries do.
func (w *pipelineWorker) get(key string) (int, error) {
	x := w.client.lock()
	if !x.isLine {
		x.isLine = true
		x.out = append(x.out, "get"...)
	}
	x.out = append(append(x.out, ' '), key...)
	err := w.do(x)
	return len(w.value), err
}

func (w *pipelineWorker) set(key string, value []byte) error {
	x := w.client.lock()
	x.out = appendSet(x.out, key, value)
	return w.do(x)
}

func (w *pipelineWorker) getMulti([]string) (int, error) { return 0, errUnsupported }

// lock returns the exchange that a caller adds its request to. A workload either gets or sets, so that it is of one kind.
func (c *pipelineClient) lock() *exchange {
	c.mu.Lock()
	return &c.open
}

// do waits for the reply to what was added to x, under the lock. The first to come leads: it lets those that were just woken
// add theirs, and writes and reads for all. Those that come meanwhile are the next exchange, and the first of them its leader.
func (w *pipelineWorker) do(x *exchange) error {
	c := w.client
	x.owed = append(x.owed, w)
	waits := c.leading
	c.leading = true
	c.mu.Unlock()
	if waits {
		<-w.wake
	} else {
		w.leads = true
		runtime.Gosched()
	}
	if w.leads {
		w.leads = false
		c.lead(w)
	}
	return w.err
}

func (c *pipelineClient) lead(leader *pipelineWorker) {
	c.mu.Lock()
	x := c.open
	c.open = exchange{out: c.spare.out[:0], owed: c.spare.owed[:0]}
	c.mu.Unlock()
	if x.isLine {
		x.out = append(x.out, endOfLine...)
	}
	_, err := c.conn.Write(x.out)
	for _, w := range x.owed {
		if err == nil {
			err = c.read(w, x.isLine)
		}
		w.err = err
		if w != leader {
			w.wake <- struct{}{}
		}
	}
	if x.isLine && err == nil {
		_, leader.err = c.in.Discard(len(endOfGet))
	}
	c.handOn(x)
}

// handOn makes the first of those that have come meanwhile the leader, if there is one.
func (c *pipelineClient) handOn(done exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spare = done
	if c.leading = len(c.open.owed) > 0; c.leading {
		next := c.open.owed[0]
		next.leads = true
		next.wake <- struct{}{}
	}
}

// read reads w's reply: "VALUE key flags bytes\r\n...\r\n", without the END of its line, or "STORED\r\n".
func (c *pipelineClient) read(w *pipelineWorker, isGet bool) error {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	line = bytes.TrimSuffix(line, endOfLine)
	if !isGet && string(line) != "STORED" {
		return fmt.Errorf("set: %q", line)
	}
	if !isGet {
		return nil
	}
	size, err := sizeIn(line)
	if err != nil {
		return err
	}
	w.value = make([]byte, size)
	if _, err := io.ReadFull(c.in, w.value); err != nil {
		return err
	}
	_, err = c.in.Discard(len(endOfLine))
	return err
}
