package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/history"
	"golang.org/x/sync/errgroup"
)

// settle stops the traffic, gives the clients the time for repairs, and looks at what is left.
func (r *round) settle(ctx context.Context) error {
	if err := r.tellAll(doQuiet); err != nil {
		return err
	}
	for _, n := range r.nodes {
		if err := r.healed(n); err != nil {
			return err
		}
	}
	wait(ctx, r.cfg.repair+repairMargin) // the promise itself: nothing tells when a repair is done
	if err := r.tellAll(doClash); err != nil {
		return err
	}
	wait(ctx, convergeTime+repairMargin)
	if err := r.tellAll(doRead); err != nil {
		return err
	}
	return r.dump()
}

// repairMargin is for what is done before and after a repair.
const repairMargin = 100 * time.Millisecond

func (r *round) tellAll(do string) error {
	var told errgroup.Group
	for _, p := range r.processes {
		told.Go(func() error { return p.tell(order{Do: do}) })
	}
	return told.Wait()
}

// dump records what every node holds. In a sharded set a node that owns a key no more may hold an old value: that is not
// read, so it is not asked.
func (r *round) dump() error {
	for _, n := range r.nodes {
		evicted, err := n.evictions()
		if err != nil {
			return err
		}
		r.report.evictions += evicted
		if !isEverywhere(r.cfg.topology) {
			continue
		}
		for i := range r.cfg.keys {
			if err := r.dumpKey(n, keyName(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *round) dumpKey(n *node, key string) error {
	d := history.Dump{Node: n.name, Key: key, At: history.Now()}
	it, err := n.cache.Get(directContext, key)
	if err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
		return err
	}
	if err == nil {
		d.Value = history.Unseal(it.Value)
	}
	return r.log.Dump(&d)
}

// judge checks what was recorded.
func (r *round) judge() error {
	h, err := history.Read(r.files...)
	if err != nil {
		return err
	}
	violations, err := history.Check(h, history.Bounds{
		Repair: r.cfg.repair, Converge: convergeTime, Quarantine: r.cfg.propagation, Leaving: r.cfg.leaving(),
		Lossless: r.isLossless(),
	})
	if err != nil {
		return err
	}
	if len(r.nodes) == 1 {
		violations = append(violations, r.report.linearize(h)...)
	}
	leftOut, _ := r.cfg.leftOut()
	r.report.add(h, violations, leftOut)
	return r.discard()
}

// discard removes the files that nobody asked to keep: a run of hours writes many.
func (r *round) discard() error {
	if r.cfg.dir != "" {
		return nil
	}
	var errs []error
	for _, file := range r.files {
		errs = append(errs, os.Remove(file))
	}
	return errors.Join(errs...)
}

// convergeTime is V of I5.
const convergeTime = 50 * time.Millisecond

// warmUp is how long new nodes are joining; pool counts it in whole seconds.
func (c *config) warmUp() time.Duration {
	if c.propagation == 0 {
		return 0
	}
	return c.propagation.Truncate(time.Second) + 4*time.Second
}

// rest is how long it takes until there are keys to be had, and where there are pins, until no home moves but by them: a key
// whose nodes are on their way is written in so many places that nobody would notice what a pin does.
func (c *config) rest() time.Duration {
	if hasPins(c.topology) && c.moving < c.warmUp() {
		return 3 * c.warmUp()
	}
	return c.warmUp()
}

// leaving is longer than a node is read after it has left: one that has keys of its own hands them on, in steps as long
// as it takes to join, of which the first is some seconds longer.
func (c *config) leaving() time.Duration {
	if isEverywhere(c.topology) {
		return 0
	}
	return 3 * c.warmUp()
}

// isLossless reports whether every value that was stored must be found. Nodes that join keep none, nor does a replica
// where another one is the key's home; and reads may come to such a node.
func (r *round) isLossless() bool {
	return r.cfg.propagation == 0 && r.cfg.topology == sharded && len(r.cfg.faults) == 1 && r.cfg.faults[0] == "none" && r.report.evictions == 0
}
