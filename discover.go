package memcache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nohop/memcache/discovery"
)

// firstAnswer bounds the time that New waits for the nodes. It is longer than one look-up may take, so that a source that
// does not answer has failed by then, and the others of a merge are used.
const firstAnswer = 7 * time.Second

// start makes the first view and keeps it up to date until ctx ends.
func (c *Client) start(ctx context.Context) error {
	begin := c.follow
	switch {
	case c.cfg.topology == configured:
		return c.startConfig(ctx)
	case c.cfg.source == nil:
		begin = func(ctx context.Context) error { return c.use(ctx, c.cfg.fixed) }
	}
	if err := begin(ctx); err != nil {
		return err
	}
	if c.cfg.local.nearest {
		c.wg.Go(func() { c.measure(ctx) })
	}
	return nil
}

// follow starts to follow the source and returns when it has answered or failed once, or firstAnswer is over. The error
// is that of the first view.
func (c *Client) follow(ctx context.Context) (err error) {
	first := make(chan error, 1)
	answered := func(err error) {
		select {
		case first <- err:
		default: // nobody waits any more
		}
	}
	c.follower, err = discovery.NewFollower(discovery.Config{Source: c.cfg.source, OnEvent: func(e discovery.Event) {
		c.logEvent(e)
		c.discoveryEvent(e)
		c.noteFailure(e.Err)
		answered(nil)
	}})
	if err != nil {
		return err
	}
	c.wg.Go(func() {
		_ = c.follower.Run(ctx, func(list []discovery.Node) { answered(c.use(ctx, list)) }) // its error is that of ctx
	})
	timer := time.NewTimer(firstAnswer)
	defer timer.Stop()
	select {
	case err := <-first:
		return err
	case <-timer.C:
		c.cfg.log.Warn("memcache: no word of any node yet", "waited", firstAnswer)
		return nil
	}
}

// noteFailure has operations say why there are no nodes, while there are none. They do not wrap err: it may be that of a
// context, which callers would take for their own.
func (c *Client) noteFailure(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && !c.closed && c.view.Load().reason != nil {
		c.view.Store(emptyView(fmt.Errorf("%w: %v", ErrNoServers, err)))
	}
}

// use makes the view over a new list of nodes.
func (c *Client) use(ctx context.Context, list []discovery.Node) error {
	err := c.apply(ctx, func(set *nodeSet) (*view, error) {
		v, err := c.viewOf(set, list)
		if err == nil {
			c.list = list
		}
		return v, err
	})
	c.report(err)
	return err
}

// report logs what has become of the view.
func (c *Client) report(err error) {
	v := c.view.Load()
	if !errors.Is(err, ErrClosed) {
		c.viewEvent(err)
	}
	switch {
	case errors.Is(err, ErrClosed):
	case err != nil:
		c.cfg.log.Error("memcache: no view can be made of the nodes there are now; the last one stays", "error", err)
	default:
		c.cfg.log.Info("memcache: the view has changed", "nodes", len(v.nodes), "local", v.local.name(), "localBy", v.local.by)
	}
}

// logEvent logs trouble of the source, ever less often while it lasts, and its end.
func (c *Client) logEvent(e discovery.Event) {
	switch {
	case e.Err == nil:
		c.cfg.log.Info("memcache: discovery answers again", "failures", e.Failures, "after", e.Age)
	case e.Failures&(e.Failures-1) == 0: // 1, 2, 4, 8 …
		c.cfg.log.Warn("memcache: discovery failed; the last list stays",
			"error", e.Err, "failures", e.Failures, "nodes", e.Nodes, "age", e.Age)
	}
}
