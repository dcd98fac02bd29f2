package rulestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nohop/memcache/hotkey"
)

// PublisherConfig says who publishes what. All but OnError is required.
type PublisherConfig struct {
	ID       string    // of this process, 1 to 64 bytes of UTF-8; no other process may have the same
	Follower *Follower // of the store to publish in; it knows the nodes, and goes on knowing a table that the store has lost
	Lease    Lease
	// Rules returns the automatic rules that the fleet should have, given those that it has; see Pins. It is called once a
	// second while this process leads. Pins stay until they are not returned any more, and end then; those among the given
	// that end need not be returned. Other rules without Expires are renewed for as long as they are returned. Rules beside
	// an error are used.
	Rules func(ctx context.Context, now []hotkey.Rule) ([]hotkey.Rule, error)
	// OnError is told what went wrong in a round. Default: nobody is.
	OnError func(error)
}

// RuleLifetime is how long an automatic rule that is no pin outlives its publisher.
const (
	RuleLifetime    = time.Minute
	renewalInterval = 10 * time.Second // of such rules
	roundTimeout    = 2 * time.Second
)

// Publisher publishes automatic rules that must be the same for all processes, for as long as it holds the lease. Explicit
// rules of the table stay as they are. Every process can have one. If two publish at once, each does it on top of the
// other's table, and all processes follow the same one; if nobody does, pins stay as they are, and other rules expire after a
// minute. What the store has lost is published again. An epoch holds the
// term of its publisher in the upper 32 bits, so that a new leader's tables come after all that an old one may still
// publish. Safe for concurrent use.
type Publisher struct {
	cfg PublisherConfig

	mu        sync.Mutex // guards what follows
	status    PublisherStatus
	termBegun bool // a table was published in this term
}

// PublisherStatus is a snapshot of a Publisher.
type PublisherStatus struct {
	Leading   bool
	Published uint64    // tables
	Epoch     uint64    // of the last of them
	LastErr   error     // of the last round that failed, also when good ones have followed; nil: none yet
	LastBad   time.Time // of LastErr
}

// NewPublisher returns a Publisher that does nothing until Run. The error is ErrBadConfig.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	switch {
	case cfg.Follower == nil || cfg.Lease == nil || cfg.Rules == nil:
		return nil, fmt.Errorf("%w: a publisher needs a follower, a lease and a source of rules", ErrBadConfig)
	case cfg.ID == "" || len(cfg.ID) > maxReportID || !utf8.ValidString(cfg.ID):
		return nil, fmt.Errorf("%w: id is not 1 to %d bytes of UTF-8", ErrBadConfig, maxReportID)
	}
	return &Publisher{cfg: cfg}, nil
}

// Status returns a snapshot.
func (p *Publisher) Status() PublisherStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// Run makes a round each second until ctx ends, whose error it returns, and gives the lease back.
func (p *Publisher) Run(ctx context.Context) error {
	ticker := time.NewTicker(LeaseInterval)
	defer ticker.Stop()
	defer p.release(ctx)
	for {
		if err := p.Round(ctx); err != nil && ctx.Err() == nil && p.cfg.OnError != nil {
			p.cfg.OnError(err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// release lets the next one lead at once. The context has ended, so it takes another.
func (p *Publisher) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), LeaseInterval)
	defer cancel()
	if p.Status().Leading {
		p.note(p.cfg.Lease.Release(ctx, p.cfg.ID))
		p.lead(false)
	}
}

// Round takes or renews the lease and, if that succeeds, publishes what is due. Run calls it; call it once a second if
// you do not use Run, by one goroutine at a time.
func (p *Publisher) Round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	held, err := p.cfg.Lease.Hold(ctx, p.cfg.ID)
	p.lead(held && err == nil)
	if held && err == nil {
		err = p.publish(ctx)
	}
	p.note(err)
	return err
}

func (p *Publisher) lead(leading bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status.Leading = leading
	p.termBegun = p.termBegun && leading
}

func (p *Publisher) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.status.LastErr, p.status.LastBad = err, time.Now()
	}
}

