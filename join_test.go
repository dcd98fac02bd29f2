package memcache_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// propagation is D in the tests of nodes that come and go; a node is joining for two to three seconds longer.
const propagation = 2 * time.Second

// process is a client of its own, as another process would be, that a test tells the nodes.
type process struct {
	*memcache.Client
	src *byHand
}

// startProcess returns a process that knows of these hosts from the start.
func startProcess(t *testing.T, hosts []string, opts ...memcache.Option) process {
	t.Helper()
	src := newByHand(podsAt(hosts...)...)
	c, err := memcache.New(append([]memcache.Option{memcache.WithDiscovery(src), memcache.WithPropagation(propagation),
		memcache.WithWarmUp(time.Second)}, opts...)...)
	require.NoError(t, err)
	return process{c, src}
}

func podsAt(hosts ...string) (list []discovery.Node) {
	for _, h := range hosts {
		list = append(list, discovery.Node{Addr: h})
	}
	return list
}

// learns has the process see another list.
func (p process) learns(hosts ...string) { p.src.say(nil, podsAt(hosts...)...) }

// read returns a value, "" for a miss.
func (p process) read(t *testing.T, key string) string {
	t.Helper()
	it, err := p.Get(t.Context(), key)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return ""
	}
	require.NoError(t, err)
	return string(it.Value)
}

func (p process) set(t *testing.T, key, value string) {
	t.Helper()
	require.NoError(t, p.Set(t.Context(), item(key, value)))
}

// states returns the states of the process's nodes.
func (p process) states() (list []string) {
	for _, n := range p.Stats().Nodes {
		list = append(list, n.State.String())
	}
	return list
}

// inPods runs story in a bubble over memory servers at these hosts.
func inPods(t *testing.T, hosts []string, story func(t *testing.T, servers map[string]*memcachetest.Server, dialer memcache.Option)) {
	synctest.Test(t, func(t *testing.T) {
		servers, dialer := podNetwork(t, hosts...)
		for _, s := range servers {
			defer s.Close()
		}
		story(t, servers, dialer)
	})
}

var pods = []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}

// One process learns of a node before another does. Without the quarantine the first then reads there what the other has
// overwritten elsewhere.
func TestANodeThatJoinsIsNotReadBeforeAllWriteToIt(t *testing.T) {
	for _, d := range []time.Duration{0, propagation} {
		inPods(t, pods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
			opts := []memcache.Option{dialer, memcache.WithReplicated(), memcache.WithLocal("10.0.0.3"), memcache.WithPropagation(d)}
			early, late := startProcess(t, pods[:2], opts...), startProcess(t, pods[:2], opts...)
			defer early.Close()
			defer late.Close()
			early.set(t, "k", "warm")
			late.set(t, "k", "warm")
			time.Sleep(10 * time.Second)

			early.learns(pods...)
			early.set(t, "k", "old")
			late.set(t, "k", "new")
			if d == 0 {
				require.Equal(t, "old", early.read(t, "k"), "what the quarantine is for")
				return
			}
			require.Equal(t, "new", early.read(t, "k"))
			require.Equal(t, []string{"up", "up", "joining"}, early.states())
			e, err := early.Explain("k")
			require.NoError(t, err)
			require.Equal(t, "joining", e.Replicas[0].State)
			require.NotEqual(t, "10.0.0.3:11211", e.Home)
			time.Sleep(propagation)
			late.learns(pods...)
			time.Sleep(10 * time.Second)
			require.Equal(t, []string{"up", "up", "up"}, late.states())
			late.set(t, "k", "newer")
			require.Equal(t, "newer", early.read(t, "k"))
		})
	}
}

// A node that has left the list is deleted at until nobody can read it any more, and then closed.
func TestANodeThatLeavesIsClearedUntilNobodyReadsIt(t *testing.T) {
	inPods(t, pods, func(t *testing.T, servers map[string]*memcachetest.Server, dialer memcache.Option) {
		opts := []memcache.Option{dialer, memcache.WithReplicated(), memcache.WithLocal("10.0.0.3")}
		early, late := startProcess(t, pods, opts...), startProcess(t, pods, opts...)
		defer early.Close()
		defer late.Close()
		require.NoError(t, early.Ping(t.Context()))
		time.Sleep(10 * time.Second)
		early.set(t, "k", "old")
		require.Equal(t, "old", late.read(t, "k"))

		early.learns(pods[:2]...)
		require.Equal(t, []string{"up", "up", "leaving"}, early.states())
		early.set(t, "k", "new")
		require.NotEqual(t, "old", late.read(t, "k"))
		require.Equal(t, "new", early.read(t, "k"))
		servers["10.0.0.3"].Kill() // it may be gone: nobody minds
		require.NoError(t, early.Set(t.Context(), item("k", "newer")))
		require.NoError(t, early.Ping(t.Context()))
		require.NoError(t, early.FlushAll(t.Context()))
		time.Sleep(2*propagation + time.Second)
		require.Equal(t, []string{"up", "up"}, early.states())
	})
}

