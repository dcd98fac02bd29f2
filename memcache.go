package memcache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// Client is a memcached client over a set of nodes. It is safe for concurrent use.
type Client struct {
	cfg       config
	respelled bool // keys do not travel as they are
	view      atomic.Pointer[view]

	mu      sync.Mutex              // guards the walk from one view to the next
	nodes   map[nodeSpec]*pool.Node // of the view
	leaving []member                // of the view, on their way out
	cuts    map[*pool.Node]func()   // end the ways out
	list    []discovery.Node        // that the view was made of
	nearest choice                  // of WithNearest
	since   time.Time               // of the first view with nodes
	awaited []string                // nodes that rules name and the view has not
	closed  bool

	generations map[nodeSpec]uint64 // of nodes that have left

	follower   *discovery.Follower // nil if no node will ever change; set by New
	stop       context.CancelFunc
	wg         sync.WaitGroup // of the goroutines that follow and measure the nodes, and of the nodes that have left
	background *route.Background
	late       *route.LateClears // of WithCoherentReplicas, and of keys that move
	verifier   *route.Verifier   // nil where no key has several replicas, or no node ever changes
	gate       gate
	lastView   atomic.Pointer[view] // before Shutdown; nil until then
	configFile *configFile          // nil without WithMcrouterConfig
	loads      loads
	events     events
	detector   *hotkey.Detector // of hot keys; nil: there is none
	remedies   *remedies        // what is done about them; nil: nothing ever is
}

// New validates opts and returns a client. It dials no node: that happens when one is first needed. If nodes are to be
// discovered it waits until their source has answered or failed once, at most 7 s. A source without an answer is no
// error: operations fail with ErrNoServers, and say why, until it has one. To start with nodes only, call Ping after New.
// The error matches ErrBadOption or ErrNoServers, or is that of WithRoute's function. That of a file of WithMcrouterConfig
// matches ErrBadOption, and is a *route.ConfigError or the file system's besides.
func New(opts ...Option) (*Client, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Client{
		cfg: cfg, respelled: !cfg.keys.plain(), stop: stop, background: route.NewBackground(route.DefaultBackground),
		cuts: make(map[*pool.Node]func()),
	}
	c.late = route.NewLateClears(c.background)
	c.gate.left = make(chan struct{}, 1)
	c.view.Store(emptyView(ErrNoServers))
	if cfg.changes() && !cfg.onlyHomes() && !cfg.isFree() && !cfg.coherent {
		c.verifier = route.NewVerifier(0)
	}
	c.loads.ctx, c.loads.behind = ctx, c.background.Go
	c.cfg.node.OnEvent, c.cfg.node.NodeSet = c.nodeEvent, pool.NewNodeSet(cfg.nodeSet)
	if len(cfg.observers) > 0 {
		c.events.queue = make(chan Event, eventBacklog)
		c.wg.Go(func() { c.events.deliver(ctx, cfg.observers) })
	}
	if err = c.startHotKeys(ctx); err == nil {
		err = c.start(ctx)
	}
	if err == nil {
		c.awaitRules(ctx)
	}
	if err != nil {
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
	c.loads.close()
	if c.verifier != nil {
		c.verifier.Close()
	}
	for _, n := range c.nodes { // nobody changes it any more
		n.Close()
	}
	c.background.Close()
	if c.remedies != nil {
		c.remedies.copies.Close()
	}
	if c.detector != nil {
		c.detector.Close()
	}
	c.loads.wg.Wait()
	c.wg.Wait()
	return nil
}

// request is an op with the batch of one that it travels in.
type request struct {
	op     route.Op
	ops    [1]*route.Op
	client *Client
	view   *view
	key    string   // the application's
	packed []byte   // the value, compressed
	digits [20]byte // where Increment and Decrement get their number
	door   int      // of the gate
}

// maxKeptBytes bounds the buffer that a request keeps.
const maxKeptBytes = 64 << 10

var requests = sync.Pool{New: func() any {
	r := &request{door: newDoor()}
	r.ops[0] = &r.op
	return r
}}

// newRequest returns a request for key, which is the application's; free gives it back.
func (c *Client) newRequest(command protocol.Command, key string, flags protocol.MetaFlags) *request {
	r := requests.Get().(*request)
	c.gate.enter(r.door)
	r.client, r.view, r.key = c, c.view.Load(), key
	c.prepare(&r.op, command, key, flags)
	if pool.IsReserved(r.op.Request.Key) {
		r.view = reservedView
	}
	return r
}

// prepare makes op a request for key, as it travels.
func (c *Client) prepare(op *route.Op, command protocol.Command, key string, flags protocol.MetaFlags) {
	op.Request = protocol.Request{Command: command, Key: key, Meta: flags}
	if c.respelled {
		c.cfg.keys.apply(op)
	}
	op.Hash = route.HashKey(op.Request.Key)
}

// pack compresses the value to store, where that is wanted.
func (r *request) pack() (err error) {
	z := r.client.cfg.compression
	if z == nil || r.op.Request.Command == protocol.Append || r.op.Request.Command == protocol.Prepend {
		return nil
	}
	r.packed, err = z.pack(r.packed, &r.op.Request)
	return err
}

func (r *request) free() {
	r.client.gate.leave(r.door)
	r.op, r.client, r.view, r.key = route.Op{}, nil, nil, ""
	if r.packed = r.packed[:0]; cap(r.packed) > maxKeptBytes {
		r.packed = nil
	}
	requests.Put(r)
}

// do sends the request. What of its key is being loaded meanwhile may be older than what it has written.
func (c *Client) do(ctx context.Context, r *request) error {
	err := c.send(ctx, r)
	c.loads.forget(r.key)
	return err
}

// send checks the request, so that a bad one has one error and not one of each replica, and sends it down the tree of the
// current view.
func (c *Client) send(ctx context.Context, r *request) error {
	if err := protocol.Check(&r.op.Request); err != nil {
		return notSent(&r.op.Request, err)
	}
	r.view.tree.Do(ctx, r.ops[:])
	return r.op.Err
}

// failure returns why a read has failed. It is the node that checks its key, so that nobody does it twice; what was refused
// there was not sent, and the error names no node, as that of a write.
func (r *request) failure() error {
	if err := protocol.Check(&r.op.Request); err != nil {
		return notSent(&r.op.Request, err)
	}
	return r.op.Err
}

// notSent is the error of a request that was refused before any node was asked.
func notSent(r *protocol.Request, err error) error {
	return &OpError{Command: r.Command, Outcome: pool.NotSent, Err: err}
}
