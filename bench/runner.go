package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// runner runs workloads with the clients taking turns.
type runner struct {
	servers *servers
	clients string // patterns of the clients to run
	slice   time.Duration
	rounds  int
}

// result is what all clients did in one workload.
type result struct {
	workload workload
	rows     []row
}

// row is one client's part of a result: a sample per round, or a note why there is none.
type row struct {
	name    string
	note    string
	failed  bool // the note tells a failure, not a missing server
	samples []sample
}

// row returns the row of a client that ran.
func (r result) row(name string) (row, bool) {
	for _, row := range r.rows {
		if row.name == name && len(row.samples) > 0 {
			return row, true
		}
	}
	return row{}, false
}

// contender is a client in a running workload.
type contender struct {
	row    row
	client client         // nil if the row has a note
	steps  []func() error // one per goroutine
}

// run runs one workload. Its error is that ctx ended or errHung; what else goes wrong with a client stands in its row.
func (r runner) run(ctx context.Context, w workload) (result, error) {
	data := w.data()
	var contenders []*contender
	for _, p := range choose(w.peers, r.clients) {
		contenders = append(contenders, r.enter(p, w, data))
	}
	err := r.takeTurns(ctx, w, contenders)
	if errors.Is(err, errHung) {
		return result{}, err // Close may hang too
	}
	res := result{workload: w}
	for _, c := range contenders {
		c.close()
		res.rows = append(res.rows, c.row)
	}
	return res, err
}

// enter connects a client and stores the workload's keys with it, since each places them by its own hash.
func (r runner) enter(p peer, w workload, data *dataset) *contender {
	c := &contender{row: row{name: p.name}}
	if note := r.servers.absent[p.program]; note != "" {
		c.row.note = note
		return c
	}
	if err := c.open(p, w, r.servers, data); err != nil {
		c.row.note, c.row.failed = fmt.Sprintf("FAILED: %v", err), true
		c.close()
	}
	return c
}

func (c *contender) open(p peer, w workload, s *servers, data *dataset) error {
	opened, err := p.open(s, s.nodes[:w.nodes], w.goroutines)
	if err != nil {
		return err
	}
	c.client = opened
	for id := range w.goroutines {
		worker, err := opened.worker()
		if err != nil {
			return err
		}
		if id == 0 {
			if err := data.fill(worker); err != nil {
				return err
			}
		}
		c.steps = append(c.steps, w.step(worker, data, id))
	}
	return nil
}

func (c *contender) close() {
	if c.client != nil {
		c.client.close()
		c.client = nil
	}
}

// takeTurns gives every contender a short slice to warm up, and then one slice per round.
func (r runner) takeTurns(ctx context.Context, w workload, contenders []*contender) error {
	recorders := newRecorders(w.goroutines)
	for _, c := range contenders {
		if _, err := c.turn(w, recorders, r.slice/4, 0); err != nil {
			return err
		}
	}
	length := r.slice * time.Duration(max(w.stretch, 1))
	for round := 1; round <= r.rounds; round++ {
		for turn := range contenders {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			c := contenders[(turn+round)%len(contenders)]
			samples, err := c.turn(w, recorders, length, round)
			if err != nil {
				return err
			}
			c.row.samples = append(c.row.samples, samples...)
		}
	}
	return nil
}

// turn runs one slice and returns its sample, or none if the client could not start.
func (c *contender) turn(w workload, recorders []recorder, d time.Duration, round int) ([]sample, error) {
	if c.client == nil {
		return nil, nil
	}
	s, err := runSlice(w, c.steps, recorders, d, round)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.row.name, err)
	}
	return []sample{s}, nil
}
