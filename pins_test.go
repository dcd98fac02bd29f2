package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/rulestore"
	"github.com/stretchr/testify/require"
)

// ruleBoard is a store in memory, of which processes see changes at their own times.
type ruleBoard struct {
	mu    sync.Mutex
	table *hotkey.Table
	err   error
}

func (b *ruleBoard) Load(context.Context) (*hotkey.Table, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err != nil:
		return nil, b.err
	case b.table == nil:
		return nil, rulestore.ErrNoTable
	}
	return b.table, nil
}

func (b *ruleBoard) Publish(_ context.Context, _ hotkey.Header, t *hotkey.Table) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.table = t
	return nil
}

func (b *ruleBoard) Interval() time.Duration { return time.Second }

func (b *ruleBoard) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// update changes the table as a person might.
func (b *ruleBoard) update(t *testing.T, edit func(d *rulestore.Draft)) {
	t.Helper()
	_, err := rulestore.Update(t.Context(), b, "somebody", func(d *rulestore.Draft) error { edit(d); return nil })
	require.NoError(t, err)
}

func (b *ruleBoard) pin(t *testing.T, node string, keys ...string) {
	b.update(t, func(d *rulestore.Draft) {
		for _, k := range keys {
			d.Put(hotkey.Rule{Key: k, Action: hotkey.Action{Kind: hotkey.Pin, Nodes: []string{node}}})
		}
	})
}

func (b *ruleBoard) unpin(t *testing.T) { b.update(t, func(d *rulestore.Draft) { d.Rules = nil }) }

const (
	pinTimeout = 500 * time.Millisecond // a step takes eight times that, and two seconds

	port    = ":11211"
	pinWalk = 40 * time.Second // for a pin to come, where D is 3 s, or to go, with time to spare
)

// pinnedKeys are half of what a fleet works on.
var pinnedKeys = []string{"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"}

// begin has all nodes serve, and the keys be there.
func (f *fleet) begin() {
	for _, p := range f.processes {
		require.NoError(f.t, p.Ping(f.t.Context()))
	}
	time.Sleep(wholeWalk)
	f.work(2 * time.Second)
}

// Pins come and go again and again, while processes that see it at different times work on the keys. Nobody ever reads what is
// old, and what is there stays.
func TestPinsMoveHomes(t *testing.T) {
	for name, opts := range map[string][]memcache.Option{
		"one replica":      nil,
		"two replicas":     {memcache.WithSharded(2)},
		"coherent":         {memcache.WithSharded(2), memcache.WithCoherentReplicas()},
		"fixed":            {memcache.WithPropagation(0)},
		"namespace":        {memcache.WithNamespace("app:"), memcache.WithUnhashedNamespace()},
		"fixed, two nodes": {memcache.WithPropagation(0), memcache.WithSharded(2)},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(2) {
				inPods(t, fivePods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
					board := &ruleBoard{}
					f := newFleet(t, seed, fivePods[:3], append([]memcache.Option{dialer, memcache.WithRuleStore(board)}, opts...)...)
					keys := slices.Clone(pinnedKeys)
					for i := range keys {
						if name == "namespace" {
							keys[i] = "app:" + keys[i]
						}
					}
					f.begin()
					for range 2 {
						board.pin(t, fivePods[seed]+port, keys...)
						f.work(pinWalk)
						for _, p := range f.processes {
							e, err := p.Explain("k3")
							require.NoError(t, err)
							require.Equal(t, fivePods[seed]+port, e.Home)
						}
						board.unpin(t)
						f.work(pinWalk)
						time.Sleep(rulestore.PinEnding)
					}
					t.Logf("seed %d: %d of %d reads stale, %d lost", seed, f.stale, f.reads, f.misses)
					require.Zero(t, f.stale+f.refusals)
					require.LessOrEqual(t, f.misses, f.reads/50)
					for _, p := range f.processes {
						p.Close()
					}
				})
			}
		})
	}
}

