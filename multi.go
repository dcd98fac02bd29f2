package memcache

import (
	"context"
	"errors"
	"sync"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// GetMulti returns the items of keys that are there, by key. All nodes are asked at once, and keys of one node share its
// requests. A key that is not there is not in the map. If nodes fail, what the others had is returned together with a
// *MultiError. A malformed key is an error before anything is sent.
//
// The items of one call share memory: to keep a few of many for long, copy them.
func (c *Client) GetMulti(ctx context.Context, keys []string) (map[string]*Item, error) {
	m := multis.Get().(*multi)
	defer m.free()
	for _, key := range keys {
		op := m.next()
		c.prepare(op, protocol.Get, key, readFlags)
		if err := protocol.Check(&op.Request); err != nil {
			return nil, err
		}
	}
	if len(keys) == 0 {
		return map[string]*Item{}, nil
	}
	c.view.Load().read.Do(ctx, m.batch())
	return m.items(), m.err()
}

// multi is a batch of ops, kept for use again.
type multi struct {
	ops  []*route.Op
	used int
}

var multis = sync.Pool{New: func() any { return new(multi) }}

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

func (m *multi) batch() []*route.Op { return m.ops[:m.used] }

func (m *multi) free() {
	for _, op := range m.batch() {
		*op = route.Op{}
	}
	m.used = 0
	if len(m.ops) <= maxKeptOps {
		multis.Put(m)
	}
}

func isHit(op *route.Op) bool { return op.Err == nil && op.Reply.Status == protocol.OK }

func (m *multi) items() map[string]*Item {
	hits := 0
	for _, op := range m.batch() {
		if isHit(op) {
			hits++
		}
	}
	items, found := make([]Item, 0, hits), make(map[string]*Item, hits)
	for _, op := range m.batch() {
		if isHit(op) {
			items = append(items, Item{})
			item := &items[len(items)-1]
			fill(item, op)
			found[item.Key] = item
		}
	}
	return found
}

func (m *multi) err() error {
	var failed *MultiError
	for _, op := range m.batch() {
		if op.Err == nil {
			continue
		}
		if failed == nil {
			failed = &MultiError{Nodes: make(map[string]error)}
		}
		failed.add(op.Err)
	}
	if failed == nil {
		return nil
	}
	return failed
}

func (e *MultiError) add(err error) {
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
