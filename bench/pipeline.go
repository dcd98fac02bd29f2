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

var (
	peerPipeline           = peer{name: "raw pipeline", open: openPipeline}
	peerPipelineReplicated = peer{name: "raw pipeline", open: openPipelineReplicated}
)

// pipelineClient has all goroutines share one connection to each node and does no more: no deadline, no health, no routing, no
// check that a reply belongs to its request, and after an error nothing. It is the floor of what a client costs that shares
// connections: on a machine where it does not reach a goal, nothing does that wakes a goroutine for each reply.
type pipelineClient struct {
	pipes      []*pipe
	replicated bool // a set goes to every node, else to one
}

func openPipeline(_ *servers, nodes []string, _ int) (client, error) {
	c := new(pipelineClient)
	for _, node := range nodes {
		conn, err := net.Dial("tcp", node)
		if err != nil {
			return nil, err
		}
		c.pipes = append(c.pipes, &pipe{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)})
	}
	return c, nil
}

func openPipelineReplicated(s *servers, nodes []string, goroutines int) (client, error) {
	c, err := openPipeline(s, nodes, goroutines)
	if err == nil {
		c.(*pipelineClient).replicated = true
	}
	return c, err
}

func (c *pipelineClient) worker() (worker, error) {
	w := &pipelineWorker{replicated: c.replicated, turns: make([]turn, len(c.pipes))}
	for i, p := range c.pipes {
		w.turns[i] = turn{pipe: p, wake: make(chan struct{}, 1)}
	}
	return w, nil
}

func (c *pipelineClient) close() {
	for _, p := range c.pipes {
		p.conn.Close()
	}
}

// pipe is a connection that callers share: of those that want something, one writes and reads for all.
type pipe struct {
	conn net.Conn
	in   *bufio.Reader

	mu    sync.Mutex
	open  exchange // callers add to it
	spare exchange // memory of an earlier one
	led   bool     // one of the callers writes and reads
}

// exchange is what is written at once, and whose replies are read at once: the keys of one "get", and then sets.
type exchange struct {
	line, sets    []byte
	gets, storers []*turn
}

// turn is one caller at one pipe.
type turn struct {
	pipe  *pipe
	wake  chan struct{}
	first bool     // nobody led when it came: it does
	leads bool     // set before wake: it is the next leader, and not answered yet
	led   exchange // what it has written
	value []byte
	err   error
}

type pipelineWorker struct {
	turns      []turn // by node
	replicated bool
}

// at returns the turn at key's node.
func (w *pipelineWorker) at(key string) []turn {
	i := nodeOf(key, len(w.turns))
	return w.turns[i : i+1]
}

// get returns a value of its own, as the libraries do.
func (w *pipelineWorker) get(key string) (int, error) {
	turns := w.at(key)
	t := &turns[0]
	x := t.pipe.lock()
	if len(x.gets) == 0 {
		x.line = append(x.line, "get"...)
	}
	x.line = append(append(x.line, ' '), key...)
	x.gets = append(x.gets, t)
	t.begin()
	err := finish(turns)
	return len(t.value), err
}

func (w *pipelineWorker) set(key string, value []byte) error {
	turns := w.turns
	if !w.replicated {
		turns = w.at(key)
	}
	for i := range turns {
		t := &turns[i]
		x := t.pipe.lock()
		x.sets = appendSet(x.sets, key, value)
		x.storers = append(x.storers, t)
		t.begin()
	}
	return finish(turns)
}

func (w *pipelineWorker) getMulti([]string) (int, error) { return 0, errUnsupported }

// lock returns the exchange that a caller adds its request to.
func (p *pipe) lock() *exchange {
	p.mu.Lock()
	return &p.open
}

// begin unlocks. The first to come leads.
func (t *turn) begin() {
	t.first, t.pipe.led = !t.pipe.led, true
	t.pipe.mu.Unlock()
}

// finish waits for the replies at all pipes. Who leads lets those that were just woken add their requests first; those that
// come later are the next exchange, and the first of them its leader. All callers wait at the pipes in the same order.
func finish(turns []turn) error {
	runtime.Gosched()
	for i := range turns {
		if turns[i].first {
			turns[i].write()
		}
	}
	var failed error
	for i := range turns {
		t := &turns[i]
		t.wait()
		if t.err != nil {
			failed = t.err
		}
	}
	return failed
}

func (t *turn) wait() {
	if !t.first {
		<-t.wake
	}
	if t.leads {
		t.leads = false
		t.write()
	} else if !t.first {
		return
	}
	t.lead()
}

func (t *turn) write() {
	p := t.pipe
	p.mu.Lock()
	x := p.open
	p.open = p.spare.emptied()
	p.mu.Unlock()
	out := x.line
	if len(x.gets) > 0 {
		out = append(out, endOfLine...)
	}
	out = append(out, x.sets...)
	x.line = out
	t.led = x
	_, t.err = p.conn.Write(out)
}

func (x exchange) emptied() exchange {
	return exchange{x.line[:0], x.sets[:0], x.gets[:0], x.storers[:0]}
}

// lead reads for all and hands on.
func (t *turn) lead() {
	p, x, err := t.pipe, t.led, t.err
	for _, of := range x.gets {
		if err == nil {
			err = p.readValue(of)
		}
		of.answer(err, t)
	}
	if len(x.gets) > 0 && err == nil {
		_, err = p.in.Discard(len(endOfGet))
	}
	for _, of := range x.storers {
		if err == nil {
			err = p.readStored()
		}
		of.answer(err, t)
	}
	p.handOn(x)
}

// answer gives t its result, and wakes its caller unless that is the leader.
func (t *turn) answer(err error, leader *turn) {
	t.err = err
	if t != leader {
		t.wake <- struct{}{}
	}
}

// handOn makes the first of those that have come meanwhile the leader, if there is one.
func (p *pipe) handOn(done exchange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spare = done
	var next *turn
	switch {
	case len(p.open.gets) > 0:
		next = p.open.gets[0]
	case len(p.open.storers) > 0:
		next = p.open.storers[0]
	}
	if p.led = next != nil; p.led {
		next.leads = true
		next.wake <- struct{}{}
	}
}

// readValue reads "VALUE key flags bytes\r\n...\r\n", without the END of its line.
func (p *pipe) readValue(t *turn) error {
	line, err := p.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	size, err := sizeIn(bytes.TrimSuffix(line, endOfLine))
	if err != nil {
		return err
	}
	t.value = make([]byte, size)
	if _, err := io.ReadFull(p.in, t.value); err != nil {
		return err
	}
	_, err = p.in.Discard(len(endOfLine))
	return err
}

func (p *pipe) readStored() error {
	line, err := p.in.ReadSlice('\n')
	if err == nil && string(line) != "STORED\r\n" {
		err = fmt.Errorf("set: %q", line)
	}
	return err
}