// publish compares the rules that there are with those that should be.
func (p *Publisher) publish(ctx context.Context) error {
	known := p.cfg.Follower.tableInForce()
	held, err := loadOver(ctx, p.cfg.Follower.cfg.Store, known)
	if err != nil {
		return err
	}
	now := time.Now()
	before := automatic(held.At(now))
	rules, err := p.cfg.Rules(ctx, slices.Clone(before))
	if err != nil && rules == nil {
		return err
	}
	isLost := held == known && p.cfg.Follower.hasLost()
	if !isLost && !due(withoutEnding(before), possible(rules, before), now) {
		return err
	}
	return errors.Join(err, p.update(ctx, rules, now))
}

func automatic(t *hotkey.Table) (rules []hotkey.Rule) {
	for r := range t.Rules() {
		if r.Origin == hotkey.Automatic {
			rules = append(rules, r)
		}
	}
	return rules
}

// withoutEnding returns rules without the pins that end, which nobody decides about any more.
func withoutEnding(rules []hotkey.Rule) []hotkey.Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r hotkey.Rule) bool { return r.Action.Ends })
}

// possible returns rules as they can be in a table beside the pins of before that end, which take the place of others.
func possible(rules, before []hotkey.Rule) []hotkey.Rule {
	return slices.DeleteFunc(withoutEnding(rules), func(r hotkey.Rule) bool {
		ends := func(b hotkey.Rule) bool { return b.Action.Ends && b.Key == r.Key }
		return !r.Pins() && slices.ContainsFunc(before, ends)
	})
}

// due reports whether rules are to be published: they differ from those before, or one must be renewed.
func due(before, rules []hotkey.Rule, now time.Time) bool {
	if !slices.EqualFunc(before, rules, sameRule) {
		return true
	}
	for i, r := range rules {
		if r.Expires.IsZero() && !r.Pins() && before[i].Expires.Sub(now) <= RuleLifetime-renewalInterval {
			return true
		}
	}
	return false
}

// sameRule reports whether a and b do the same, for however long.
func sameRule(a, b hotkey.Rule) bool {
	return a.Key == b.Key && a.Action.Kind == b.Action.Kind && a.Action.Staleness == b.Action.Staleness &&
		a.Action.Copies == b.Action.Copies && slices.Equal(a.Action.Nodes, b.Action.Nodes)
}

func (p *Publisher) update(ctx context.Context, rules []hotkey.Rule, now time.Time) error {
	p.mu.Lock()
	newTerm := !p.termBegun
	p.mu.Unlock()
	nodes := p.cfg.Follower.nodeNames()
	t, err := p.cfg.Follower.Update(ctx, p.cfg.ID, func(d *Draft) error {
		if newTerm {
			d.Header.Epoch = nextTerm(d.Header.Epoch)
		}
		return d.setAutomatic(rules, nodes, now)
	})
	if t == nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.termBegun = true
	p.status.Published++
	p.status.Epoch = t.Header().Epoch
	return err
}

// nextTerm returns the first epoch of the term after that of epoch.
func nextTerm(epoch uint64) uint64 { return (epoch>>32 + 1) << 32 }

// setAutomatic puts rules in the place of the automatic ones, for the list of nodes.
func (d *Draft) setAutomatic(rules []hotkey.Rule, nodes []string, now time.Time) error {
	d.Rules = slices.DeleteFunc(d.Rules, func(r hotkey.Rule) bool { return r.Origin == hotkey.Automatic })
	if err := d.moveTo(nodes); err != nil {
		return err
	}
	for _, r := range withoutEnding(rules) {
		r.Origin = hotkey.Automatic
		if r.Expires.IsZero() && !r.Pins() {
			r.Expires = now.Add(RuleLifetime)
		}
		d.Rules = append(d.Rules, r)
	}
	t, err := hotkey.NewTable(d.Header, d.Rules)
	if err != nil {
		return err
	}
	return t.CheckNodes(func(n string) bool { return slices.Contains(nodes, n) })
}

// moveTo makes the table one of this list of nodes. Explicit rules that name nodes were made for the list that the table
// had: they must mean the same in the new one.
func (d *Draft) moveTo(nodes []string) error {
	if len(nodes) == 0 {
		return ErrNoNodes
	}
	named := slices.ContainsFunc(d.Rules, func(r hotkey.Rule) bool { return len(r.Action.Nodes) > 0 })
	switch view := View(nodes); {
	case !named:
		d.Header.View = view
	case d.Header.View != "" && d.Header.View != view:
		return ErrOtherView
	}
	return nil
}
