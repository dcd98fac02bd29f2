package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/nohop/memcache/internal/history"
	"golang.org/x/sync/errgroup"
)

// round is one set of nodes and processes, from start to verdict.
type round struct {
	cfg         config
	number      int
	rnd         *rand.Rand
	dir         string
	lab         *lab // nil: no namespaces
	log         *history.Writer
	files       []string
	nodes       []*node
	processes   []*process
	connections int             // of each process to each node
	faulty      context.Context // ends with the time of faults
	report      *report

	views   sync.Mutex // held during a change of views
	members []string   // addresses in the newest view; guarded by views
	moved   *movedKeys
}

// play runs the round for length and adds what came of it to the report.
func (r *round) play(ctx context.Context, length time.Duration) (err error) {
	if err := r.open(); err != nil {
		return errors.Join(err, r.close())
	}
	err = r.breakThings(ctx, length)
	if err == nil {
		err = r.settle(ctx)
	}
	if err = errors.Join(err, r.close(), ctx.Err()); err != nil {
		return err // an interrupted round has not had the time for repairs
	}
	return r.judge()
}

func (r *round) open() (err error) {
	r.moved = newMovedKeys()
	eventFile := filepath.Join(r.dir, fmt.Sprintf("round%d-events.history", r.number))
	if r.log, err = history.Create(eventFile); err != nil {
		return err
	}
	r.files = []string{eventFile}
	count := r.cfg.nodes
	if count == 0 {
		count = 3 + r.rnd.IntN(3)
	}
	if r.connections = 1 + r.rnd.IntN(2); r.cfg.connections > 0 {
		r.connections = r.cfg.connections
	}
	if labMissing() == "" && count > 1 {
		r.lab = &lab{}
	}
	if r.nodes, err = startNodes(r.rnd, count, r.lab); err != nil {
		r.nodes = nil
		return err
	}
	for _, n := range r.nodes {
		r.members = append(r.members, n.ip)
	}
	for i := range r.cfg.processes {
		if err := r.startProcess(i); err != nil {
			return err
		}
	}
	return nil
}

func (r *round) startProcess(i int) error {
	id := r.number*r.cfg.processes + i + 1
	file := filepath.Join(r.dir, fmt.Sprintf("round%d-client%d.history", r.number, id))
	_, port, err := net.SplitHostPort(r.nodes[0].name)
	if err != nil {
		return err
	}
	p, err := startProcess(clientConfig{
		Client: history.Client(id), Seed: r.rnd.Uint64(), File: file, Port: port, Nodes: r.members,
		Topology: r.cfg.topology, Propagation: r.cfg.propagation, WarmUp: r.cfg.moving, Connections: r.connections,
		Workers: r.cfg.workers, Keys: r.cfg.keys, Rate: r.cfg.rate, Hurry: r.cfg.hurry, Without: r.cfg.without,
	})
	if err != nil {
		return err
	}
	r.processes = append(r.processes, p)
	r.files = append(r.files, file)
	return nil
}

// breakThings plays the schedule and returns when every fault has ended.
func (r *round) breakThings(ctx context.Context, length time.Duration) error {
	kinds, err := chooseFaults(r.cfg.faults)
	if err != nil {
		return err
	}
	wait(ctx, r.cfg.rest())
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	r.faulty = ctx
	var faults errgroup.Group
	began := time.Now()
	for _, s := range r.cfg.schedule(r.rnd, kinds, len(r.nodes), length) {
		wait(ctx, time.Until(began.Add(s.at)))
		n := r.nodes[s.node]
		if ctx.Err() != nil || !s.kind.fits(r, n) {
			continue
		}
		faults.Go(func() error { return r.strike(n, s) })
	}
	wait(ctx, time.Until(began.Add(length)))
	return faults.Wait()
}

// strike makes one fault and undoes it. Faults that would disturb each other wait.
func (r *round) strike(n *node, s step) error {
	lock := r.lockFor(n, s.kind)
	lock.Lock()
	defer lock.Unlock()
	if r.faulty.Err() != nil {
		return nil
	}
	r.report.struck(s.kind.name)
	rnd := rand.New(rand.NewPCG(s.seed, 0))
	start := history.Now()
	if lock == &n.fault {
		r.log.Event(&history.Event{Kind: history.Break, Node: n.name, Start: start, End: start})
	}
	err := s.kind.do(r, n, rnd, func() { wait(r.faulty, s.hold) })
	r.log.Event(&history.Event{Kind: history.Note, Node: n.name, Start: start, End: history.Now(), Text: s.kind.name})
	if err != nil {
		err = fmt.Errorf("%s at %s: %w", s.kind.name, n.name, err)
	}
	if lock == &n.fault {
		err = errors.Join(err, r.healed(n))
	}
	return err
}

// lockFor returns what a fault holds: its node, or the views. What concerns all nodes takes the locks of each in turn.
func (r *round) lockFor(n *node, kind faultKind) sync.Locker {
	switch kind.name {
	case "leave":
		return &r.views
	case "pin":
		return &r.moved.mu
	case "flush-all", "meddle-stale", "meddle-torn":
		return new(sync.Mutex)
	}
	return &n.fault
}

// eachNode calls do for all nodes, each when nothing else is wrong with it.
func (r *round) eachNode(do func(n *node) error) error {
	for _, n := range r.nodes {
		n.fault.Lock()
		err := do(n)
		n.fault.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// healed undoes what is wrong with n and records that it can be reached.
func (r *round) healed(n *node) error {
	start := history.Now()
	err := n.heal()
	r.log.Event(&history.Event{Kind: history.Heal, Node: n.name, Start: start, End: history.Now()})
	return err
}

// flushed records that n has lost everything since start, unless reads fill it again from others: all do but those of plain
// replicas, as a key whose home moves is filled by who is a step ahead with what others have stored at the old home. The only
// node is all nodes.
func (r *round) flushed(n *node, start history.Time) {
	e := history.Event{Kind: history.Flush, Node: n.name, Start: start, End: history.Now()}
	switch {
	case len(r.nodes) == 1:
		e.Node = ""
	case r.cfg.topology != replicated:
		return
	}
	r.log.Event(&e)
}

// close ends processes and nodes, whatever state they are in.
func (r *round) close() error {
	var errs []error
	for _, p := range r.processes {
		errs = append(errs, p.end())
	}
	if r.nodes != nil {
		closeNodes(r.nodes)
	}
	if r.lab != nil {
		errs = append(errs, r.lab.close())
	}
	return errors.Join(append(errs, r.log.Close())...)
}
