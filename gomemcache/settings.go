package memcache

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
)

// settings are a client's fields as a node is made with them.
type settings struct {
	timeout time.Duration
	dial    pool.DialFunc
}

const (
	// maxTimeout keeps a Timeout that means "none" within what clocks can add.
	maxTimeout = 24 * time.Hour

	// maxValue is the largest value that a memcached can be told to take (-I). Memory follows what has come, not what a
	// reply announces, so there is no need for a lower bound.
	maxValue = 1 << 30

	// minStall is after how long a connection that owes replies and is silent is closed, if Timeout is shorter.
	minStall = 30 * time.Second
)

func (c *Client) settings() settings {
	timeout := c.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return settings{min(timeout, maxTimeout), c.DialContext}
}

func (s settings) newMember(a address) *member {
	node := pool.NewNode(pool.Config{
		Addr:        a.text,
		Timeout:     s.timeout,
		DialTimeout: s.timeout - s.timeout/10, // so that an operation which waits for it learns how it failed
		MaxStall:    max(minStall, s.timeout),
		MaxValue:    maxValue,
		Dial:        s.dialTo(a),
	})
	return &member{node: node, home: []route.Route{node}, timeout: s.timeout}
}

var errNoConn = errors.New("memcache: DialContext returned neither a connection nor an error")

// dialTo returns a dialer to a that tells timeouts by their type.
func (s settings) dialTo(a address) pool.DialFunc {
	dial := s.dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		nc, err := dial(ctx, a.network, a.text)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return nil, &ConnectTimeoutError{a, err}
		case nc == nil && err == nil:
			return nil, errNoConn
		}
		return nc, err
	}
}
