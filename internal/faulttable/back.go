package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/nohop/memcache/internal/faultproxy"
)

// soon is how long after its return a node may take to be used again.
const soon = 250 * time.Millisecond

// comeback is a way in which a node goes and comes back. Back returns when the node could answer.
type comeback struct {
	name       string
	path       path
	gone, back func(*scene) error
}

func comebacks() []comeback {
	return []comeback{
		{"SIGCONT", direct, func(s *scene) error { s.victim().Pause(); return nil }, func(s *scene) error { s.victim().Resume(); return nil }},
		{"heal", proxied, func(s *scene) error { return s.network.Set(cut) }, func(s *scene) error { return s.network.Heal() }},
		{"restart", direct, func(s *scene) error { s.victim().Kill(); return nil }, func(s *scene) error { return s.victim().Restart() }},
	}
}

// cut is a network that passes nothing, and delivers later what TCP sends again.
var cut = faultproxy.Faults{ToNode: faultproxy.Link{Flow: faultproxy.Stall}, ToClient: faultproxy.Link{Flow: faultproxy.Stall}}

// returned is what came of one comeback.
type returned struct {
	took       time.Duration // until a read of the node's keys was answered, by a sharded client
	failed     int           // reads in the second after that
	replicated int           // reads of a replicated client that failed in the second after the node could answer
}

// cameBack measures each comeback some times and takes the middle: in a second of tens of thousands of reads, a machine that
// has something else to do fails some.
func cameBack(cfg config) (row, error) {
	r := row{what: "back after SIGCONT, heal or restart", goal: "<= 250 ms, 0 errors in that second", met: true}
	for _, c := range comebacks() {
		m, err := c.middle(cfg)
		if err != nil {
			return r, err
		}
		r.add("; ", fmt.Sprintf("%s %.0f ms, %d errors (replicated %d)", c.name, milliseconds(m.took), m.failed, m.replicated))
		r.met = r.met && m.took <= soon && m.failed == 0 && m.replicated == 0
	}
	return r, in(openAnchor, func(s *scene) error {
		failed, err := s.returnsUnnoticed(cfg, comebacks()[0])
		r.beside = fmt.Sprintf("%d errors after SIGCONT", failed)
		return err
	})
}

// middle returns the medians of some comebacks.
func (c comeback) middle(cfg config) (m returned, err error) {
	var all []returned
	for range cfg.comebacks {
		one, err := c.once(cfg)
		if err != nil {
			return m, err
		}
		all = append(all, one)
	}
	m.took = median(all, func(r returned) time.Duration { return r.took })
	m.failed = median(all, func(r returned) int { return r.failed })
	m.replicated = median(all, func(r returned) int { return r.replicated })
	return m, nil
}

// median returns the middle one of what of returns for each of all, of two the higher.
func median[S any, T cmp.Ordered](all []S, of func(S) T) T {
	values := make([]T, len(all))
	for i, one := range all {
		values[i] = of(one)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func (c comeback) once(cfg config) (one returned, err error) {
	err = at(c.path, openSharded, func(s *scene) (err error) {
		one.took, one.failed, err = s.returns(cfg, c)
		return err
	})
	if err != nil {
		return one, err
	}
	return one, at(c.path, openReplicated, func(s *scene) (err error) {
		one.replicated, err = s.returnsUnnoticed(cfg, c)
		return err
	})
}

// goesAndReturns plays c under a load of reads and returns at which time of the load the node could answer.
func (s *scene) goesAndReturns(cfg config, c comeback, l *load) (back time.Duration, err error) {
	defer l.stop()
	pass(cfg.healthy / 2)
	if err := c.gone(s); err != nil {
		return 0, err
	}
	pass(cfg.absence)
	asks := l.now() // of a restart, the end is what counts: before it nobody could answer
	if err := c.back(s); err != nil {
		return 0, err
	}
	if back = l.now(); c.name != "restart" {
		back = asks
	}
	pass(cfg.after)
	return back, nil
}

func (s *scene) returns(cfg config, c comeback) (took time.Duration, failed int, err error) {
	theirs := s.onVictim()
	l := s.reads()
	back, err := s.goesAndReturns(cfg, c, l)
	if err != nil {
		return 0, 0, err
	}
	first := l.firstGood(back, theirs)
	if first == 0 {
		return 0, 0, fmt.Errorf("after %s, no read of the node's keys was answered", c.name)
	}
	return first - back, l.failures(first, first+time.Second), nil
}

func (s *scene) returnsUnnoticed(cfg config, c comeback) (failed int, err error) {
	l := s.reads()
	back, err := s.goesAndReturns(cfg, c, l)
	if err != nil {
		return 0, err
	}
	return l.failures(back, back+time.Second), nil
}
