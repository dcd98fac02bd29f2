package discovery

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Merge is the nodes of several sources. Each is followed by itself, at its own pace, and keeps its own last good list
// while it fails; the others go on. Of a node that several sources give with the same name and address, the first source's
// counts. The bounds of the Config that follows the Merge are those of each source, too.
//
// The first list comes when each source has answered or failed once: a source that does not answer from the start
// is left out, with its error, so that it cannot keep the others from being used.
func Merge(sources ...Source) Watcher { return merged(sources) }

type merged []Source

// Nodes asks all sources at the same time. The error joins those of all that failed.
func (m merged) Nodes(ctx context.Context) ([]Node, error) {
	parts := make([]part, len(m))
	var wg sync.WaitGroup
	for i, src := range m {
		wg.Go(func() { parts[i].nodes, parts[i].err = src.Nodes(ctx) })
	}
	wg.Wait()
	nodes, err := union(parts)
	if err != nil {
		return nil, err
	}
	return nodes, nil
}

// Interval returns the longest of the sources' intervals: that is how late a change may be seen.
func (m merged) Interval() (longest time.Duration) {
	for _, src := range m {
		longest = max(longest, intervalOf(src))
	}
	return longest
}

// bounded is a Watcher that follows other sources, within the bounds of who follows it.
type bounded interface {
	watchWithin(ctx context.Context, bounds Config, yield func([]Node, error)) error
}

// watchWithin is w's Watch, within bounds where it can be.
func watchWithin(ctx context.Context, w Watcher, bounds Config, yield func([]Node, error)) error {
	if b, ok := w.(bounded); ok {
		return b.watchWithin(ctx, bounds, yield)
	}
	return w.Watch(ctx, yield)
}

// Watch follows all sources until ctx ends.
func (m merged) Watch(ctx context.Context, yield func([]Node, error)) error {
	return m.watchWithin(ctx, Config{}, yield)
}

func (m merged) watchWithin(ctx context.Context, bounds Config, yield func([]Node, error)) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := make(chan news)
	for i, src := range m {
		cfg := bounds
		cfg.Source, cfg.OnEvent = src, func(e Event) { post(ctx, news, i, nil, e.Err) }
		f, err := NewFollower(cfg)
		if err != nil {
			return err
		}
		wg.Go(func() { _ = f.Run(ctx, func(list []Node) { post(ctx, news, i, list, nil) }) })
	}
	return collect(ctx, make([]part, len(m)), news, yield)
}

// part is what is known of one source: its last good list, and why it was not confirmed.
type part struct {
	nodes []Node
	err   error
	known bool
}

// news is a new list, or else a failure or the end of one.
type news struct {
	part  int
	nodes []Node
	err   error
}

func post(ctx context.Context, ch chan<- news, i int, nodes []Node, err error) {
	select {
	case ch <- news{i, nodes, err}:
	case <-ctx.Done():
	}
}

// collect yields the union after each piece of news, once something is known of every part.
func collect(ctx context.Context, parts []part, ch <-chan news, yield func([]Node, error)) error {
	missing := len(parts)
	if missing == 0 {
		yield(nil, ErrNoNodes)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case n := <-ch:
			p := &parts[n.part]
			if n.nodes != nil {
				p.nodes = n.nodes
			}
			p.err = n.err
			if !p.known {
				p.known = true
				missing--
			}
			if missing == 0 {
				yield(union(parts))
			}
		}
	}
}

func union(parts []part) (nodes []Node, err error) {
	var errs []error
	for _, p := range parts {
		nodes = append(nodes, p.nodes...)
		errs = append(errs, p.err)
	}
	return nodes, errors.Join(errs...)
}
