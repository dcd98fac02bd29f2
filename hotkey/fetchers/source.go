package fetchers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// lookEvery is how often a Source looks whether there are other nodes, and how its watchers fare.
const lookEvery = 500 * time.Millisecond

// Source has several nodes watched on behalf of a client, so that keys that other clients make hot are found and relieved:
// see memcache.WithHotKeySource. It is safe for concurrent use.
type Source struct {
	nodes   []string
	options Options
}

// NewSource returns a source that watches those nodes; without any, those of the client, as they come and go, but for nodes
// at unix sockets: there, clients cannot be told apart, and the client's own ops would be counted twice. Options.Ours is the
// client's own, unless it is given. The error matches ErrBadOptions.
func NewSource(o Options, nodes ...string) (*Source, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if slices.Contains(nodes, "") {
		return nil, fmt.Errorf("%w: a node without an address", ErrBadOptions)
	}
	return &Source{nodes: slices.Clone(nodes), options: o}, nil
}

// Name is what the keys that a client learns from this source have as their Origin.
func (s *Source) Name() string { return "fetchers" }

// Watch tells eye what the nodes' clients do, until ctx ends; it returns when all watchers have.
func (s *Source) Watch(ctx context.Context, eye *hotkey.Eye) {
	o := s.options
	if o.Ours == nil {
		o.Ours = eye.Ours
	}
	f := &fleet{eye: eye, options: o, watched: map[string]*watched{}}
	defer f.follow(ctx, nil)
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		f.follow(ctx, s.wanted(eye))
		f.tell()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// wanted returns the nodes to watch.
func (s *Source) wanted(eye *hotkey.Eye) []string {
	if len(s.nodes) > 0 {
		return s.nodes
	}
	return slices.DeleteFunc(eye.Nodes(), func(node string) bool { return networkOf(node) == "unix" })
}

// fleet is the watchers of a Source. It belongs to the goroutine of Watch.
type fleet struct {
	eye     *hotkey.Eye
	options Options
	watched map[string]*watched
}

type watched struct {
	watcher *Watcher
	stop    context.CancelFunc
	ended   chan struct{}
}

// follow begins to watch the nodes that are new, and waits for the watchers of those that are gone.
func (f *fleet) follow(ctx context.Context, nodes []string) {
	for node, w := range f.watched {
		if !slices.Contains(nodes, node) {
			w.stop()
			<-w.ended
			delete(f.watched, node)
		}
	}
	for _, node := range nodes {
		if f.watched[node] == nil {
			f.watch(ctx, node)
		}
	}
}

func (f *fleet) watch(ctx context.Context, node string) {
	watcher := newWatcher(node, f.eye.NewSampler(), f.options)
	ctx, stop := context.WithCancel(ctx)
	w := &watched{watcher, stop, make(chan struct{})}
	f.watched[node] = w
	go func() {
		defer close(w.ended)
		watcher.Run(ctx)
	}()
}

// tell says how the watchers fare: which nodes are not seen, or that all are. Until each has tried once it says nothing.
func (f *fleet) tell() {
	var failing []string
	var last error
	connected := 0
	for node, w := range f.watched {
		switch status := w.watcher.Status(); {
		case status.Err != nil:
			failing, last = append(failing, node), status.Err
		case status.Connected:
			connected++
		}
	}
	switch {
	case last != nil:
		slices.Sort(failing)
		f.eye.SetStatus(fmt.Errorf("%s: %w", strings.Join(failing, ", "), last))
	case connected > 0 && connected == len(f.watched):
		f.eye.SetStatus(nil)
	}
}
