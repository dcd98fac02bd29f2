package main

import (
	"fmt"
	"slices"
	"time"
)

const firstSecond = time.Second

// killed measures kill -9 of a node while all keys are read. Ours is replicated; gomemcache, which is not, loses a third of
// the keys.
func killed(cfg config) (row, error) {
	r := row{what: "kill -9 of 1 of 3, replicated reads", goal: "0 failed; p99 of the first second <= healthy + 5 ms"}
	var failed, total int
	var added []time.Duration
	err := in(openReplicated, func(s *scene) error {
		for range cfg.kills {
			healthy, after, err := s.kill(cfg)
			if err != nil {
				return err
			}
			failed, total = failed+after.failed, total+after.failed+after.good
			added = append(added, after.p99()-healthy.p99())
		}
		return nil
	})
	if err != nil {
		return r, err
	}
	middle := median(added, func(d time.Duration) time.Duration { return d })
	r.ours = fmt.Sprintf("%d of %d failed in %d kills; p99 %+.1f ms (median), %+.1f ms (worst)",
		failed, total, cfg.kills, milliseconds(middle), milliseconds(slices.Max(added)))
	r.met = failed == 0 && middle <= 5*time.Millisecond
	return r, in(openAnchor, func(s *scene) error {
		_, after, err := s.kill(cfg)
		r.beside = fmt.Sprintf("%.0f errors/s", after.errors())
		return err
	})
}

// kill returns what reads came to before and in the second after the kill, and has the node back afterwards.
func (s *scene) kill(cfg config) (healthy, after window, err error) {
	l := s.reads()
	pass(cfg.healthy)
	dies := l.now()
	s.victim().Kill()
	pass(firstSecond)
	l.stop()
	healthy, after = l.between(dies-cfg.healthy/2, dies, nil), l.between(dies, dies+firstSecond, nil)
	if err = s.victim().Restart(); err == nil {
		err = s.refill()
	}
	return healthy, after, err
}

// refill stores all keys again, as soon as the node is back for the client.
func (s *scene) refill() error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := s.fill()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		pass(20 * time.Millisecond)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
