// Quickstart answers: what does this library do? It starts three memcached nodes inside this process, talks to them over
// TCP, and tells what happens while it happens. It checks what it tells, and exits with 0 only if all of it was so.
//
//	go run ./examples/quickstart
//
// Where to look: this file is the table of contents; replicated.go, outage.go and hotkey.go hold the acts, load.go the
// traffic, nodes.go the nodes and their counters, screen.go the drawing.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nohop/memcache"
)

// limit ends a story that hangs; it takes about 6 s.
const limit = 20 * time.Second

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	err := story(ctx, newScreen(os.Stdout))
	cancel()
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart: the story does not hold:", err)
		os.Exit(1)
	}
}

// story plays the acts. It returns an error for the first claim that does not hold.
func story(ctx context.Context, out *screen) error {
	nodes := startNodes(3)
	defer nodes.close()

	client, err := memcache.New(
		memcache.WithServers(nodes.addrs()...),
		memcache.WithReplicated(),           // every node holds every key
		memcache.WithLocal(nodes[0].Addr()), // reads ask this node first
		memcache.WithTimeout(patience),
	)
	if err != nil {
		return err
	}
	defer client.Close()

	s := &stage{screen: out, nodes: nodes, client: client}
	for _, act := range []func(context.Context) error{
		s.readsStayLocal,
		s.writesReachAll,
		s.localNodeDies,
		s.localNodeReturns,
		s.hotKeyIsRelieved,
	} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	s.text("", "Everything above was checked while it happened.")
	return nil
}

// patience is more than the default of 100 ms, because here the nodes share the CPUs of the program that talks to them.
const patience = 500 * time.Millisecond

// stage is what the acts share.
type stage struct {
	*screen
	nodes  nodes
	client *memcache.Client // replicated over nodes; the first is the local one
}
