package memcache

import (
	"context"
	"net"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

// FlushAll makes each server forget every item, one server after the other. The selector's Each decides what an error
// means; ServerList stops at the first.
func (c *Client) FlushAll() error { return c.askEach(protocol.FlushAll) }

// Ping asks each server for an answer, as FlushAll does.
func (c *Client) Ping() error { return c.askEach(protocol.Version) }

// DeleteAll is FlushAll, but an error without servers.
func (c *Client) DeleteAll() error {
	servers := 0
	err := c.nodes.each(func(addr net.Addr) error {
		servers++
		return c.ask(addr, protocol.FlushAll)
	})
	if err == nil && servers == 0 {
		return ErrNoServers
	}
	return err
}

func (c *Client) askEach(command protocol.Command) error {
	return c.nodes.each(func(addr net.Addr) error { return c.ask(addr, command) })
}

// ask sends a request that is about no key to one server.
func (c *Client) ask(addr net.Addr, command protocol.Command) error {
	if addr == nil {
		return ErrNoServers
	}
	op := &route.Op{Request: protocol.Request{Command: command}}
	c.nodes.at(addressOf(addr), c.settings()).node.Do(context.Background(), []*route.Op{op})
	return resultOf(op)
}