// The last node of a zone leaves, and a node moves to another address under its name: both leave behind somebody who may
// still read there.
func TestTheLastNodeOfAZoneLeaves(t *testing.T) {
	inPods(t, pods, func(t *testing.T, servers map[string]*memcachetest.Server, dialer memcache.Option) {
		list := []discovery.Node{{Name: "a", Addr: pods[0], Zone: "a"}, {Name: "b", Addr: pods[1], Zone: "b"}}
		p := startProcess(t, nil, dialer, memcache.WithZoned())
		defer p.Close()
		p.src.say(nil, list...)
		require.NoError(t, p.Ping(t.Context()))
		time.Sleep(10 * time.Second)
		p.set(t, "k", "v")
		require.Equal(t, "v", valueAt(t, servers[pods[1]], "k"))
		p.src.say(nil, list[0])
		p.set(t, "k", "w")
		require.Empty(t, valueAt(t, servers[pods[1]], "k"))
		p.src.say(nil, discovery.Node{Name: "a", Addr: pods[2], Zone: "a"})
		p.set(t, "k", "x")
		require.Equal(t, []string{"joining", "leaving", "up"}, p.states(), "the last one still has the keys of its zone")
		e, err := p.Explain("k")
		require.NoError(t, err)
		require.Equal(t, "a", e.Home)
		require.Equal(t, "recalled", e.Replicas[0].Step)
		require.Equal(t, "x", valueAt(t, servers[pods[0]], "k"))
		require.Empty(t, valueAt(t, servers[pods[2]], "k"))
		time.Sleep(6 * time.Second)
		require.Equal(t, "x", p.read(t, "k"))
		require.Equal(t, "x", valueAt(t, servers[pods[2]], "k"), "filled from where it was")
		time.Sleep(20 * time.Second)
		require.Equal(t, []string{"up"}, p.states())
		require.Equal(t, "x", p.read(t, "k"))
	})
}

// valueAt returns what a server holds, "" for nothing.
func valueAt(t *testing.T, s *memcachetest.Server, key string) string {
	t.Helper()
	n := pool.NewNode(pool.Config{Addr: s.Addr(), Dial: s.DialContext})
	defer n.Close()
	op := &pool.Op{Request: protocol.Request{Command: protocol.Get, Key: key, Meta: protocol.ReturnValue}}
	n.Do(t.Context(), []*pool.Op{op})
	require.NoError(t, op.Err)
	return string(op.Value)
}

// A node that comes back holds what it held when it left. It is flushed before anybody reads it; who comes back as another
// process is not.
func TestANodeThatComesBackIsFlushed(t *testing.T) {
	for _, away := range []time.Duration{time.Second, time.Minute} { // while it leaves, and after
		inPods(t, pods, func(t *testing.T, servers map[string]*memcachetest.Server, dialer memcache.Option) {
			p := startProcess(t, pods, dialer, memcache.WithReplicated(), memcache.WithLocal(pods[2]))
			defer p.Close()
			require.NoError(t, p.Ping(t.Context()))
			time.Sleep(10 * time.Second)
			p.set(t, "k", "old")
			p.set(t, "unchanged", "old")
			require.Equal(t, "old", p.read(t, "k"))
			p.learns(pods[:2]...)
			time.Sleep(away)
			p.set(t, "k", "new")
			p.learns(pods...)
			require.Equal(t, "new", p.read(t, "k"))
			synctest.Wait()
			require.Empty(t, valueAt(t, servers[pods[2]], "unchanged"))
			require.Equal(t, "joining", p.Stats().Nodes[2].State.String())
			time.Sleep(10 * time.Second)
			p.set(t, "k", "newer")
			require.Equal(t, "newer", valueAt(t, servers[pods[2]], "k"))
			require.Len(t, p.states(), 3)
			time.Sleep(10 * time.Second)
			require.Equal(t, 1, servers[pods[2]].Stats().CurrConnections, "that of the node that left is closed")
		})
	}
}

// A client that has just started may hear of the nodes one after the other. It must not take those for nodes that come
// back, and flush them.
func TestAStartingClientFlushesNothing(t *testing.T) {
	inPods(t, pods, func(t *testing.T, servers map[string]*memcachetest.Server, dialer memcache.Option) {
		first := startProcess(t, pods, dialer, memcache.WithReplicated())
		defer first.Close()
		require.NoError(t, first.Ping(t.Context()))
		time.Sleep(10 * time.Second)
		first.set(t, "k", "v")
		second := startProcess(t, pods[:1], dialer, memcache.WithReplicated())
		defer second.Close()
		time.Sleep(propagation / 2)
		second.learns(pods...)
		require.NoError(t, second.Ping(t.Context()))
		for _, s := range servers {
			require.Equal(t, "v", valueAt(t, s, "k"))
		}
		require.Equal(t, "v", second.read(t, "k"))
	})
}

// Sets of replicated keys are verified where nodes are discovered, and Close does not wait for long for it.
func TestReplicatedSetsAreVerified(t *testing.T) {
	inPods(t, pods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
		p := startProcess(t, pods, dialer, memcache.WithReplicated())
		require.NoError(t, p.Ping(t.Context()))
		time.Sleep(10 * time.Second)
		p.set(t, "k", "v")
		time.Sleep(time.Second)
		require.Equal(t, uint64(1), p.Stats().Verified.Verified)
		p.set(t, "k", "w")
		start := time.Now()
		require.NoError(t, p.Close())
		require.Zero(t, time.Since(start))
		require.Equal(t, uint64(2), p.Stats().Verified.Verified)

		sharded := startProcess(t, pods, dialer)
		defer sharded.Close()
		require.Zero(t, sharded.Stats().Verified)
	})
}

func TestPropagationOption(t *testing.T) {
	for _, bad := range []memcache.Option{memcache.WithPropagation(-1), memcache.WithWarmUp(0)} {
		_, err := memcache.New(memcache.WithServers("a"), bad)
		require.ErrorIs(t, err, memcache.ErrBadOption)
	}
}
