package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/history"
	"golang.org/x/sync/errgroup"
)

// changed measures what is noticed of nodes that join and leave. The four runs are under way at once: they are no
// measurements of speed.
func changed(ctx context.Context, cfg config) ([]row, error) {
	join := row{what: fmt.Sprintf("views 0-3 s apart, %d joins and leaves", cfg.cycles), goal: "0 violations, 0 stale reads"}
	shard := row{what: "resharding 3 to 4 to 3 nodes", goal: "0 stale; extra misses <= 1 % of reads"}
	var joins, plainJoins, shards, plainShards noticed
	together, ctx := errgroup.WithContext(ctx)
	for _, run := range []struct {
		result      *noticed
		play        func(context.Context, config, time.Duration) (noticed, error)
		propagation time.Duration
	}{
		{&joins, joined, cfg.spread}, {&plainJoins, joined, 0}, {&shards, resharded, cfg.spread}, {&plainShards, resharded, 0},
	} {
		together.Go(func() (err error) {
			*run.result, err = run.play(ctx, cfg, run.propagation)
			return err
		})
	}
	if err := together.Wait(); err != nil {
		return nil, err
	}
	join.ours = fmt.Sprintf("%s, %d violations", joins.staleness(), joins.violations)
	join.beside = fmt.Sprintf("writes to all and failover: %s, %d violations", plainJoins.staleness(), plainJoins.violations)
	join.met = joins.violations == 0 && joins.hits > 0
	shard.ours = shards.staleness() + ", " + shards.loss()
	shard.beside = "plain rendezvous: " + plainShards.staleness() + ", " + plainShards.loss()
	shard.met = shards.stale == 0 && shards.missed() <= 1 && shards.hits > 0
	return []row{join, shard}, nil
}

// noticed is what came of a run.
type noticed struct {
	hits, misses, failed int     // reads
	worst                float64 // misses of 100 reads in the worst second
	stale                int     // reads of what is older than a write that all nodes of the writer's view had acknowledged
	violations           int     // of I1 to I8, a read counts once for each that it breaks
}

func (n *noticed) reads() int { return n.hits + n.misses + n.failed }

func (n *noticed) missed() float64 { return 100 * float64(n.misses) / float64(n.reads()) }

func (n *noticed) loss() string {
	return fmt.Sprintf("%.2f %% misses (%.0f %% in the worst second)", n.missed(), n.worst)
}

func (n *noticed) staleness() string { return fmt.Sprintf("%d of %d reads stale", n.stale, n.reads()) }

// joined has a node join and leave a set of replicas. Half of the clients read there first while it is in.
func joined(ctx context.Context, cfg config, propagation time.Duration) (noticed, error) {
	f, err := newFleet(cfg, propagation, memcache.WithReplicated())
	if err != nil {
		return noticed{}, err
	}
	f.keys, f.deletes, f.sets = fleetKeys, 5, 15
	return f.play(ctx, propagation, func(ctx context.Context) error {
		for range cfg.cycles {
			if err := f.comeAndGo(ctx, cfg.stay*2/3, cfg.stay/3); err != nil {
				return err
			}
		}
		return nil
	})
}

// resharded has a node join and leave a set over which the keys are spread, each of them on one node. Nothing is deleted, so a
// read that misses has lost something by the change.
func resharded(ctx context.Context, cfg config, propagation time.Duration) (noticed, error) {
	f, err := newFleet(cfg, propagation, memcache.WithSharded(1), memcache.WithWarmUp(cfg.stay))
	if err != nil {
		return noticed{}, err
	}
	f.keys, f.sets = shardedKeys, 5
	return f.play(ctx, propagation, func(ctx context.Context) error { return f.comeAndGo(ctx, 2*cfg.stay, 2*cfg.stay) })
}

// play has change do something to warm and full nodes while the clients work, and returns what they noticed.
func (f *fleet) play(ctx context.Context, propagation time.Duration, change func(context.Context) error) (noticed, error) {
	defer f.end()
	if err := f.warm(ctx, propagation); err != nil {
		return noticed{}, err
	}
	f.fill(ctx)
	if err := f.under(ctx, change); err != nil {
		return noticed{}, err
	}
	return f.judge(propagation)
}

// under does something to the nodes while the clients work.
func (f *fleet) under(ctx context.Context, do func(context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		f.drive(working)
		close(done)
	}()
	err := do(ctx)
	stop()
	<-done
	return errors.Join(err, ctx.Err())
}

// comeAndGo has a node join, stay in, leave and stay away.
func (f *fleet) comeAndGo(ctx context.Context, in, out time.Duration) error {
	for _, step := range []struct {
		kind history.EventKind
		stay time.Duration
	}{{history.Join, in}, {history.Leave, out}} {
		if err := f.change(ctx, step.kind); err != nil {
			return err
		}
		if err := f.wait(ctx, step.stay); err != nil {
			return err
		}
	}
	return nil
}

const (
	convergeTime = 50 * time.Millisecond // V of I5
	repairTime   = 2 * time.Second       // R of I4
)

// judge checks the history.
func (f *fleet) judge(propagation time.Duration) (n noticed, err error) {
	pass(2 * convergeTime)
	if err := f.dump(); err != nil {
		return n, err
	}
	h := &f.log.history
	violations, err := history.Check(h, history.Bounds{Repair: repairTime, Converge: convergeTime, Quarantine: propagation})
	if err != nil {
		return n, err
	}
	n.violations = len(violations)
	for i := range violations {
		if violations[i].Invariant == "I3" {
			n.stale++
		}
	}
	n.count(h)
	return n, nil
}

// count counts reads, all of them and those of each second.
func (n *noticed) count(h *history.History) {
	seconds := map[history.Time]*noticed{}
	for i := range h.Ops {
		op := &h.Ops[i]
		if op.Command != history.Get {
			continue
		}
		second := op.Call / history.Time(time.Second)
		if seconds[second] == nil {
			seconds[second] = &noticed{}
		}
		n.add(op)
		seconds[second].add(op)
	}
	for _, s := range seconds {
		n.worst = max(n.worst, s.missed())
	}
}

func (n *noticed) add(op *history.Op) {
	switch op.Outcome {
	case history.OK:
		n.hits++
	case history.Miss:
		n.misses++
	default:
		n.failed++
	}
}
