package rulestore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
)

// generous is a lease that everybody holds who asks, or nobody.
type generous struct {
	mu       sync.Mutex
	held     bool
	err      error
	released []string
}

func (g *generous) Hold(context.Context, string) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.held, g.err
}

func (g *generous) Release(_ context.Context, id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.released = append(g.released, id)
	return nil
}

func (g *generous) set(held bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.held, g.err = held, err
}

// wanted are rules that a test changes.
type wanted struct {
	mu    sync.Mutex
	rules []hotkey.Rule
	err   error
}

func (w *wanted) get(context.Context, []hotkey.Rule) ([]hotkey.Rule, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.rules), w.err
}

func (w *wanted) set(rules ...hotkey.Rule) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rules = rules
}

// publishing is a Publisher at work.
type publishing struct {
	*Publisher
	cancel context.CancelFunc
	ended  chan error

	mu   sync.Mutex
	errs []error
}

func publish(t *testing.T, cfg PublisherConfig) *publishing {
	p := &publishing{ended: make(chan error, 1)}
	cfg.OnError = func(err error) { p.mu.Lock(); p.errs = append(p.errs, err); p.mu.Unlock() }
	var err error
	p.Publisher, err = NewPublisher(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go func() { p.ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-p.ended, context.Canceled)
	})
	return p
}

func (p *publishing) failures() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	errs := p.errs
	p.errs = nil
	return errs
}

func follower(t *testing.T, store Store, nodes ...string) *Follower {
	return follow(t, Config{Store: store, Nodes: nodes}).Follower
}

func TestPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, lease, want := &memory{}, &generous{held: true}, &wanted{}
		p := publish(t, PublisherConfig{ID: "me", Follower: follower(t, store, "a", "b"), Lease: lease, Rules: want.get})
		wait(5 * time.Second)
		require.True(t, p.Status().Leading)
		require.Nil(t, store.holds(), "there is nothing to publish")

		want.set(automaticPin("k", "a"))
		wait(time.Second)
		require.Equal(t, []string{"k"}, keysOf(store.holds()))
		h := store.holds().Header()
		require.Equal(t, hotkey.Header{Epoch: 1 << 32, Controller: "me", View: View([]string{"a", "b"})}, h)
		rule := slices.Collect(store.holds().Rules())[0]
		require.Equal(t, hotkey.Automatic, rule.Origin)
		require.Zero(t, rule.Expires, "a pin stays until it ends")
		require.WithinDuration(t, time.Now(), rule.Since, 2*time.Second)
		wait(100 * time.Second)
		require.Equal(t, uint64(1), p.Status().Published, "it is not renewed")

		want.set(automaticPin("k", "a"), hotkey.Rule{Key: "l", Action: hotkey.Action{Kind: hotkey.Keep}})
		wait(100 * time.Second)
		require.InDelta(t, 11, p.Status().Published, 1, "other rules are, every ten seconds")
		require.Equal(t, h.Epoch+p.Status().Published-1, store.holds().Header().Epoch)
		rule = slices.Collect(store.holds().Rules())[1]
		require.LessOrEqual(t, time.Until(rule.Expires), RuleLifetime)

		want.set()
		wait(time.Second)
		require.Empty(t, inForce(store.holds()))
		rule = slices.Collect(store.holds().Rules())[0]
		require.True(t, rule.Action.Ends)
		require.InDelta(t, PinEnding.Seconds(), time.Until(rule.Expires).Seconds(), 2)
		published := p.Status().Published
		wait(time.Minute)
		require.Equal(t, published, p.Status().Published, "nothing is not renewed")
		want.set(automaticPin("k", "a"))
		wait(time.Second)
		require.Empty(t, inForce(store.holds()), "it must end first")
		require.ErrorIs(t, p.Status().LastErr, ErrPinMoves)
		p.failures()
		want.set()
		wait(PinEnding)
		require.Zero(t, store.holds().At(time.Now()).Len())

		lease.set(false, nil)
		want.set(automaticPin("k", "b"))
		wait(5 * time.Second)
		require.Empty(t, inForce(store.holds()))
		require.False(t, p.Status().Leading)
		before := store.holds().Header().Epoch
		lease.set(true, nil)
		wait(time.Second)
		require.Equal(t, nextTerm(before), store.holds().Header().Epoch, "a new term")
		require.Empty(t, p.failures())
		p.cancel()
		synctest.Wait()
		require.Equal(t, []string{"me"}, lease.released)
		require.False(t, p.Status().Leading)
	})
}

func TestPublisherLeavesExplicitRulesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, want := &memory{table: tableOf(t, hotkey.Header{Epoch: 9}, append(keep("mine"), pin("pinned", "b"))...)}, &wanted{}
		p := publish(t, PublisherConfig{ID: "me", Follower: follower(t, store, "a", "b"), Lease: &generous{held: true}, Rules: want.get})
		want.set(automaticPin("hot", "a"))
		wait(time.Second)
		require.Equal(t, []string{"mine", "pinned", "hot"}, keysOf(store.holds()))
		require.Empty(t, store.holds().Header().View, "a pin that holds for any list goes on doing so")

		_, err := Update(t.Context(), store, "operator", func(d *Draft) error { d.Rules = append(d.Rules, keep("new")...); return nil })
		require.NoError(t, err)
		want.set(automaticPin("hot", "a"), automaticPin("hotter", "a"))
		wait(time.Second)
		require.Equal(t, []string{"mine", "pinned", "new", "hot", "hotter"}, keysOf(store.holds()))
		require.Empty(t, p.failures())
	})
}

func TestPublisherPublishesNothingWrong(t *testing.T) {
	other := hotkey.Header{Epoch: 9, View: View([]string{"x"})}
	for name, c := range map[string]struct {
		table func(t *testing.T) *hotkey.Table
		nodes []string
		rules []hotkey.Rule
		err   error
		want  error
	}{
		"a pin to an unknown node":        {rules: []hotkey.Rule{automaticPin("k", "nowhere")}, want: hotkey.ErrBadTable},
		"an explicit one":                 {table: func(t *testing.T) *hotkey.Table { return tableOf(t, hotkey.Header{}, pin("k", "x")) }, rules: []hotkey.Rule{automaticPin("l", "a")}, want: hotkey.ErrBadTable},
		"an explicit one of another list": {table: func(t *testing.T) *hotkey.Table { return tableOf(t, other, pin("k", "x")) }, rules: []hotkey.Rule{automaticPin("l", "a")}, want: ErrOtherView},
		"a key of the library":            {rules: []hotkey.Rule{automaticPin("~rules", "a")}, want: hotkey.ErrBadTable},
		"a rule that is not valid":        {rules: []hotkey.Rule{{Key: "k", Action: hotkey.Action{Kind: hotkey.Pin}}}, want: hotkey.ErrBadTable},
		"no nodes":                        {nodes: []string{}, rules: []hotkey.Rule{automaticPin("k", "a")}, want: ErrNoNodes},
		"no rules, but an error":          {err: errDown, want: errDown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &memory{}
				if c.table != nil {
					store.table = c.table(t)
				}
				before, nodes := store.table, []string{"a", "b"}
				if c.nodes != nil {
					nodes = c.nodes
				}
				p := publish(t, PublisherConfig{
					ID: "me", Follower: follower(t, store, nodes...), Lease: &generous{held: true},
					Rules: (&wanted{rules: c.rules, err: c.err}).get,
				})
				wait(0)
				require.Same(t, before, store.holds())
				errs := p.failures()
				require.Len(t, errs, 1)
				require.ErrorIs(t, errs[0], c.want)
				require.ErrorIs(t, p.Status().LastErr, c.want)
			})
		})
	}
}

func TestPublisherWithoutStoreOrLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, lease := &memory{err: errDown}, &generous{held: true}
		want := &wanted{rules: []hotkey.Rule{automaticPin("k", "a")}, err: errors.New("one slot is garbage")}
		p := publish(t, PublisherConfig{ID: "me", Follower: follower(t, store, "a", "b"), Lease: lease, Rules: want.get})
		wait(0)
		require.ErrorIs(t, p.Status().LastErr, errDown)
		store.set(nil, nil)
		wait(time.Second)
		require.Equal(t, []string{"k"}, keysOf(store.holds()), "rules beside an error are used")
		require.ErrorIs(t, p.Status().LastErr, want.err)
		lease.set(true, errDown)
		wait(time.Second)
		require.False(t, p.Status().Leading)
		require.ErrorIs(t, p.Status().LastErr, errDown)
	})
}

// fleet is processes that all follow a store, of which each may come to publish.
type fleet struct {
	followers  []*following
	publishers []*publishing
}

func newFleet(t *testing.T, n int, lease func() Lease, store func() Store, rules func(id int) func(context.Context, []hotkey.Rule) ([]hotkey.Rule, error)) *fleet {
	f := &fleet{}
	nodes := []string{"n0", "n1", "n2"}
	for i := range n {
		follower := follow(t, Config{Store: store(), Nodes: nodes})
		f.followers = append(f.followers, follower)
		f.publishers = append(f.publishers, publish(t, PublisherConfig{
			ID: fmt.Sprint("p", i), Follower: follower.Follower, Lease: lease(), Rules: rules(i),
		}))
	}
	return f
}

func (f *fleet) leading() (leading []int) {
	for i, p := range f.publishers {
		if p.Status().Leading {
			leading = append(leading, i)
		}
	}
	return leading
}

// requireAgreed checks that all followers have the same table, with these keys.
func (f *fleet) requireAgreed(t *testing.T, keys ...string) {
	t.Helper()
	for _, p := range f.followers {
		require.Equal(t, keys, keysOf(p.Table()))
		require.Equal(t, f.followers[0].Status().Header, p.Status().Header)
	}
}

// Over memcached: one is elected, another follows when it has gone, and the rules hold all the while, also when nobody is left.
func TestElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServers(t, 3)
		want := &wanted{rules: []hotkey.Rule{automaticPin("k", "n1")}}
		f := newFleet(t, 8,
			func() Lease { return NewMemcachedLease(s.order) },
			func() Store { return NewMemcached(s.order) },
			func(int) func(context.Context, []hotkey.Rule) ([]hotkey.Rule, error) { return want.get })
		wait(3 * time.Second)
		f.requireAgreed(t, "k")
		for range len(f.publishers) {
			leading := f.leading()
			require.Len(t, leading, 1)
			f.publishers[leading[0]].cancel()
			for range 30 { // across its lease, and a renewal by who follows
				wait(time.Second)
				f.requireAgreedUpToAPoll(t, "k")
			}
		}
		require.Empty(t, f.leading())
		wait(2 * RuleLifetime)
		f.requireAgreed(t, "k")
		for _, p := range f.followers {
			require.Zero(t, p.Status().Failed)
		}
		for _, p := range f.publishers {
			require.Empty(t, p.failures())
		}
	})
}

// requireAgreedUpToAPoll checks that all followers have the same rules, though perhaps not yet the newest renewal.
func (f *fleet) requireAgreedUpToAPoll(t *testing.T, keys ...string) {
	t.Helper()
	for _, p := range f.followers {
		require.Equal(t, keys, keysOf(p.Table()))
	}
}

// A leader that dies without a word: its lease ends, and the servers it was on may restart with it.
func TestLeaderDiesWithTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServers(t, 3)
		want := &wanted{rules: []hotkey.Rule{automaticPin("k", "n1")}}
		get := func(int) func(context.Context, []hotkey.Rule) ([]hotkey.Rule, error) { return want.get }
		f := newFleet(t, 3, func() Lease { return NewMemcachedLease(s.order) }, func() Store { return NewMemcached(s.order) }, get)
		wait(3 * time.Second)
		f.requireAgreed(t, "k")
		for _, fake := range s.fakes {
			fake.Kill()
		}
		wait(20 * time.Second)
		require.Empty(t, f.leading())
		f.requireAgreedUpToAPoll(t, "k")
		for _, fake := range s.fakes {
			fake.Start()
		}
		wait(20 * time.Second)
		require.Len(t, f.leading(), 1)
		f.requireAgreedUpToAPoll(t, "k")
		table, err := NewMemcached(s.order).Load(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"k"}, keysOf(table), "for those who start")
	})
}

