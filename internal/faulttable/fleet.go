package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/internal/recorded"
)

const (
	fleetNodes   = 4 // the last one comes and goes
	fleetClients = 4
	fleetWorkers = 4 // of each client
	fleetPause   = 8 * time.Millisecond
	fleetKeys    = 200
	shardedKeys  = 2000
)

// fleet is several clients, as in several processes, of the same nodes.
type fleet struct {
	cfg     config
	rnd     *rand.Rand
	keys    int
	deletes int // of 100 operations
	sets    int // and those that follow a miss
	nodes   []*realnode.Node
	clients []*fleetClient
	log     *memoryLog
}

type fleetClient struct {
	recorded.Client
	roster *roster
}

// memoryLog keeps what is recorded.
type memoryLog struct {
	mu      sync.Mutex
	history history.History
}

// Begin implements recorded.Log; nobody here dies with a write under way.
func (l *memoryLog) Begin(*history.Op) error { return nil }

// End implements recorded.Log.
func (l *memoryLog) End(op *history.Op) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history.Ops = append(l.history.Ops, *op)
	return nil
}

func (l *memoryLog) event(kind history.EventKind, node string, start history.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history.Events = append(l.history.Events, history.Event{Kind: kind, Node: node, Start: start, End: history.Now()})
}

// roster is a source whose list a client is told.
type roster struct {
	first []discovery.Node
	lists chan []discovery.Node
	used  chan struct{}
}

// Nodes implements discovery.Source.
func (r *roster) Nodes(context.Context) ([]discovery.Node, error) { return r.first, nil }

// Watch implements discovery.Watcher.
func (r *roster) Watch(ctx context.Context, yield func([]discovery.Node, error)) error {
	yield(r.first, nil)
	for {
		select {
		case list := <-r.lists:
			yield(list, nil)
			r.used <- struct{}{}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// use returns when the client uses list.
func (r *roster) use(list []discovery.Node) {
	r.lists <- list
	<-r.used
}

// newFleet starts nodes and clients, which have been told that a change takes propagation to be known everywhere.
func newFleet(cfg config, propagation time.Duration, opts ...memcache.Option) (f *fleet, err error) {
	f = &fleet{cfg: cfg, rnd: rand.New(rand.NewPCG(cfg.seed, 0)), keys: fleetKeys, log: &memoryLog{}}
	for range fleetNodes {
		n, err := realnode.Launch("-m", "64")
		if err != nil {
			f.end()
			return nil, err
		}
		f.nodes = append(f.nodes, n)
	}
	for i := range fleetClients {
		r := &roster{first: f.list(fleetNodes - 1), lists: make(chan []discovery.Node), used: make(chan struct{})}
		all := append([]memcache.Option{
			memcache.WithDiscovery(r), memcache.WithPropagation(propagation), memcache.WithObserver(recorded.Nodes{}),
			memcache.WithWritePolicy(memcache.RequireAll), memcache.WithLocal(f.nodes[fleetNodes-1-i%2].Addr),
		}, opts...)
		cache, err := memcache.New(all...)
		if err != nil {
			f.end()
			return nil, err
		}
		c := &fleetClient{recorded.Client{ID: history.Client(i + 1), Cache: cache, Log: f.log}, r}
		f.clients = append(f.clients, c)
	}
	return f, nil
}

// warm returns when the nodes have been met and have joined. Package pool has new nodes join for D and some seconds.
func (f *fleet) warm(ctx context.Context, propagation time.Duration) error {
	for _, c := range f.clients {
		if err := c.Cache.Ping(ctx); err != nil {
			return err
		}
	}
	if propagation == 0 {
		return nil
	}
	return f.wait(ctx, propagation+4*time.Second)
}

// fill stores all keys.
func (f *fleet) fill(ctx context.Context) {
	for i := range f.keys {
		f.clients[0].Set(ctx, keyName(i), valueSize)
	}
}

func (f *fleet) list(count int) (list []discovery.Node) {
	for _, n := range f.nodes[:count] {
		list = append(list, discovery.Node{Name: n.Addr, Addr: n.Addr})
	}
	return list
}

func (f *fleet) end() {
	for _, c := range f.clients {
		c.Cache.Close()
	}
	for _, n := range f.nodes {
		n.Close()
	}
}

func keyName(i int) string { return fmt.Sprint("k", i) }

// drive has all clients read and write until ctx ends, and returns when the last operation has returned.
func (f *fleet) drive(ctx context.Context) {
	var all sync.WaitGroup
	for _, c := range f.clients {
		for range fleetWorkers {
			rnd := rand.New(rand.NewPCG(f.rnd.Uint64(), 0))
			all.Go(func() {
				for ctx.Err() == nil {
					f.operate(c, rnd)
					<-time.After(time.Duration(rnd.Int64N(int64(2 * fleetPause)))) // the pace of an application that is not at its limit
				}
			})
		}
	}
	all.Wait()
}

func (f *fleet) operate(c *fleetClient, rnd *rand.Rand) {
	key := keyName(rnd.IntN(f.keys))
	switch dice := rnd.IntN(100); {
	case dice < f.deletes:
		c.Delete(context.Background(), key)
	case dice < f.deletes+f.sets:
		c.Set(context.Background(), key, valueSize)
	default:
		if c.Get(context.Background(), key) == nil { // as an application that has a database behind the cache
			c.Set(context.Background(), key, valueSize)
		}
	}
}

// change has the last node join or leave: each client is told at another moment of the spread.
func (f *fleet) change(ctx context.Context, kind history.EventKind) error {
	list := f.list(fleetNodes)
	if kind == history.Leave {
		list = f.list(fleetNodes - 1)
	}
	start := history.Now()
	var told sync.WaitGroup
	for _, c := range f.clients {
		late := time.Duration(f.rnd.Int64N(int64(f.cfg.spread)))
		told.Go(func() {
			if f.wait(ctx, late) == nil {
				c.roster.use(list)
			}
		})
	}
	told.Wait()
	f.log.event(kind, f.nodes[fleetNodes-1].Addr, start)
	return ctx.Err()
}

func (f *fleet) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dump records what the nodes that stay hold.
func (f *fleet) dump() error {
	for _, n := range f.nodes[:fleetNodes-1] {
		c, err := memcache.New(memcache.WithServers(n.Addr), memcache.WithTimeout(time.Second))
		if err != nil {
			return err
		}
		defer c.Close()
		for i := range f.keys {
			d := history.Dump{Node: n.Addr, Key: keyName(i), At: history.Now()}
			it, err := c.Get(context.Background(), d.Key)
			if err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
				return err
			}
			if err == nil {
				d.Value = history.Unseal(it.Value)
			}
			f.log.history.Dumps = append(f.log.history.Dumps, d)
		}
	}
	return nil
}