// Nodes come, go and restart while keys are pinned to them.
func TestPinsWhileNodesComeAndGo(t *testing.T) {
	for _, seed := range []uint64{0, 1, 11} {
		inPods(t, fivePods, func(t *testing.T, servers map[string]*memcachetest.Server, dialer memcache.Option) {
			board := &ruleBoard{}
			f := newFleet(t, seed, fivePods[:3], dialer, memcache.WithRuleStore(board))
			time.Sleep(wholeWalk) // that nodes are not met yet is one more thing that may come in between
			pause := func() { f.work(time.Duration(f.random.Int64N(int64(20 * time.Second)))) }
			for range 3 {
				board.pin(t, fivePods[2]+port, pinnedKeys...)
				pause()
				f.learn(fivePods[:4]...)
				pause()
				f.learn(fivePods[0], fivePods[1], fivePods[3])
				pause()
				f.learn(fivePods[:3]...)
				pause()
				board.unpin(t)
				pause()
				time.Sleep(rulestore.PinEnding)
			}
			t.Logf("seed %d: %d of %d reads stale, %d lost, %d refused", seed, f.stale, f.reads, f.misses, f.refusals)
			require.Zero(t, f.stale)
			for _, p := range f.processes {
				p.Close()
			}
		})
	}
}

// One process has seen a node leave that a table still pins a key to, and another has not. Both take the table's other pins, or one
// would store where the other does not read.
func TestPinsOfATableThatNamesAGoneNode(t *testing.T) {
	inPods(t, fivePods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
		board := &ruleBoard{}
		knows, learns := startProcess(t, fivePods[:3], dialer, memcache.WithRuleStore(board)), startProcess(t, fivePods[:3], dialer, memcache.WithRuleStore(board))
		for _, p := range []process{knows, learns} {
			defer p.Close()
			require.NoError(t, p.Ping(t.Context()))
		}
		time.Sleep(wholeWalk)
		knows.learns(fivePods[:2]...)
		board.pin(t, fivePods[2]+port, pinnedKeys[0])
		board.pin(t, fivePods[1]+port, pinnedKeys[1:]...)
		time.Sleep(2 * time.Second)
		learns.learns(fivePods[:2]...)
		time.Sleep(pinWalk)
		for _, p := range []process{knows, learns} {
			require.NotEqual(t, fivePods[2]+port, homeOf(t, p.Client, pinnedKeys[0]))
			for _, k := range pinnedKeys[1:] {
				require.Equal(t, fivePods[1]+port, homeOf(t, p.Client, k))
			}
		}
	})
}

// Processes start at any moment of a pin's life.
func TestProcessesThatStartWhileAPinMoves(t *testing.T) {
	for seed := range uint64(2) {
		inPods(t, fivePods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
			board := &ruleBoard{}
			opts := []memcache.Option{dialer, memcache.WithRuleStore(board)}
			f := newFleet(t, seed, fivePods[:3], opts...)
			f.begin()
			start := func() {
				for range 3 {
					f.processes = append(f.processes, startProcess(t, fivePods[:3], opts...))
					f.work(time.Duration(f.random.Int64N(int64(8 * time.Second))))
				}
			}
			board.pin(t, fivePods[0]+port, pinnedKeys...)
			start()
			f.work(2 * pinWalk)
			start()
			board.unpin(t)
			start()
			f.work(2 * pinWalk)
			require.Zero(t, f.stale, "seed %d", seed)
			f.misses, f.refusals = 0, 0
			f.work(10 * time.Second)
			require.Zero(t, f.misses+f.refusals, "all is as before")
			for _, p := range f.processes {
				p.Close()
			}
		})
	}
}

