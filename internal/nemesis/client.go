package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/history"
	"github.com/nohop/memcache/internal/mechanism"
	"github.com/nohop/memcache/internal/recorded"
)

// clientVariable makes this program a client process; it holds a clientConfig.
const clientVariable = "NOHOP_NEMESIS_CLIENT"

// clientConfig is what a client process is told when it starts.
type clientConfig struct {
	Client      history.Client
	Seed        uint64
	File        string // of its history
	Port        string // of all nodes
	Nodes       []string
	Topology    string
	Propagation time.Duration
	WarmUp      time.Duration
	Connections int // to each node
	Workers     int
	Keys        int
	Rate        int
	Hurry       int
	Without     []string // mechanisms
}

// order is one line on a client process's standard input. It answers each with a line when it is carried out. The end of
// the input ends the process.
type order struct {
	Do    string            // one of the constants below
	Nodes []string          // the addresses of doView
	Epoch uint64            // of doPins
	Pins  map[string]string // of doPins: the node of each key that is pinned
}

const (
	doView  = "view"  // use these nodes; answered when the client does
	doPins  = "pins"  // follow these pins; the client sees them within resolveInterval
	doQuiet = "quiet" // stop the traffic; answered when the last operation has returned
	doClash = "clash" // set every second key, in the order in which all processes do
	doRead  = "read"  // read every key once
)

// client is the process that uses the library.
type client struct {
	clientConfig
	ops      recorded.Client
	resolver *resolver
	pins     *pinTable
	log      *history.Writer
	stop     context.CancelFunc
	workers  sync.WaitGroup
}

func runClient(config string, in io.Reader, out io.Writer) error {
	c := &client{}
	if err := json.Unmarshal([]byte(config), &c.clientConfig); err != nil {
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	err := c.obey(in, out)
	c.quiet()
	c.ops.Cache.Close()
	if closeErr := c.log.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (c *client) open() (err error) {
	if err := mechanism.SwitchOff(c.Without...); err != nil {
		return err
	}
	if c.log, err = history.Create(c.File); err != nil {
		return err
	}
	c.resolver = newResolver(c.Nodes)
	options := []memcache.Option{
		memcache.WithServers("dns+nodes:" + c.Port), memcache.WithResolver(c.resolver, resolveInterval),
		memcache.WithPropagation(c.Propagation), memcache.WithConnections(c.Connections), memcache.WithObserver(recorded.Nodes{}),
		memcache.WithWritePolicy(memcache.RequireAll), memcache.WithWarmUp(c.WarmUp),
	}
	topology, err := topologyOptions(c.Topology, c.Nodes[int(c.Client)%len(c.Nodes)])
	if err != nil {
		return err
	}
	if c.pins, err = newPinTable(); err != nil {
		return err
	}
	if hasPins(c.Topology) {
		options = append(options, memcache.WithRuleStore(c.pins))
	}
	cache, err := memcache.New(append(options, topology...)...)
	if err != nil {
		return err
	}
	c.ops = recorded.Client{ID: c.Client, Cache: cache, Log: c.log, ViewAge: c.resolver.age}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	for i := range c.Workers {
		rnd := rand.New(rand.NewPCG(c.Seed, uint64(i)))
		c.workers.Go(func() { c.work(ctx, rnd) })
	}
	return nil
}

func (c *client) obey(in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return err
		}
		switch o.Do {
		case doView:
			c.resolver.use(o.Nodes)
		case doPins:
			if err := c.pins.use(o.Epoch, o.Pins); err != nil {
				return err
			}
		case doQuiet:
			c.quiet()
		case doClash:
			c.clash()
		case doRead:
			c.readAll()
		default:
			return fmt.Errorf("unknown order %q", o.Do)
		}
		if _, err := fmt.Fprintln(out, o.Do); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (c *client) quiet() {
	c.stop()
	c.workers.Wait()
}

func (c *client) readAll() {
	for i := range c.Keys {
		c.ops.Get(context.Background(), keyName(i))
	}
	for i := range loadedKeys {
		c.ops.Get(context.Background(), loadedName(i))
	}
}

// clash sets keys at the same time as the other processes do, so that their replicas come to differ if they can.
func (c *client) clash() {
	rnd := rand.New(rand.NewPCG(c.Seed, uint64(c.Workers)))
	for i := 0; i < c.Keys; i += 2 {
		c.ops.Set(context.Background(), keyName(i), size(rnd))
	}
}

// keyName is the same in all processes.
func keyName(i int) string { return fmt.Sprint("k", i) }

// work makes operations at the rate that is this worker's share.
func (c *client) work(ctx context.Context, rnd *rand.Rand) {
	pace := time.Duration(c.Workers) * time.Second / time.Duration(c.Rate)
	for ctx.Err() == nil {
		c.operate(rnd)
		timer := time.NewTimer(time.Duration(rnd.Int64N(int64(2*pace) + 1)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}
