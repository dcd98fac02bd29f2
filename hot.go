package memcache

import (
	"context"
	"fmt"
	"iter"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
)

// WithHotKeys sets the thresholds from which keys are reported as hot or missed. Without it they are those of package
// hotkey; the number of nodes is known without being told. It excludes WithoutHotKeys.
func WithHotKeys(o hotkey.Options) Option {
	return func(c *config) error {
		if _, err := hotkey.New(o); err != nil {
			return fmt.Errorf("%w: %w", ErrBadOption, err)
		}
		c.hotKeys = &o
		return nil
	}
}

// WithoutHotKeys switches the search for hot and missed keys off, and with it 500 KiB of memory and a nanosecond or two of
// each operation. Hot keys are then not relieved by themselves: what is done about a key is what rules say.
func WithoutHotKeys() Option {
	return func(c *config) error {
		c.noHotKeys = true
		return nil
	}
}

// validateHotKeys refuses what would have no effect for want of another option, or because of one.
func (c *config) validateHotKeys() error {
	r := &c.remedies
	switch {
	case c.noHotKeys && c.hotKeys != nil:
		return badOption("WithHotKeys and WithoutHotKeys exclude each other")
	case c.noHotKeys && len(c.hotSources) > 0:
		return badOption("WithHotKeySource needs what WithoutHotKeys switches off")
	case c.noHotKeys && r.asked && !r.hasRules():
		return badOption("WithHotKeyPolicy needs rules, or what WithoutHotKeys switches off")
	case r.off && r.asked && !r.hasRules():
		return badOption("WithHotKeyPolicy needs rules, or what WithoutRemedies switches off")
	}
	return nil
}

// startHotKeys has the connections' readers tell a detector what they read.
func (c *Client) startHotKeys(ctx context.Context) error {
	if c.cfg.noHotKeys {
		return c.startRemedies(ctx)
	}
	d, err := hotkey.New(*c.cfg.hotKeys)
	if err != nil {
		return err
	}
	c.detector = d
	c.cfg.node.NewSampler = func() pool.Sampler { return d.NewSampler() }
	if err := c.startHotKeySources(ctx); err != nil {
		return err
	}
	if err := c.startRemedies(ctx); err != nil {
		return err
	}
	c.wg.Go(func() { c.actOnHotKeys(ctx) })
	return nil
}

// TopKeys returns the n keys that cost the nodes most in the last second, hottest first, as this client has used them. Keys
// that were seen only here and there are not among them. With WithoutHotKeys there are none.
func (c *Client) TopKeys(n int) []hotkey.Key {
	if c.detector == nil {
		return nil
	}
	return c.detector.Top(n)
}

// MissedKeys returns the n keys that this client has looked for most often in the last second and not found, most missed
// first: mistyped names, or keys that nobody stores any more. With WithoutHotKeys there are none.
func (c *Client) MissedKeys(n int) []hotkey.MissedKey {
	if c.detector == nil {
		return nil
	}
	return c.detector.Missed(n)
}

// MissedTemplates is MissedKeys of families: keys that differ in their numbers and ids alone. With WithoutHotKeys there are
// none.
func (c *Client) MissedTemplates(n int) []hotkey.MissedKey {
	if c.detector == nil {
		return nil
	}
	return c.detector.MissedTemplates(n)
}

// HotKeyReport returns the n hottest keys, the n most missed and the n most missed families, with their homes, in the form in
// which they are shown and sent to others, as cmd/mctop reads it.
func (c *Client) HotKeyReport(n int) hotkey.Report {
	if c.detector == nil {
		return hotkey.Report{Notes: []string{"the search for hot keys is switched off"}}
	}
	r := c.detector.Report(n)
	v := c.view.Load()
	for i := range r.Keys {
		r.Keys[i].Home, r.Keys[i].Remedy = v.homeOf(r.Keys[i].Key), c.remedyOf(r.Keys[i].Key)
	}
	for i := range r.Missed {
		r.Missed[i].Home = v.homeOf(r.Missed[i].Key)
	}
	return r
}

// homeOf returns the name of a key's home, "" if a tree of the caller's decides.
func (v *view) homeOf(key string) string {
	if v.placement == nil {
		return ""
	}
	op := route.Op{Hash: route.HashKey(key)}
	op.Request.Key = key
	return homeOf(v.placement, &op)
}

// HotKeyEvents yields what becomes of hot and missed keys from now on, until the loop is left, ctx ends or the client is
// closed. A loop that is too slow loses events, which the next one says; the client never waits for it. With WithoutHotKeys it
// ends at once.
//
//	for event := range client.HotKeyEvents(ctx) { … }
func (c *Client) HotKeyEvents(ctx context.Context) iter.Seq[hotkey.Event] {
	if c.detector == nil {
		return func(func(hotkey.Event) bool) {}
	}
	return c.detector.Events(ctx)
}