// What a pin does is seen in Explain and in events; it stays while the store is away.
func TestAPinIsExplained(t *testing.T) {
	inPods(t, fivePods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
		board := &ruleBoard{}
		p := startProcess(t, fivePods[:2], dialer, memcache.WithRuleStore(board))
		defer p.Close()
		require.NoError(t, p.Ping(t.Context()))
		time.Sleep(wholeWalk)
		key := pinnedKeys[slices.IndexFunc(pinnedKeys, func(k string) bool { return homeOf(t, p.Client, k) == fivePods[0]+port })]
		p.set(t, key, "v")
		texts := func() (all string) {
			for range int(pinWalk / time.Second) {
				e, err := p.Explain(key)
				require.NoError(t, err)
				all += e.String()
				require.Equal(t, "v", p.read(t, key))
				time.Sleep(time.Second)
			}
			return all
		}
		board.pin(t, fivePods[1]+port, key)
		all := texts()
		for _, s := range []string{"a pin that is entering", "a pin that is filling", "filled from", "a pin that is settling"} {
			require.Contains(t, all, s)
		}
		require.Equal(t, fivePods[1]+port, homeOf(t, p.Client, key))

		board.fail(os.ErrDeadlineExceeded)
		time.Sleep(time.Hour)
		require.Equal(t, fivePods[1]+port, homeOf(t, p.Client, key), "the store is away")
		board.fail(nil)
		require.Equal(t, 1, p.Rules().Len())
		board.unpin(t)
		all = texts()
		require.Zero(t, p.Rules().Len(), "a pin that ends is no rule")
		for _, s := range []string{"a pin that is retiring", "a pin that is draining", "a pin that is retired"} {
			require.Contains(t, all, s)
		}
		require.Equal(t, fivePods[0]+port, homeOf(t, p.Client, key))
		var steps []string
		for _, e := range p.Events() {
			if e.Kind == memcache.PinMoved {
				require.Equal(t, fivePods[1]+port, e.Node)
				steps = append(steps, e.Step)
			}
		}
		require.Equal(t, strings.Fields("entering filling settling serving retiring draining retired over"), steps)
	})
}

func homeOf(t *testing.T, c *memcache.Client, key string) string {
	t.Helper()
	e, err := c.Explain(key)
	require.NoError(t, err)
	return e.Home
}

// An old copy of a key, at the node that it is pinned to or at the one that it comes back to, is not found again.
func TestPinsLeaveNothingBehind(t *testing.T) {
	inPods(t, fivePods, func(t *testing.T, servers map[string]*memcachetest.Server, dialer memcache.Option) {
		board := &ruleBoard{}
		p := startProcess(t, fivePods[:2], dialer, memcache.WithRuleStore(board), memcache.WithPropagation(0))
		defer p.Close()
		plant := func(node int) { // by somebody who knows nothing of pins
			c, err := memcache.New(memcache.WithServers(fivePods[node]), dialer)
			require.NoError(t, err)
			defer c.Close()
			for _, k := range pinnedKeys {
				require.NoError(t, c.Set(t.Context(), item(k, "ancient")))
			}
		}
		key := pinnedKeys[slices.IndexFunc(pinnedKeys, func(k string) bool { return homeOf(t, p.Client, k) == fivePods[0]+port })]
		plant(1)
		p.set(t, key, "one")
		require.NoError(t, p.Delete(t.Context(), key))
		board.pin(t, fivePods[1]+port, key)
		time.Sleep(pinWalk)
		require.Empty(t, p.read(t, key))
		plant(0)
		p.set(t, key, "new")
		board.unpin(t)
		time.Sleep(pinWalk)
		require.Equal(t, "new", p.read(t, key), "it came along")
		require.Equal(t, fivePods[0]+port, homeOf(t, p.Client, key))
	})
}

// Where a key has several homes, or D is too long to tell who starts about a pin that ends, there are no pins.
func TestWherePinsAreRefused(t *testing.T) {
	_, err := memcache.New(memcache.WithServers("10.0.0.1"), memcache.WithRuleStore(&ruleBoard{}), memcache.WithPropagation(2*time.Minute))
	require.ErrorIs(t, err, memcache.ErrBadOption)
	inPods(t, fivePods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
		board := &ruleBoard{}
		board.pin(t, fivePods[1]+port, pinnedKeys...)
		p := startProcess(t, fivePods[:2], dialer, memcache.WithRuleStore(board), memcache.WithReplicated())
		defer p.Close()
		time.Sleep(pinWalk)
		e, err := p.Explain("k1")
		require.NoError(t, err)
		require.Len(t, e.Replicas, 2)
		require.True(t, slices.ContainsFunc(p.Events(), func(e memcache.Event) bool { return e.Kind == memcache.RulesRefused }))
	})
}

