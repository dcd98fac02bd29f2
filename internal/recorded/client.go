package recorded

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/history"
)

// Log is where operations are written down; *history.Writer is one. Both methods are called by many goroutines. The log
// keeps its errors to itself and returns them when it is closed, or the like.
type Log interface {
	Begin(*history.Op) error // a write is about to be sent
	End(*history.Op) error   // an operation has returned
}

// Client makes operations and has them written down. Its methods are safe for concurrent use.
type Client struct {
	ID      history.Client
	Cache   *memcache.Client
	Log     Log
	ViewAge func() time.Duration // how long Cache has had its view; nil: not known

	sequence atomic.Uint64 // of the last write
}

// Reader is Get, or another method of a memcache.Client that reads as it does.
type Reader func(ctx context.Context, key string) (*memcache.Item, error)

// Get reads key, and returns nil where that brought nothing.
func (c *Client) Get(ctx context.Context, key string) *memcache.Item {
	return c.Read(ctx, key, c.Cache.Get)
}

// Read is Get by another way than Cache.Get.
func (c *Client) Read(ctx context.Context, key string, read Reader) *memcache.Item {
	op := c.begin(history.Get, key)
	ctx, answer := withAnswer(ctx)
	it, err := read(ctx, key)
	op.Return = history.Now()
	op.Node = answer.node()
	c.endRead(&op, it, err)
	return it
}

// GetMulti is recorded as one read of each key.
func (c *Client) GetMulti(ctx context.Context, keys []string) {
	ops := make([]history.Op, len(keys))
	for i, key := range keys {
		ops[i] = c.begin(history.Get, key)
	}
	items, err := c.Cache.GetMulti(ctx, keys)
	returned := history.Now()
	for i, key := range keys {
		ops[i].Return = returned
		it := items[key]
		switch {
		case it != nil:
			c.endRead(&ops[i], it, nil)
		case err == nil:
			c.endRead(&ops[i], nil, memcache.ErrCacheMiss)
		default:
			c.endRead(&ops[i], nil, err)
		}
	}
}

func (c *Client) begin(command history.Command, key string) history.Op {
	op := history.Op{Client: c.ID, Command: command, Key: key}
	if c.ViewAge != nil {
		op.ViewAge = c.ViewAge()
	}
	op.Call = history.Now()
	return op
}

func (c *Client) endRead(op *history.Op, it *memcache.Item, err error) {
	op.Outcome, _ = Outcome(err)
	if err == nil {
		op.Value = history.Unseal(it.Value)
	}
	c.Log.End(op)
}

// Set stores a value of size bytes, at least history.MinSize, that says which write it is of.
func (c *Client) Set(ctx context.Context, key string, size int) {
	c.Write(history.Set, key, 0, func(v history.Value) error { return c.Cache.Set(ctx, Item(key, v, size)) })
}

// Delete removes key.
func (c *Client) Delete(ctx context.Context, key string) {
	c.Write(history.Delete, key, 0, func(history.Value) error { return c.Cache.Delete(ctx, key) })
}

// Item returns what stores v.
func Item(key string, v history.Value, size int) *memcache.Item {
	return &memcache.Item{Key: key, Value: history.Seal(v, size)}
}

// Write makes a write of any kind, by do, which stores the value that it is given. Old is what a compare-and-swap has read.
func (c *Client) Write(command history.Command, key string, old history.Value, do func(history.Value) error) {
	op := c.begin(command, key)
	op.Value, op.Old = history.NewValue(c.ID, c.sequence.Add(1)), old
	c.Log.Begin(&op)
	op.Call = history.Now()
	err := do(op.Value)
	op.Return = history.Now()
	op.Outcome, op.Nodes = Outcome(err)
	c.Log.End(&op)
}
