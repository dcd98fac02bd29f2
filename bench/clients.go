package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	bradfitz "github.com/bradfitz/gomemcache/memcache"
	grafana "github.com/grafana/gomemcache/memcache"
)

// timeout is every client's own limit for one operation; no healthy run comes near it.
const timeout = 2 * time.Second

// client is one library, connected to the servers of a workload.
type client interface {
	// worker returns what one goroutine of the workload uses: the client itself, or state of its own.
	worker() (worker, error)
	close()
}

// worker runs operations, each as a user of the library would write it. Only one goroutine uses it at a time.
type worker interface {
	get(key string) (sizeBytes int, err error)
	set(key string, value []byte) error
	getMulti(keys []string) (found int, err error)
}

// errUnsupported is returned by the operations that no workload asks of a client.
var errUnsupported = errors.New("operation is not part of this benchmark for this client")

// peer is a client under its name in the tables.
type peer struct {
	name string
	// program is the server, besides memcached, that the peer cannot do without, or empty.
	program string
	// open connects to the given nodes; it must allow goroutines operations at a time without dialing anew.
	open func(s *servers, nodes []string, goroutines int) (client, error)
}

// anchor is the client that all ratios refer to.
const anchor = "bradfitz"

var (
	peerBradfitz = peer{name: anchor, open: openBradfitz}
	peerGrafana  = peer{name: "grafana", open: openGrafana}
	peerFanOut   = peer{name: anchor, open: openFanOut}
	peerProxied  = peer{name: "bradfitz via nutcracker", program: "nutcracker", open: openProxied}
)

// gomemcache is bradfitz/gomemcache; it picks one of several nodes by crc32.
type gomemcache struct{ c *bradfitz.Client }

func openBradfitz(_ *servers, nodes []string, goroutines int) (client, error) {
	return gomemcache{newBradfitz(goroutines, nodes...)}, nil
}

func openProxied(s *servers, _ []string, goroutines int) (client, error) {
	return gomemcache{newBradfitz(goroutines, s.nutcracker)}, nil
}

func newBradfitz(goroutines int, nodes ...string) *bradfitz.Client {
	c := bradfitz.New(nodes...)
	c.Timeout, c.MaxIdleConns = timeout, goroutines
	return c
}

func (g gomemcache) worker() (worker, error) { return &gomemcacheWorker{c: g.c}, nil }
func (g gomemcache) close()                  { g.c.Close() }

type gomemcacheWorker struct {
	c    *bradfitz.Client
	item bradfitz.Item
}

func (w *gomemcacheWorker) get(key string) (int, error) {
	item, err := w.c.Get(key)
	if err != nil {
		return 0, err
	}
	return len(item.Value), nil
}

func (w *gomemcacheWorker) set(key string, value []byte) error {
	w.item.Key, w.item.Value = key, value
	return w.c.Set(&w.item)
}

func (w *gomemcacheWorker) getMulti(keys []string) (int, error) {
	items, err := w.c.GetMulti(keys)
	return len(items), err
}

// fanOut writes to every node with a goroutine each: what users of gomemcache write to keep replicas.
type fanOut struct{ nodes []*bradfitz.Client }

func openFanOut(_ *servers, nodes []string, goroutines int) (client, error) {
	var f fanOut
	for _, node := range nodes {
		f.nodes = append(f.nodes, newBradfitz(goroutines, node))
	}
	return f, nil
}

func (f fanOut) worker() (worker, error) { return f, nil }

func (f fanOut) close() {
	for _, c := range f.nodes {
		c.Close()
	}
}

func (f fanOut) set(key string, value []byte) error {
	item := &bradfitz.Item{Key: key, Value: value}
	errs := make([]error, len(f.nodes))
	var wg sync.WaitGroup
	for i, c := range f.nodes {
		wg.Go(func() { errs[i] = c.Set(item) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (f fanOut) get(string) (int, error)        { return 0, errUnsupported }
func (f fanOut) getMulti([]string) (int, error) { return 0, errUnsupported }

// grafanaClient is grafana/gomemcache, the fork with buffer pools and a connection reaper.
type grafanaClient struct{ c *grafana.Client }

func openGrafana(_ *servers, nodes []string, goroutines int) (client, error) {
	c := grafana.New(nodes...)
	c.Timeout, c.ConnectTimeout, c.MaxIdleConns = timeout, timeout, goroutines
	return grafanaClient{c}, nil
}

func (g grafanaClient) worker() (worker, error) { return &grafanaWorker{c: g.c}, nil }
func (g grafanaClient) close()                  { g.c.Close() }

type grafanaWorker struct {
	c    *grafana.Client
	item grafana.Item
}

func (w *grafanaWorker) get(key string) (int, error) {
	item, err := w.c.Get(key)
	if err != nil {
		return 0, err
	}
	return len(item.Value), nil
}

func (w *grafanaWorker) set(key string, value []byte) error {
	w.item.Key, w.item.Value = key, value
	return w.c.Set(&w.item)
}

func (w *grafanaWorker) getMulti(keys []string) (int, error) {
	items, err := w.c.GetMulti(context.Background(), keys)
	return len(items), err
}

// choose returns the peers whose names match list. The anchor is always among them.
func choose(peers []peer, list string) []peer {
	return slices.DeleteFunc(slices.Clone(peers), func(p peer) bool {
		return p.name != anchor && !matches(list, p.name)
	})
}
