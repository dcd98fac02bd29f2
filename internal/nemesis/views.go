package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/nohop/memcache/internal/history"
	"golang.org/x/sync/errgroup"
)

// changeView has node n join or leave: each process is told at another moment within the skew. It returns when all of them
// use the new view. The caller holds r.views: there is one change at a time.
func (r *round) changeView(kind history.EventKind, n *node, rnd *rand.Rand) error {
	if kind == history.Leave {
		r.members = slices.DeleteFunc(slices.Clone(r.members), func(ip string) bool { return ip == n.ip })
	} else {
		r.members = append(slices.Clone(r.members), n.ip)
	}
	start := history.Now()
	err := r.tellSkewed(rnd, order{Do: doView, Nodes: r.members})
	r.log.Event(&history.Event{Kind: kind, Node: n.name, Start: start, End: history.Now()})
	return err
}

// tellSkewed gives each process an order at another moment within the skew, and returns when all have carried it out.
func (r *round) tellSkewed(rnd *rand.Rand, o order) error {
	var told errgroup.Group
	for _, p := range r.processes {
		delay := time.Duration(rnd.Int64N(int64(r.cfg.skew) + 1))
		told.Go(func() error {
			wait(r.faulty, delay)
			return p.tell(o)
		})
	}
	return told.Wait()
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
