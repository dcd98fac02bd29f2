package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	bradfitz "github.com/bradfitz/gomemcache/memcache"
	"github.com/nohop/memcache"
)

// timeout is T: that of a try at one node, of both clients.
const timeout = 100 * time.Millisecond

// subject is a client that is put to the test.
type subject interface {
	get(key string) error // a miss is no error
	set(key string, value []byte) error
	home(key string) (addr string)
	dialCount() int // to the first of its nodes
	close()
}

// dialer counts.
type dialer struct {
	net.Dialer
	watched string // the address whose dials are counted
	count   atomic.Int64
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if addr == d.watched {
		d.count.Add(1)
	}
	return d.DialContext(ctx, network, addr)
}

// ours is this library's client.
type ours struct {
	cache *memcache.Client
	dials *dialer
}

// open returns a client of nodes. It counts the dials to the first.
func open(nodes []string, opts ...memcache.Option) (subject, error) {
	d := &dialer{watched: nodes[0]}
	opts = append(opts, memcache.WithServers(nodes...), memcache.WithTimeout(timeout), memcache.WithDialer(d.dial))
	c, err := memcache.New(opts...)
	if err != nil {
		return nil, err
	}
	return &ours{c, d}, nil
}

// openReplicated has every node hold every key, and reads begin at the first node.
func openReplicated(nodes []string) (subject, error) {
	return open(nodes, memcache.WithReplicated(), memcache.WithLocal(nodes[0]))
}

func openSharded(nodes []string) (subject, error) { return open(nodes) }

func (o *ours) get(key string) error {
	_, err := o.cache.Get(context.Background(), key)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil
	}
	return err
}

func (o *ours) set(key string, value []byte) error {
	return o.cache.Set(context.Background(), &memcache.Item{Key: key, Value: value})
}

func (o *ours) home(key string) string {
	e, err := o.cache.Explain(key)
	if err != nil {
		return ""
	}
	return e.Home
}

func (o *ours) dialCount() int { return int(o.dials.count.Load()) }
func (o *ours) close()         { o.cache.Close() }

// anchor is gomemcache, with as many idle connections as there are workers.
type anchor struct {
	cache *bradfitz.Client
	nodes *bradfitz.ServerList
	dials *dialer
}

func openAnchor(nodes []string) (subject, error) {
	list := &bradfitz.ServerList{}
	if err := list.SetServers(nodes...); err != nil {
		return nil, fmt.Errorf("gomemcache: %w", err)
	}
	d := &dialer{watched: nodes[0]}
	c := bradfitz.NewFromSelector(list)
	c.Timeout, c.MaxIdleConns, c.DialContext = timeout, workers, d.dial
	return &anchor{c, list, d}, nil
}

func (a *anchor) get(key string) error {
	_, err := a.cache.Get(key)
	if errors.Is(err, bradfitz.ErrCacheMiss) {
		return nil
	}
	return err
}

func (a *anchor) set(key string, value []byte) error {
	return a.cache.Set(&bradfitz.Item{Key: key, Value: value})
}

func (a *anchor) home(key string) string {
	addr, err := a.nodes.PickServer(key)
	if err != nil {
		return ""
	}
	return addr.String()
}

func (a *anchor) dialCount() int { return int(a.dials.count.Load()) }
func (a *anchor) close()         { a.cache.Close() }
