package memcache

import (
	"context"
	"errors"
	"sync"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Warmup opens every connection to every node and returns when each has answered or failed, so that the first operations
// need not wait for that. A node that is down is dialed once more. If nodes fail, the error joins theirs, each an *OpError; the
// client is usable all the same, and dials them again. It does not wait for nodes to be discovered: see New.
func (c *Client) Warmup(ctx context.Context) error {
	c.gate.enter(0)
	defer c.gate.leave(0)
	v := c.view.Load()
	if len(v.nodes) == 0 {
		return v.reason
	}
	awaitDials(ctx, v.nodes)
	errs := make([]error, len(v.nodes))
	var wg sync.WaitGroup
	for i, n := range v.nodes {
		wg.Go(func() { errs[i] = connect(ctx, n, max(c.cfg.node.Conns, 1)) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// awaitDials waits until those of the nodes that are down have been dialed once more, or ctx has ended.
func awaitDials(ctx context.Context, nodes []*pool.Node) {
	var dials []<-chan struct{}
	for _, n := range nodes {
		if dial := n.NextDial(); dial != nil {
			dials = append(dials, dial)
		}
	}
	for _, dial := range dials {
		select {
		case <-dial:
		case <-ctx.Done():
			return
		}
	}
}

// connect has a node answer on each of its connections, one after the other, as it dials.
func connect(ctx context.Context, n *pool.Node, conns int) error {
	for i := range conns {
		if err := answer(ctx, n, uint64(i)); err != nil {
			return err
		}
	}
	return nil
}

// maxDialTries is more than there are tries in the time that a dial may take.
const maxDialTries = 100

// answer has a node answer on the connection that hash stands for. A dial may take longer than a try.
func answer(ctx context.Context, n *pool.Node, hash uint64) error {
	var op route.Op
	for range maxDialTries {
		op = route.Op{Request: protocol.Request{Command: protocol.Noop}, Hash: hash}
		n.Do(ctx, []*route.Op{&op})
		if !isDialing(op.Err) {
			break
		}
	}
	return op.Err
}

// isDialing reports whether a try ended before the dial that it waited for.
func isDialing(err error) bool {
	var e *OpError
	return errors.As(err, &e) && e.Outcome == pool.NotSent && errors.Is(err, ErrTimeout) && !errors.Is(err, ErrNodeDown)
}
