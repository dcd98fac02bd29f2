package faultproxy

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// dialTimeout bounds the connect to the node.
const dialTimeout = 5 * time.Second

// conn is one client's connection and its continuation to the node.
type conn struct {
	proxy  *Proxy
	client *net.TCPConn
	rnd    *rand.Rand      // seeds the two directions
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	mu     sync.Mutex
	node   *net.TCPConn // nil before the dial and where it failed
	silent bool         // no byte passes any more, either way
	ended  bool
}

// swallow reads until the client gives up.
func (c *conn) swallow() { io.Copy(io.Discard, c.client) }

// carry returns when both directions have ended.
func (c *conn) carry() {
	dialer := net.Dialer{Timeout: dialTimeout}
	node, err := dialer.DialContext(c.ctx, "tcp", c.proxy.target)
	if err != nil || !c.join(node.(*net.TCPConn)) {
		return // the caller resets the client
	}
	toNode := newPump(c, c.client, c.node, func(f *Faults) Link { return f.ToNode })
	toClient := newPump(c, c.node, c.client, func(f *Faults) Link { return f.ToClient })
	toClient.replies = &rewriter{rnd: toClient.rnd}
	var both sync.WaitGroup
	for _, work := range []func(){toNode.read, toNode.write, toClient.read, toClient.write} {
		both.Go(work)
	}
	both.Wait()
}

// join keeps the node's end, unless the connection was reset meanwhile.
func (c *conn) join(node *net.TCPConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.node = node
	if c.ended {
		node.Close()
	}
	return !c.ended
}

// reset closes both ends, with resets, and ends all waits. The first call counts.
func (c *conn) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.ended = true
	c.cancel()
	for _, end := range []*net.TCPConn{c.client, c.node} {
		if end != nil {
			end.SetLinger(0) // closing sends a reset
			end.Close()
		}
	}
}

// silence makes all bytes vanish from now on.
func (c *conn) silence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = true
}

func (c *conn) isSilent() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent
}

// halfOpen closes the node's end only.
func (c *conn) halfOpen() {
	c.silence()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.node != nil {
		c.node.Close()
	}
}

// finish gives the receiver an orderly end in the middle, and drops what else comes.
func (c *conn) finish(receiver, sender *net.TCPConn) {
	c.silence()
	receiver.CloseWrite()
	if sender == c.node {
		sender.Close()
		return
	}
	sender.CloseWrite()
}
