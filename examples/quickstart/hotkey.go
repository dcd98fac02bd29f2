package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/nohop/memcache"
	"golang.org/x/sync/errgroup"
)

const (
	hotKey      = "front-page"
	readsPerApp = 2000 // half of them of the hot key
)

var productKeys = namedKeys("product", 300)

// hotKeyGetsRule shows what one hot key does to its home, and how a lookup rule answers it.
func (s *stage) hotKeyGetsRule(ctx context.Context) error {
	s.act("One hot key, and a lookup rule for it")
	s.text("Now each key lives on one node: sharded. Three applications run, one beside",
		fmt.Sprintf("each node, and half of all their reads ask for %q.", hotKey))
	before, err := s.hotTraffic(ctx)
	if err != nil {
		return err
	}
	if err := s.checkHome(before); err != nil {
		return err
	}
	s.text("", "The same with WithRule(key, all three nodes) in each application:")
	after, err := s.hotTraffic(ctx, memcache.WithRule(hotKey, s.nodes.addrs()...))
	if err != nil {
		return err
	}
	return s.checkRule(before, after)
}

// traffic is where the hot key lives and what each node had to serve.
type traffic struct{ holders, reads []int }

func (t traffic) busiest() int { return slices.Max(t.reads) }

func (s *stage) checkHome(t traffic) error {
	if len(t.holders) != 1 {
		return fmt.Errorf("the hot key is on nodes %v", t.holders)
	}
	home := t.holders[0]
	if 2*t.reads[home] <= sum(t.reads) {
		return fmt.Errorf("the home of the hot key served only %d of %d reads", t.reads[home], sum(t.reads))
	}
	s.holds("%q lives on %s alone, which serves more than half of all", hotKey, nodeName(home))
	s.text("   reads")
	return nil
}

func (s *stage) checkRule(before, after traffic) error {
	if len(after.holders) != len(s.nodes) {
		return fmt.Errorf("with the rule the hot key is on nodes %v", after.holders)
	}
	if 2*after.busiest() >= sum(after.reads) {
		return fmt.Errorf("with the rule the reads went to %v", after.reads)
	}
	s.holds("its write went to all three, each application reads the copy beside it:")
	s.text(fmt.Sprintf("   the busiest node went from %d to %d reads", before.busiest(), after.busiest()))
	s.text("", "A rule is set by hand and must be the same in every application; one alone",
		"would still read one copy. The library does not find hot keys by itself yet.")
	return nil
}

// hotTraffic runs an application beside each node and draws what each node served.
func (s *stage) hotTraffic(ctx context.Context, opts ...memcache.Option) (t traffic, err error) {
	apps, err := s.startApps(opts)
	defer closeAll(apps)
	if err != nil {
		return t, err
	}
	if err := writeAll(ctx, apps[0], append([]string{hotKey}, productKeys...)); err != nil {
		return t, err
	}
	served := newMeter(s.nodes)
	if err := readAtOnce(ctx, apps); err != nil {
		return t, err
	}
	t.reads = served.lap()
	s.bars(t.reads)
	t.holders, err = s.holders(ctx)
	return t, err
}

// startApps returns a client for each node, local to it. It returns those that it has also with an error.
func (s *stage) startApps(opts []memcache.Option) (apps []*memcache.Client, err error) {
	for _, n := range s.nodes {
		app, err := memcache.New(append([]memcache.Option{
			memcache.WithServers(s.nodes.addrs()...),
			memcache.WithSharded(1),
			memcache.WithLocal(n.Addr()),
			memcache.WithTimeout(patience),
		}, opts...)...)
		if err != nil {
			return apps, err
		}
		apps = append(apps, app)
	}
	return apps, nil
}

func closeAll(apps []*memcache.Client) {
	for _, app := range apps {
		app.Close()
	}
}

func readAtOnce(ctx context.Context, apps []*memcache.Client) error {
	var all errgroup.Group
	for _, app := range apps {
		all.Go(func() error { return readHot(ctx, app) })
	}
	return all.Wait()
}

// readHot reads the hot key and another one in turn.
func readHot(ctx context.Context, app *memcache.Client) error {
	for i := range readsPerApp / 2 {
		if err := readOne(ctx, app, hotKey); err != nil {
			return err
		}
		if err := readOne(ctx, app, productKeys[i%len(productKeys)]); err != nil {
			return err
		}
	}
	return nil
}

// holders returns the indexes of the nodes that have the hot key.
func (s *stage) holders(ctx context.Context) (indexes []int, err error) {
	for i, addr := range s.nodes.addrs() {
		_, err := askAlone(ctx, addr, hotKey)
		switch {
		case err == nil:
			indexes = append(indexes, i)
		case !errors.Is(err, memcache.ErrCacheMiss):
			return nil, err
		}
	}
	return indexes, nil
}
