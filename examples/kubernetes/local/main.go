// Local rehearses the Kubernetes example on one machine: three network namespaces are the Kubernetes nodes, each with a
// memcached and the application in it, as the manifests have it. It needs Linux, root, iproute2 and memcached.
//
//	sudo go run ./examples/kubernetes/local
//
// lab.go makes the nodes, this file tells the story.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM) // what was made is taken down
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kubernetes/local:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	lab, err := newLab(ctx, 3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lab.close()) }()
	s := story{ctx, lab, out}
	for _, act := range []func() error{s.readsAreLocal, s.aNodeDies, s.aNodeLeaves, s.aNodeReturns} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// story is what the acts share.
type story struct {
	ctx context.Context
	lab *lab
	out io.Writer
}

const keys = 1000

// readsAreLocal: what one application has written to all, each reads from its own node. Nodes that are new to all are not read
// for some seconds.
func (s story) readsAreLocal() error {
	reports, err := s.awaitFleet()
	if err != nil {
		return err
	}
	for i, h := range s.lab.hosts {
		fmt.Fprintf(s.out, "%s: the application found %d of %d keys, its own memcached served %d\n", h.name, reports[i].Found, keys, reports[i].FromLocal)
	}
	return nil
}

// awaitFleet has the first application write until every application finds all keys at its own node, and returns what they
// have then said.
func (s story) awaitFleet() ([]report, error) {
	for {
		if _, err := s.lab.hosts[0].work(s.ctx, keys, 0); err != nil {
			return nil, err
		}
		found := 0
		var reports []report
		for _, h := range s.lab.hosts {
			report, err := h.work(s.ctx, 0, keys)
			if err != nil {
				return nil, err
			}
			reports, found = append(reports, report), found+report.FromLocal
		}
		if found == keys*len(s.lab.hosts) {
			return reports, nil
		}
		if err := pause(s.ctx); err != nil {
			return nil, err
		}
	}
}

// aNodeDies: its memcached is killed, and its application reads from the others.
func (s story) aNodeDies() error {
	dead := s.lab.hosts[1]
	dead.kill()
	report, err := dead.work(s.ctx, keys, keys)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s: its memcached is dead; the application stored and found %d of %d keys, %d failed\n", dead.name, report.Found, keys, report.Failed)
	if report.Found != keys || report.Failed != 0 {
		return errors.New("a dead node was felt")
	}
	return nil
}

// aNodeLeaves the service, as a pod that is not ready does, and every application knows soon.
func (s story) aNodeLeaves() error {
	if err := s.lab.list(s.lab.hosts[0], s.lab.hosts[2]); err != nil {
		return err
	}
	report, err := s.await(func(r report) bool { return r.Nodes == 2 })
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s has left the service: the applications see %d nodes\n", s.lab.hosts[1].name, report.Nodes)
	return nil
}

// aNodeReturns empty and is used again.
func (s story) aNodeReturns() error {
	back := s.lab.hosts[1]
	if err := back.serve(s.ctx); err != nil {
		return err
	}
	if err := s.lab.list(s.lab.hosts...); err != nil {
		return err
	}
	if _, err := s.await(func(r report) bool { return r.Nodes == 3 }); err != nil {
		return err
	}
	for {
		if _, err := back.work(s.ctx, keys, 0); err != nil {
			return err
		}
		report, err := back.work(s.ctx, 0, keys)
		if err != nil {
			return err
		}
		if report.Found != keys {
			return fmt.Errorf("%d of %d keys were found while a node returned", report.Found, keys)
		}
		if report.FromLocal == keys {
			fmt.Fprintf(s.out, "%s is back: its memcached serves %d of %d reads again\n", back.name, report.FromLocal, keys)
			return nil
		}
		if err := pause(s.ctx); err != nil {
			return err
		}
	}
}

// await asks all applications until all see what is wanted.
func (s story) await(wanted func(report) bool) (last report, err error) {
	for _, h := range s.lab.hosts {
		for {
			if last, err = h.work(s.ctx, 0, 0); err != nil || wanted(last) {
				break
			}
			if err = pause(s.ctx); err != nil {
				break
			}
		}
		if err != nil {
			return last, err
		}
	}
	return last, nil
}

// pause waits a moment before something that goes on elsewhere is looked at again.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(20 * time.Millisecond):
		return nil
	}
}
