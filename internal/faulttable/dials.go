package main

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// mostDials is how often a second a dead node may be dialed.
const mostDials = 5

// dialed counts the dials at a node that nobody listens at.
func dialed(cfg config) (row, error) {
	r := row{what: "dials at a dead node", goal: "<= 5/s"}
	var mine, theirs float64
	count := func(perSecond *float64) func(*scene) error {
		return func(s *scene) error {
			l := s.reads()
			pass(cfg.healthy / 2)
			s.victim().Kill()
			before, from := s.dialCount(), l.now()
			pass(cfg.hang / 2)
			*perSecond = float64(s.dialCount()-before) / (l.now() - from).Seconds()
			l.stop()
			return nil
		}
	}
	if err := in(openSharded, count(&mine)); err != nil {
		return r, err
	}
	r.ours, r.met = fmt.Sprintf("%.1f/s", mine), mine <= mostDials
	if err := in(openAnchor, count(&theirs)); err != nil {
		return r, err
	}
	r.beside = fmt.Sprintf("%.0f/s", theirs)
	return r, nil
}

// staled measures what reads fail because all connections were idle while all nodes restarted.
func staled(cfg config) (row, error) {
	r := row{what: "stale idle connections after a restart", goal: "0 failed reads"}
	count := func(failed *int) func(*scene) error {
		return func(s *scene) error {
			l := s.reads()
			pass(cfg.healthy / 2) // each worker has had a connection
			l.stop()
			for _, n := range s.nodes {
				if err := n.Restart(); err != nil {
					return err
				}
			}
			*failed = s.readTogether()
			return nil
		}
	}
	var mine, theirs int
	if err := in(openSharded, count(&mine)); err != nil {
		return r, err
	}
	r.ours, r.met = fmt.Sprintf("%d of %d", mine, workers*nodeCount), mine == 0
	if err := in(openAnchor, count(&theirs)); err != nil {
		return r, err
	}
	r.beside = fmt.Sprintf("%d of %d", theirs, workers*nodeCount)
	return r, nil
}

// readTogether reads from as many goroutines as there were, one key after the other, and returns how many reads failed.
func (s *scene) readTogether() int {
	var failed atomic.Int64
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := range nodeCount {
				if s.get(s.keys[w*nodeCount+i]) != nil {
					failed.Add(1)
				}
			}
		})
	}
	all.Wait()
	return int(failed.Load())
}