// A Redis without a disk comes back empty: its epochs go on where they were, and nobody's rules are lost.
func TestStoreComesBackEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{table: tableOf(t, hotkey.Header{Epoch: 5 << 32}, keep("explicit")...)}
		want := &wanted{rules: []hotkey.Rule{automaticPin("k", "n1")}}
		get := func(int) func(context.Context, []hotkey.Rule) ([]hotkey.Rule, error) { return want.get }
		f := newFleet(t, 2, func() Lease { return &generous{held: true} }, func() Store { return store }, get)
		wait(3 * time.Second)
		f.requireAgreed(t, "explicit", "k")
		before := store.holds().Header()
		store.set(nil, nil)
		wait(20 * time.Second)
		require.True(t, store.holds().Header().Newer(before))
		f.requireAgreedUpToAPoll(t, "explicit", "k")
		for _, p := range f.followers {
			require.NotErrorIs(t, p.Status().LastErr, ErrOlder)
		}
	})
}

// Two lead at once, and want different things: every follower has one of both whole, the explicit rules are never
// lost, and as soon as one leads alone it has its way.
func TestTwoPublishersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServers(t, 3)
		store := NewMemcached(s.order)
		_, err := Update(t.Context(), store, "operator", func(d *Draft) error { d.Rules = keep("explicit"); return nil })
		require.NoError(t, err)
		leases := []*generous{{held: true}, {held: true}, {}}
		next := -1
		f := newFleet(t, 3,
			func() Lease { next++; return leases[next] },
			func() Store { return NewMemcached(s.order) },
			func(id int) func(context.Context, []hotkey.Rule) ([]hotkey.Rule, error) {
				spread := hotkey.Action{Kind: hotkey.Spread, Copies: 2 + id}
				return (&wanted{rules: []hotkey.Rule{{Key: "k", Action: spread}, {Key: "l", Action: spread}}}).get
			})
		wait(3 * time.Second)
		for range 30 {
			wait(time.Second)
			for _, p := range f.followers {
				rules := slices.Collect(p.Table().Rules())
				require.Len(t, rules, 3)
				require.Equal(t, "explicit", rules[0].Key)
				require.Equal(t, rules[1].Action, rules[2].Action, "half of one table and half of another")
			}
		}
		_, err = Update(t.Context(), store, "operator", func(d *Draft) error { d.Rules = append(d.Rules, keep("more")...); return nil })
		require.NoError(t, err)
		leases[0].set(false, nil)
		wait(5 * time.Second)
		for _, p := range f.followers {
			copies := map[string]int{}
			for r := range p.Table().Rules() {
				copies[r.Key] = r.Action.Copies
			}
			require.Equal(t, map[string]int{"explicit": 0, "more": 0, "k": 3, "l": 3}, copies)
		}
		for _, p := range f.publishers {
			for _, err := range p.failures() {
				require.ErrorIs(t, err, ErrConflict, "losing a race is all that can happen")
			}
		}
	})
}

// Two lead at once, and want a key at different nodes: it stays where the first has it, and the other one says why.
func TestTwoPublishersOfPins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := fakeServers(t, 3)
		f := newFleet(t, 2, func() Lease { return &generous{held: true} }, func() Store { return NewMemcached(s.order) },
			func(id int) func(context.Context, []hotkey.Rule) ([]hotkey.Rule, error) {
				return (&wanted{rules: []hotkey.Rule{automaticPin("k", nodeName(id))}}).get
			})
		wait(5 * time.Second)
		f.requireAgreed(t, "k")
		before := slices.Collect(f.followers[0].Table().Rules())
		wait(time.Minute)
		f.requireAgreed(t, "k")
		require.Equal(t, before[0].Action, slices.Collect(f.followers[0].Table().Rules())[0].Action)
		for _, p := range f.publishers {
			for _, err := range p.failures() {
				require.True(t, errors.Is(err, ErrConflict) || errors.Is(err, ErrPinMoves), err)
			}
		}
	})
}

