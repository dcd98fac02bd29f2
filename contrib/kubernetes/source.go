package kubernetes

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/nohop/memcache/discovery"
)

// Source is the pods of a service; a discovery.Watcher. Safe for concurrent use.
type Source struct {
	cfg   Config
	api   *api
	pause time.Duration // between watches, or lists, that end at once
}

const defaultPause = time.Second

// New checks cfg and returns its Source; nothing is asked yet. The error is discovery.ErrBadConfig, or ErrNotInCluster if no
// Server is given and this is no pod.
func New(cfg Config) (*Source, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if cfg.Server == "" {
		var err error
		if cfg, err = cfg.inCluster(accountDir, os.Getenv); err != nil {
			return nil, err
		}
	}
	return &Source{cfg: cfg, api: newAPI(cfg), pause: defaultPause}, nil
}

// Nodes lists the service's pods once. Errors of the API server are *APIError.
func (s *Source) Nodes(ctx context.Context) ([]discovery.Node, error) {
	set, err := s.api.list(ctx)
	if err != nil {
		return nil, err
	}
	return set.nodes(s.cfg)
}

// Watch yields the service's pods at first and at every change, until ctx ends or the API server cannot be asked. See the
// package's comment for its steps.
func (s *Source) Watch(ctx context.Context, yield func([]discovery.Node, error)) error {
	for {
		set, err := s.api.list(ctx)
		if err != nil {
			return err
		}
		yield(set.nodes(s.cfg))
		if err := s.follow(ctx, set, yield); !errors.Is(err, errExpired) {
			return err
		}
		if !sleep(ctx, s.pause) {
			return ctx.Err()
		}
	}
}

// follow keeps set up to date by one watch after the other. It ends with an error; errExpired asks for a new list.
func (s *Source) follow(ctx context.Context, set *sliceSet, yield func([]discovery.Node, error)) error {
	for {
		began := time.Now()
		err := s.api.watch(ctx, set.version, func(e event) error {
			if err := set.apply(e); err != nil {
				return err
			}
			yield(set.nodes(s.cfg)) // after a bookmark too: it confirms the list
			return nil
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return err
		}
		// A server, or a proxy before it, that ends every watch at once must not be asked in a tight loop.
		if time.Since(began) < s.pause && !sleep(ctx, s.pause) {
			return ctx.Err()
		}
	}
}

// sleep reports whether it slept to the end.
func sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
