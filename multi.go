package memcache

import (
	"context"
	"errors"
	"sync"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// GetMulti returns the items of keys that are there, by key. All nodes are asked at once, and keys of one node share its
// requests. A key that is not there is not in the map. If nodes fail, what the others had is returned together with a
// *MultiError. A malformed key is an error before anything is sent.
//
// The items of one call share memory: to keep a few of many for long, copy them.
func (c *Client) GetMulti(ctx context.Context, keys []string) (map[string]*Item, error) {
	m := c.newMulti()
	defer m.free()
	at := func(i int) string { return keys[i] }
	for i, key := range keys {
		if hasEnded(ctx, i) {
			return map[string]*Item{}, unsent(ctx, protocol.Get, len(keys), at)
		}
		op := m.next()
		c.prepare(op, protocol.Get, key, readFlags)
		if err := check(&op.Request); err != nil {
			return nil, err
		}
	}
	if len(keys) == 0 {
		return map[string]*Item{}, nil
	}
	m.read(ctx)
	items := m.items(keys)
	found := make(map[string]*Item, len(items))
	for i := range items {
		found[items[i].Key] = &items[i]
	}
	return found, m.err(at)
}

// lookEvery is how many requests of a large batch are made between two looks at its context.
const lookEvery = 256

// hasEnded reports whether ctx has ended, where it is looked at before request number i.
func hasEnded(ctx context.Context, i int) bool { return i%lookEvery == lookEvery-1 && ctx.Err() != nil }

// unsent is the error of a batch of which nothing was sent, because ctx has ended.
func unsent(ctx context.Context, command protocol.Command, keys int, key func(int) string) error {
	err := &OpError{Command: command, Outcome: pool.NotSent, Err: ctx.Err()}
	e := &MultiError{Keys: keys, Nodes: map[string]error{"": err}, failed: make([]failedKey, keys)}
	for i := range e.failed {
		e.failed[i] = failedKey{key(i), err}
	}
	return e
}

// multi is a batch of ops, kept for use again.
type multi struct {
	client *Client
	view   *view
	ops    []*route.Op
	used   int
	door   int // of the gate
}

var multis = sync.Pool{New: func() any { return &multi{door: newDoor()} }}

// newMulti returns a batch of no ops; free gives it back.
func (c *Client) newMulti() *multi {
	m := multis.Get().(*multi)
	c.gate.enter(m.door)
	m.client, m.view = c, c.view.Load()
	return m
}

// maxKeptOps bounds the ops that a multi keeps.
const maxKeptOps = 1024

func (m *multi) next() *route.Op {
	if m.used == len(m.ops) {
		m.grow()
	}
	m.used++
	return m.ops[m.used-1]
}

// grow adds ops in blocks, each one allocation.
func (m *multi) grow() {
	block := make([]route.Op, max(16, min(len(m.ops), 256)))
	for i := range block {
		m.ops = append(m.ops, &block[i])
	}
}

// dropLast takes the last op out again.
func (m *multi) dropLast() {
	m.used--
	*m.ops[m.used] = route.Op{}
}

func (m *multi) batch() []*route.Op { return m.ops[:m.used] }

func (m *multi) free() {
	for _, op := range m.batch() {
		*op = route.Op{}
	}
	m.client.gate.leave(m.door)
	m.client, m.view, m.used = nil, nil, 0
	if len(m.ops) <= maxKeptOps {
		multis.Put(m)
	}
}

func isHit(op *route.Op) bool { return op.Err == nil && op.Reply.Status == protocol.OK }

// read does the batch, which are reads. A value that cannot be decompressed is its op's error.
func (m *multi) read(ctx context.Context) {
	m.view.read.Do(ctx, m.batch())
	z := m.client.cfg.compression
	if z == nil {
		return
	}
	for _, op := range m.batch() {
		if !isHit(op) {
			continue
		}
		if err := z.unpack(op); err != nil {
			op.Err = unreadable(op, err)
		}
	}
}

// unreadable is err as one of the node that has the value, if it was a node and not a route that answered.
func unreadable(op *route.Op, err error) error {
	e := &OpError{Command: op.Request.Command, Err: err}
	if op.Node != nil {
		e.Node = op.Node.Name()
	}
	return e
}

// items returns what was found, keys being those of the batch.
func (m *multi) items(keys []string) []Item {
	hits := 0
	for _, op := range m.batch() {
		if isHit(op) {
			hits++
		}
	}
	items := make([]Item, 0, hits)
	for i, op := range m.batch() {
		if isHit(op) {
			items = append(items, Item{})
			fill(&items[len(items)-1], keys[i], op)
		}
	}
	return items
}

// err returns what has failed; key returns the application's key of each op.
func (m *multi) err(key func(int) string) error {
	var failed MultiError
	m.collect(&failed, key)
	return failed.orNil()
}

// collect adds what has failed.
func (m *multi) collect(failed *MultiError, key func(int) string) {
	for i, op := range m.batch() {
		if op.Err != nil {
			failed.add(key(i), op.Err)
		}
	}
}

func (e *MultiError) add(key string, err error) {
	e.failed = append(e.failed, failedKey{key, err})
	if e.Nodes == nil {
		e.Nodes = make(map[string]error)
	}
	e.Keys++
	node := ""
	var op *OpError
	if errors.As(err, &op) {
		node = op.Node
	}
	if e.Nodes[node] == nil {
		e.Nodes[node] = err
	}
}

// orNil returns e if something has failed.
func (e *MultiError) orNil() error {
	if e.Keys == 0 {
		return nil
	}
	return e
}
