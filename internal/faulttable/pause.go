package main

import (
	"fmt"
	"time"
)

// hang is what a load came to before a node was stopped with SIGSTOP, and while it was.
type hang struct{ healthy, hanging window }

// kept is the part of the healthy throughput that is left.
func (h hang) kept() float64 { return h.hanging.rate() / h.healthy.rate() }

// slower is by how much p99 has grown.
func (h hang) slower() float64 { return float64(h.hanging.p99()) / float64(h.healthy.p99()) }

// pause has the victim hang in the middle of l. Operations on keys that want reports true for count; nil: all. So many timeouts
// after the stop are left out.
func (s *scene) pause(cfg config, l *load, skip int, want func(int) bool) hang {
	pass(cfg.healthy)
	stops := l.now()
	s.victim().Pause()
	pass(cfg.hang)
	ends := l.now()
	l.stop()
	s.victim().Resume()
	from := stops + time.Duration(skip)*timeout
	return hang{l.between(stops-cfg.healthy/2, stops, want), l.between(from, ends, want)}
}

// paused measures reads while a node is stopped.
func paused(cfg config) (row, error) {
	r := row{what: "SIGSTOP of 1 of 3", goal: "throughput >= 90 % of healthy: replicated, and of the live shards; p99 <= 2 x healthy"}
	var copies, shards, theirs hang
	if err := in(openReplicated, func(s *scene) error {
		copies = s.pause(cfg, s.reads(), 0, nil)
		return nil
	}); err != nil {
		return r, err
	}
	if err := in(openSharded, func(s *scene) error {
		shards = s.pause(cfg, s.reads(), 0, not(s.onVictim()))
		return nil
	}); err != nil {
		return r, err
	}
	r.ours = fmt.Sprintf("replicated %.0f %%, p99 x %.1f, %d failed; live shards %.0f %%, p99 x %.1f",
		100*copies.kept(), copies.slower(), copies.hanging.failed, 100*shards.kept(), shards.slower())
	r.met = copies.kept() >= 0.9 && shards.kept() >= 0.9 && copies.slower() <= 2 && shards.slower() <= 2
	return r, in(openAnchor, func(s *scene) error {
		theirs = s.pause(cfg, s.reads(), 0, nil)
		r.beside = fmt.Sprintf("%.0f %% left, p99 x %.0f", 100*theirs.kept(), theirs.slower())
		return nil
	})
}

// written measures writes to all replicas while one is stopped. Each must have failed once before it is known.
func written(cfg config) (row, error) {
	r := row{what: "writes to all during the hang", goal: ">= 90 % of healthy after 2 T", beside: "-"}
	return r, in(openReplicated, func(s *scene) error {
		h := s.pause(cfg, s.writes(), 2, nil)
		r.ours = fmt.Sprintf("%.0f %%, %d failed", 100*h.kept(), h.hanging.failed)
		r.met = h.kept() >= 0.9
		return nil
	})
}
