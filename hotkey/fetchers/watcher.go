package fetchers

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/nohop/memcache/hotkey"
)

// Watcher feeds a sampler with what a node's clients do, for as long as it runs. Its memory is fixed.
type Watcher struct {
	node    string
	options Options
	sampler *hotkey.Sampler // owned by Run

	mu     sync.Mutex
	status Status // guarded by mu
}

// Status is how a Watcher fares. The counts are since New.
type Status struct {
	Node      string
	Connected bool      // and watching
	Since     time.Time // when Connected became what it is; zero if nothing was tried yet
	Err       error     // why it is not connected; nil if it is, or before the first attempt
	Connects  uint64    // times that the node agreed to be watched
	Ops       uint64    // given to the sampler
	Ours      uint64    // ops that were not, see Options.Ours
	Skipped   uint64    // lines that the node left out because this watcher was too slow
	Bad       uint64    // lines that made no sense
}

// New returns a watcher of node, "host:port" or the path of a unix socket; sampler is its own from now on. The error
// matches ErrBadOptions. Nothing is dialed before Run.
func New(node string, sampler *hotkey.Sampler, o Options) (*Watcher, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if node == "" || sampler == nil {
		return nil, fmt.Errorf("%w: a node and a sampler are needed", ErrBadOptions)
	}
	return newWatcher(node, sampler, o), nil
}

// newWatcher is New with options that have their defaults.
func newWatcher(node string, sampler *hotkey.Sampler, o Options) *Watcher {
	return &Watcher{node: node, options: o, sampler: sampler, status: Status{Node: node}}
}

// Run watches until ctx ends, connecting again whenever the connection is lost. Only one call may run at a time.
func (w *Watcher) Run(ctx context.Context) {
	pause := firstBackoff
	for ctx.Err() == nil {
		began := time.Now()
		w.down(w.session(ctx))
		if time.Since(began) > w.options.MaxBackoff {
			pause = firstBackoff // it was up for a while
		}
		sleep(ctx, pause-rand.N(pause/2+1))
		pause = min(2*pause, w.options.MaxBackoff)
	}
}

// Status returns the status of now. It is safe for concurrent use.
func (w *Watcher) Status() Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// session watches over one connection until it fails or ctx ends.
func (w *Watcher) session(ctx context.Context) error {
	conn, err := w.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	conn.SetDeadline(time.Now().Add(w.options.DialTimeout))
	s := newStream(conn, w)
	if err := s.begin(); err != nil {
		return err
	}
	conn.SetDeadline(time.Time{})
	w.up()
	return s.follow()
}

func (w *Watcher) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, w.options.DialTimeout)
	defer cancel()
	return w.options.Dial(ctx, networkOf(w.node), w.node)
}

func (w *Watcher) up() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Connected, w.status.Since, w.status.Err = true, time.Now(), nil
	w.status.Connects++
}

func (w *Watcher) down(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status.Connected || w.status.Since.IsZero() {
		w.status.Since = time.Now()
	}
	w.status.Connected, w.status.Err = false, err
}

// count adds to the counts.
func (w *Watcher) count(c counts) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.Ops += c.ops
	w.status.Ours += c.ours
	w.status.Skipped += c.skipped
	w.status.Bad += c.bad
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
