package memcache

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

const (
	// DefaultTimeout is the timeout of a Client whose Timeout is zero.
	DefaultTimeout = 500 * time.Millisecond

	// DefaultMaxIdleConns is kept so that code which names it compiles. Nothing here reads it.
	DefaultMaxIdleConns = 2
)

// Client is a memcached client. It is safe for concurrent use, once its fields are set. Make one with New or
// NewFromSelector; a zero Client has no servers.
type Client struct {
	// DialContext opens connections; by default a net.Dialer does. For TLS set it to the method of a tls.Dialer. It must
	// return when its context ends. It is read when a server is first picked, and again when it is first picked after
	// Close or after Timeout has changed.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Timeout bounds an operation at a server, from the call to its reply, connecting included. Zero means
	// DefaultTimeout; the most is a day. A GetMulti of more than 1024 keys of one server has as long for each 1024. A
	// changed Timeout counts from the next operation on, which connects anew.
	Timeout time.Duration

	// MaxIdleConns is kept so that code which sets it compiles. It has no effect: all goroutines share one or two
	// connections to each server.
	MaxIdleConns int

	nodes nodes
}

// New returns a client of the given servers: "host:port", or the path of a unix socket, which holds a slash. Keys are
// spread evenly; a server that is listed twice gets twice its share. Names are resolved now and not again. If one does
// not resolve, the client has no servers, and its operations return ErrNoServers: to see that error, call
// ServerList.SetServers and NewFromSelector.
func New(server ...string) *Client {
	list := new(ServerList)
	_ = list.SetServers(server...) // New has no error to return
	return NewFromSelector(list)
}

// NewFromSelector returns a client that keeps each key where ss says.
func NewFromSelector(ss ServerSelector) *Client {
	return &Client{nodes: nodes{selector: ss}}
}

// Close closes all connections; what is under way on them fails with an error that matches ErrClosed of the root package.
// It returns when the client's goroutines have ended. The error is always nil. The client may be used after that, and
// connects anew.
func (c *Client) Close() error {
	c.nodes.close()
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
func newRequest(command protocol.Command, key string, flags protocol.MetaFlags) *request {
	r := requests.Get().(*request)
	r.op.Request = protocol.Request{Command: command, Key: key, Meta: flags}
	return r
}

func (r *request) free() {
	r.op = route.Op{}
	requests.Put(r)
}

// do sends the request to the server that the selector picks for its key and waits for the reply. Its status, if it is
// not OK, is an error.
func (c *Client) do(r *request) error {
	key := r.op.Request.Key
	if protocol.CheckKey(key) != nil {
		return ErrMalformedKey
	}
	m, err := c.nodes.pick(key, c.settings())
	if err != nil {
		return err
	}
	m.node.Do(context.Background(), r.ops[:])
	return resultOf(&r.op)
}
