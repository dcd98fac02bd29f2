package memcache

import (
	"context"
	"sync"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Get returns the item of key, ErrCacheMiss if there is none.
func (c *Client) Get(key string) (*Item, error) {
	r := newRequest(protocol.Get, key, readFlags)
	defer r.free()
	return c.read(r)
}

// GetAndTouch returns the item of key and gives it a new expiration, counted as Item.Expiration is; ErrCacheMiss if there
// is none.
func (c *Client) GetAndTouch(key string, expiration int32) (*Item, error) {
	r := newRequest(protocol.GetAndTouch, key, readFlags)
	defer r.free()
	r.op.Request.Exptime = exptime(expiration)
	return c.read(r)
}

func (c *Client) read(r *request) (*Item, error) {
	if err := c.do(r); err != nil {
		return nil, err
	}
	item := new(Item)
	item.fill(&r.op)
	return item, nil
}

func (item *Item) fill(op *route.Op) {
	item.Key, item.Value, item.Flags, item.CasID = op.Request.Key, op.Value, op.Reply.Flags, op.Reply.CAS
}

// GetMulti returns the items of keys that are there, by key. All servers are asked at once. A malformed key, or one that
// the selector has no server for, is an error without a map. If servers fail, the map holds what the others had: the
// error is that of the server, or if several fail a *MultiError of the root package with that of each. Small values of one
// call share memory: to keep a few of many for long, copy them.
func (c *Client) GetMulti(keys []string) (map[string]*Item, error) {
	b := batches.Get().(*batch)
	defer b.free()
	for _, key := range keys {
		if protocol.CheckKey(key) != nil {
			return nil, ErrMalformedKey
		}
		b.next().Request = protocol.Request{Command: protocol.Get, Key: key, Meta: readFlags}
	}
	p := &placement{nodes: &c.nodes, settings: c.settings()}
	route.Hash(p).Do(context.Background(), b.all())
	if p.failed != nil {
		return nil, p.failed.err
	}
	return b.items(), b.err()
}

// placement has the selector say where keys live. It is made for one batch.
type placement struct {
	nodes    *nodes
	settings settings
	failed   *unplaced // the first key that the selector had no server for
}

func (p *placement) Replicas(op *route.Op) route.Replicas {
	if p.failed == nil {
		m, err := p.nodes.pick(op.Request.Key, p.settings)
		if err == nil {
			return route.Replicas{All: m.home}
		}
		p.failed = &unplaced{err}
	}
	return route.Replicas{All: []route.Route{p.failed}}
}

// unplaced is the route of keys that have no server.
type unplaced struct{ err error }

func (u *unplaced) Do(_ context.Context, ops []*route.Op) {
	for _, op := range ops {
		op.Settle(nil, u.err)
	}
}

// batch is the ops of a GetMulti, kept for use again.
type batch struct {
	ops  []*route.Op
	used int
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// maxKeptOps bounds the ops that a batch keeps.
const maxKeptOps = 1024

func (b *batch) next() *route.Op {
	if b.used == len(b.ops) {
		block := make([]route.Op, max(16, min(len(b.ops), 256)))
		for i := range block {
			b.ops = append(b.ops, &block[i])
		}
	}
	b.used++
	return b.ops[b.used-1]
}

func (b *batch) all() []*route.Op { return b.ops[:b.used] }

func (b *batch) free() {
	for _, op := range b.all() {
		*op = route.Op{}
	}
	b.used = 0
	if len(b.ops) <= maxKeptOps {
		batches.Put(b)
	}
}

func (b *batch) items() map[string]*Item {
	found := make(map[string]*Item, b.used)
	for _, op := range b.all() {
		if op.Err == nil && op.Reply.Status == protocol.OK {
			item := new(Item)
			item.fill(op)
			found[item.Key] = item
		}
	}
	return found
}
