package memcache

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Client is a memcached client over a set of nodes. It is safe for concurrent use.
type Client struct {
	cfg  config
	view atomic.Pointer[view]

	mu         sync.Mutex              // guards the walk from one view to the next
	nodes      map[nodeSpec]*pool.Node // of the view
	closed     bool
	stop       context.CancelFunc
	wg         sync.WaitGroup // of the goroutine that follows the nodes, and of the nodes that have left
	background *route.Background
}

// New validates opts and returns a client. Nodes are dialed when first needed; only names given as "dns+name:port" are
// resolved now, once, and again every second. It returns an error that matches ErrBadOption or ErrNoServers.
func New(opts ...Option) (*Client, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Client{cfg: cfg, stop: stop, background: route.NewBackground(route.DefaultBackground)}
	if err := c.start(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close ends what is under way with ErrClosed, closes all connections and returns when every goroutine of the client has
// ended. After that, every operation fails with ErrClosed. Closing twice is allowed.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.view.Store(closedView)
	c.mu.Unlock()
	c.stop()
	for _, n := range c.nodes { // nobody changes it any more
		n.Close()
	}
	c.background.Close()
	c.wg.Wait()
	return nil
}

// request is an op with the batch of one that it travels in.
type request struct {
	op     route.Op
	ops    [1]*route.Op
	digits [20]byte // where Increment and Decrement get their number
}

var requests = sync.Pool{New: func() any {
	r := new(request)
	r.ops[0] = &r.op
	return r
}}

// newRequest returns a request for key; free gives it back.
func (c *Client) newRequest(command protocol.Command, key string, flags protocol.MetaFlags) *request {
	r := requests.Get().(*request)
	c.prepare(&r.op, command, key, flags)
	return r
}

func (c *Client) prepare(op *route.Op, command protocol.Command, key string, flags protocol.MetaFlags) {
	op.Request = protocol.Request{Command: command, Key: key, Meta: flags}
	op.Hash = route.HashKey(key)
	if c.cfg.binaryKeys && protocol.CheckKey(key) != nil {
		op.Request.Meta |= protocol.BinaryKey
	}
}

func (r *request) free() {
	r.op = route.Op{}
	requests.Put(r)
}

// do checks the request, so that a bad one has one error and not one of each replica, and sends it down the tree of the
// current view.
func (c *Client) do(ctx context.Context, r *request) error {
	if err := protocol.Check(&r.op.Request); err != nil {
		return &OpError{Command: r.op.Request.Command, Outcome: pool.NotSent, Err: err}
	}
	c.view.Load().tree.Do(ctx, r.ops[:])
	return r.op.Err
}