// inForce returns the keys of the rules that do not end.
func inForce(t *hotkey.Table) (keys []string) {
	for r := range t.Rules() {
		if !r.Action.Ends {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

func TestBadPublisherConfig(t *testing.T) {
	f, err := NewFollower(Config{Store: &memory{}})
	require.NoError(t, err)
	good := PublisherConfig{ID: "me", Follower: f, Lease: &generous{}, Rules: (&wanted{}).get}
	for _, spoil := range []func(*PublisherConfig){
		func(c *PublisherConfig) { c.ID = "" }, func(c *PublisherConfig) { c.ID = "\xff" },
		func(c *PublisherConfig) { c.Follower = nil }, func(c *PublisherConfig) { c.Lease = nil }, func(c *PublisherConfig) { c.Rules = nil },
	} {
		bad := good
		spoil(&bad)
		_, err = NewPublisher(bad)
		require.ErrorIs(t, err, ErrBadConfig)
	}
}

// From two processes' reports on real memcacheds to the pin in the table of both.
func TestPinsEndToEnd(t *testing.T) {
	s := realServers(t, 3)
	ctx := t.Context()
	home := func(string) string { return "n0" }
	var publishers []*Publisher
	var tables []chan *hotkey.Table
	for i := range 2 {
		reports := NewReports(s.spread)
		loads := map[string]float64{"n0": 500, "n1": 100, "n2": 90}
		hot := hotkey.Remedy{
			Key:      hotkey.Key{Name: "counter", Share: 0.4},
			Decision: hotkey.Decision{Action: hotkey.Action{Kind: hotkey.Pin}, WriteHot: true},
		}
		id := fmt.Sprint("p", i)
		require.NoError(t, reports.Send(ctx, NewReport(id, s.names(), loads, []hotkey.Remedy{hot}, 690)))
		found := make(chan *hotkey.Table, 1)
		f, err := NewFollower(Config{Store: NewMemcached(s.spread), Nodes: s.names()})
		require.NoError(t, err)
		p, err := NewPublisher(PublisherConfig{ID: id, Follower: f, Lease: NewMemcachedLease(s.spread), Rules: Pins(reports, s.names, home)})
		require.NoError(t, err)
		running, cancel := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- f.Run(running, func(t *hotkey.Table) { found <- t }) }()
		t.Cleanup(func() { cancel(); <-ended })
		publishers, tables = append(publishers, p), append(tables, found)
	}
	for _, p := range publishers {
		require.NoError(t, p.Round(ctx))
	}
	require.True(t, publishers[0].Status().Leading)
	require.False(t, publishers[1].Status().Leading)
	for _, found := range tables {
		var table *hotkey.Table
		for timeout := time.After(20 * time.Second); table == nil; {
			select {
			case table = <-found:
			case <-timeout:
				t.Fatal("no table")
			}
		}
		rules := slices.Collect(table.Rules())
		require.Len(t, rules, 1)
		require.Equal(t, "counter", rules[0].Key)
		require.Equal(t, []string{"n2"}, rules[0].Action.Nodes)
	}
}

// What an ending pin keeps out of the table is not published again each second.
func TestRulesBesideAPinThatEnds(t *testing.T) {
	ended := automaticOf(pin("k", "a"))
	ended.Action.Ends = true
	wanted := []hotkey.Rule{automaticOf(keep("k")[0])}
	require.Empty(t, possible(wanted, []hotkey.Rule{ended}))
	require.Equal(t, wanted, possible(append(wanted, ended), nil))
	again := []hotkey.Rule{automaticOf(pin("k", "b"))}
	require.Equal(t, again, possible(again, []hotkey.Rule{ended}), "that is refused aloud")
}
