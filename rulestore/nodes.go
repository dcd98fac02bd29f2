package rulestore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// Node is one memcached process, as *pool.Node is. Safe for concurrent use.
type Node interface {
	Name() string
	Do(ctx context.Context, ops []*pool.Op) // settles all of them
}

// Order returns the first n nodes of a key's order, home first; fewer if there are fewer. Every process of the fleet must
// have the same order, as it has for the keys of the application. It may be called by several goroutines at a time.
type Order func(key string, n int) []Node

// ErrNoNodes means that Order has returned none.
var ErrNoNodes = errors.New("rulestore: there are no nodes")

// NodeError is what went wrong at one node.
type NodeError struct {
	Node string
	Err  error // a *pool.Error, a *hotkey.TableError, or one of this package
}

func (e *NodeError) Error() string { return fmt.Sprintf("rulestore: node %s: %v", e.Node, e.Err) }

// Unwrap returns the reason.
func (e *NodeError) Unwrap() error { return e.Err }

// What a node cannot do.
var (
	ErrNoCAS     = errors.New("the node runs without CAS (-C)")
	ErrNotStored = errors.New("the node stores nothing now, since it joins or leaves")
	ErrBadNumber = errors.New("rulestore: a counter of heat is not a number")
)

func newOp(r protocol.Request) *pool.Op {
	return &pool.Op{Request: r, Hash: xxhash.Sum64String(r.Key)}
}

// ask makes one exchange with a node. The error is that of the exchange.
func ask(ctx context.Context, n Node, r protocol.Request) (*pool.Op, error) {
	op := newOp(r)
	n.Do(ctx, []*pool.Op{op})
	if op.Err == nil && op.Cleared {
		return op, ErrNotStored
	}
	return op, op.Err
}

// home returns the first node of key's order.
func (o Order) home(key string) (Node, error) {
	if nodes := o(key, 1); len(nodes) > 0 {
		return nodes[0], nil
	}
	return nil, ErrNoNodes
}

// doAtHomes sends each op to its key's home, all at once, and waits for all.
func (o Order) doAtHomes(ctx context.Context, ops []*pool.Op) error {
	atNode := map[string][]*pool.Op{}
	nodes := map[string]Node{}
	for _, op := range ops {
		n, err := o.home(op.Request.Key)
		if err != nil {
			return err
		}
		nodes[n.Name()] = n
		atNode[n.Name()] = append(atNode[n.Name()], op)
	}
	var wg sync.WaitGroup
	for name, n := range nodes {
		wg.Go(func() { n.Do(ctx, atNode[name]) })
	}
	wg.Wait()
	return nil
}
