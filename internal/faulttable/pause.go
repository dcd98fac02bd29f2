package main

import (
	"fmt"
	"time"
)

// hang is what a load came to before and after a node was stopped with SIGSTOP, and while it was.
type hang struct{ before, hanging, after window }

// kept is the part of the healthy throughput that is left. What the machine does meanwhile moves more than a tenth of it from one
// second to the next, so healthy is what was before and after.
func (h hang) kept() float64 { return 2 * h.hanging.rate() / (h.before.rate() + h.after.rate()) }

// slower is by how much p99 has grown.
func (h hang) slower() float64 {
	return 2 * float64(h.hanging.p99()) / float64(h.before.p99()+h.after.p99())
}

// hangs are several.
type hangs []hang

// kept and slower are medians.
func (h hangs) kept() float64   { return median(h, hang.kept) }
func (h hangs) slower() float64 { return median(h, hang.slower) }

func (h hangs) failed() (failed int) {
	for _, one := range h {
		failed += one.hanging.failed
	}
	return failed
}

// pause has the victim hang in the middle of l, several times. Operations on keys that want reports true for count; nil: all. So
// many timeouts after each stop are left out.
func (s *scene) pause(cfg config, l *load, skip int, want func(int) bool) (all hangs) {
	healthy := func() span { return l.span(cfg.hang/2, func() { pass(cfg.hang / 2) }) }
	pass(cfg.healthy) // connections are made
	calm, stopped := []span{healthy()}, []span(nil)
	for range cfg.hangs {
		s.victim().Pause()
		stopped = append(stopped, l.span(cfg.hang-time.Duration(skip)*timeout, func() { pass(cfg.hang) }))
		s.victim().Resume()
		pass(cfg.after)
		calm = append(calm, healthy())
	}
	l.stop()
	for i, t := range stopped {
		all = append(all, hang{l.during(calm[i], want), l.during(t, want), l.during(calm[i+1], want)})
	}
	return all
}

// paused measures reads while a node is stopped.
func paused(cfg config) (row, error) {
	r := row{what: "SIGSTOP of 1 of 3", goal: "throughput >= 90 % of healthy: replicated, and of the live shards; p99 <= 2 x healthy"}
	var copies, shards, theirs hangs
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
		100*copies.kept(), copies.slower(), copies.failed(), 100*shards.kept(), shards.slower())
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
		r.ours = fmt.Sprintf("%.0f %%, %d failed", 100*h.kept(), h.failed())
		r.met = h.kept() >= 0.9
		return nil
	})
}
