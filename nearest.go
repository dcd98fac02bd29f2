package memcache

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
)

const (
	nearestInterval = 10 * time.Second // between rounds of measurements
	pingsPerRound   = 3                // the fastest counts: it waited for nobody
	pingsAtOnce     = 16               // nodes
	roundsToWin     = 3                // in a row, for a node that is nearer than the nearest
	nearestMargin   = 50 * time.Microsecond
)

// choice is the node with the lowest round trip, when it was chosen.
type choice struct {
	node      string
	roundTrip time.Duration
}

// find returns the node's locality, none if it is not there.
func (c choice) find(members []member) locality {
	for _, m := range members {
		if c.node != "" && m.Name == c.node {
			return locality{m.Name, m.Zone, fmt.Sprintf("lowest round trip (%v)", c.roundTrip.Round(time.Microsecond))}
		}
	}
	return locality{}
}

// contest chooses the nearest node, round by round, and is slow to change its mind: every change moves reads to a node
// that may not have their keys at hand.
type contest struct {
	chosen, rival choice
	won           int // rounds in a row, by rival
}

// round takes the round trips of the nodes that have answered and reports whether another one is chosen now.
func (c *contest) round(roundTrips map[string]time.Duration) (changed bool) {
	best := lowest(roundTrips)
	current, ok := roundTrips[c.chosen.node]
	switch {
	case best.node == "":
		return false
	case !ok:
		c.won = roundsToWin
	case !clearlyLess(best.roundTrip, current):
		c.won = 0
		return false
	case best.node != c.rival.node || c.won == 0:
		c.won = 1
	default:
		c.won++
	}
	c.rival = best
	if c.won < roundsToWin {
		return false
	}
	c.chosen, c.won = best, 0
	return true
}

// lowest returns the lowest round trip, the first by name of several; none of none.
func lowest(roundTrips map[string]time.Duration) (best choice) {
	for name, d := range roundTrips {
		if best.node == "" || d < best.roundTrip || d == best.roundTrip && name < best.node {
			best = choice{name, d}
		}
	}
	return best
}

func clearlyLess(a, b time.Duration) bool { return a < b*3/4 && a <= b-nearestMargin }

// measure keeps choosing the nearest node until ctx ends.
func (c *Client) measure(ctx context.Context) {
	ticker := time.NewTicker(nearestInterval)
	defer ticker.Stop()
	var contest contest
	for ctx.Err() == nil {
		if contest.round(roundTrips(ctx, c.view.Load().nodes)) {
			c.prefer(ctx, contest.chosen)
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// prefer makes the view again with another nearest node.
func (c *Client) prefer(ctx context.Context, nearest choice) {
	c.report(c.apply(ctx, func(set *nodeSet) (*view, error) {
		c.nearest = nearest
		return c.again(set)
	}))
}

// roundTrips measures nodes, and leaves out those that do not answer.
func roundTrips(ctx context.Context, nodes []*pool.Node) map[string]time.Duration {
	var mu sync.Mutex
	var wg sync.WaitGroup
	measured := map[string]time.Duration{}
	slots := make(chan struct{}, pingsAtOnce)
	for _, n := range nodes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if d, ok := roundTrip(ctx, n); ok {
				mu.Lock()
				defer mu.Unlock()
				measured[n.Name()] = d
			}
		})
	}
	wg.Wait()
	return measured
}

// roundTrip returns the fastest of a few pings, the first of which may have had to connect.
func roundTrip(ctx context.Context, n *pool.Node) (fastest time.Duration, ok bool) {
	for range pingsPerRound {
		start := time.Now()
		ops := route.Broadcast(ctx, []*pool.Node{n}, protocol.Request{Command: protocol.Noop})
		if d := time.Since(start); ops[0].Err == nil && (!ok || d < fastest) {
			fastest, ok = d, true
		}
	}
	return fastest, ok
}