// counted is a counter that two clients count up, one after the other. Who is a step behind may miss what the other one has
// moved, and begins with what it should be; nobody must find less.
type counted struct {
	t      *testing.T
	count  uint64
	misses int
}

func (n *counted) up(c *memcache.Client) {
	got, err := c.Increment(n.t.Context(), "counter", 1)
	n.count++
	if errors.Is(err, memcache.ErrCacheMiss) {
		n.misses++
		require.NoError(n.t, c.Set(n.t.Context(), item("counter", strconv.FormatUint(n.count, 10))))
		return
	}
	require.NoError(n.t, err)
	require.Equal(n.t, n.count, got)
}

// until has all clients count until a node is the counter's home, or another one than it.
func (n *counted) until(clients []*memcache.Client, isThere func(home string) bool) {
	deadline := time.Now().Add(time.Minute)
	isMissing := func(c *memcache.Client) bool { return !isThere(homeOf(n.t, c, "counter")) }
	for slices.ContainsFunc(clients, isMissing) {
		require.True(n.t, time.Now().Before(deadline), "the home has not moved")
		for _, c := range clients {
			n.up(c)
		}
	}
}

func realServersOf(t *testing.T, n int) (addrs []string) {
	for range n {
		addrs = append(addrs, realnode.Start(t).Addr)
	}
	return addrs
}

// A file tells two clients of a pin, on real nodes.
func TestPinsOfAFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rules.json")
	write := func(text string) {
		require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	write(`{"epoch": 1, "rules": []}`)
	addrs := realServersOf(t, 2)
	opts := []memcache.Option{memcache.WithServers(addrs...), memcache.WithTimeout(pinTimeout), memcache.WithRuleStore(&rulestore.File{Path: path})}
	clients := []*memcache.Client{newClient(t, opts...), newClient(t, opts...)}
	n := &counted{t: t}
	require.NoError(t, clients[0].Set(t.Context(), item("counter", "0")))
	to := addrs[0]
	if homeOf(t, clients[0], "counter") == to {
		to = addrs[1]
	}
	write(fmt.Sprintf(`{"epoch": 2, "rules": [{"key": "counter", "do": "pin", "nodes": [%q]}]}`, to))
	n.until(clients, func(home string) bool { return home == to })
	t.Logf("%d counted, %d misses", n.count, n.misses)
}

// One key is counted up all the time, so that copies do not help: a fleet pins it to another node by itself, and it stays there
// when the client that has chosen it ends.
func TestAWriteHotKeyIsPinned(t *testing.T) {
	t.Parallel()
	addrs := realServersOf(t, 4)
	opts := []memcache.Option{memcache.WithServers(addrs...), memcache.WithSharedRules(), memcache.WithTimeout(pinTimeout)}
	one, other := newClient(t, opts...), newClient(t, opts...)
	n := &counted{t: t}
	require.NoError(t, one.Set(t.Context(), item("counter", "0")))
	home := homeOf(t, one, "counter")
	beside := 0 // a key of the same home, so that it pays to move one of them away
	for homeOf(t, one, fmt.Sprint("beside-", beside)) != home {
		beside++
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = other.Increment(t.Context(), fmt.Sprint("beside-", beside), 1) // a miss is as much work
			}
		}
	}()
	moved := func(now string) bool { return now != home }
	n.until([]*memcache.Client{one, other}, moved)
	one.Close()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		n.up(other)
	}
	require.True(t, moved(homeOf(t, other, "counter")))
	close(stop)
	<-stopped
	t.Logf("%d counted, %d misses", n.count, n.misses)
}
