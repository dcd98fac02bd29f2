package fetchers_test

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/hotkey/fetchers"
	"github.com/nohop/memcache/internal/realnode"
)

// list is a client's nodes.
type list struct {
	mu    sync.Mutex
	nodes []string
}

func (l *list) set(nodes ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes = nodes
}

func (l *list) get() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.nodes...)
}

// watch runs s until the test ends, or until the function is called.
func watch(t *testing.T, s *fetchers.Source, c hotkey.EyeConfig) (*hotkey.Detector, func()) {
	t.Helper()
	d, err := hotkey.New(hotkey.Options{})
	require.NoError(t, err)
	d.Tick(time.Now())
	c.Name = s.Name()
	eye, err := d.NewEye(c)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Watch(ctx, eye)
	}()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return d, stop
}

func watchers(t *testing.T, node *realnode.Node) string { return statOf(t, node, "log_watchers") }

func TestASourceFollowsTheNodes(t *testing.T) {
	first, second := realnode.Start(t), realnode.Start(t)
	nodes := new(list)
	nodes.set(first.Addr)
	s, err := fetchers.NewSource(fetchers.Options{})
	require.NoError(t, err)
	d, stop := watch(t, s, hotkey.EyeConfig{Nodes: nodes.get})
	await(t, func() bool { return d.Eyes()[0].Age == 0 })
	f := dial(t, second)
	nodes.set(second.Addr, "/run/a.sock")
	await(t, func() bool { return watchers(t, second) == "1" && watchers(t, first) == "0" })
	for range 2000 {
		f.do("get k")
	}
	await(t, func() bool { d.Tick(time.Now()); return len(d.Top(1)) > 0 })
	require.Equal(t, "k", d.Top(1)[0].Name)
	require.Equal(t, "fetchers", d.Top(1)[0].Origin)
	stop()
	await(t, func() bool { return watchers(t, second) == "0" })
}

func TestASourceSaysWhichNodeItDoesNotSee(t *testing.T) {
	node := realnode.Start(t)
	s, err := fetchers.NewSource(fetchers.Options{MaxBackoff: 200 * time.Millisecond}, node.Addr, "127.0.0.1:1")
	require.NoError(t, err)
	told := make(chan error, 10)
	d, _ := watch(t, s, hotkey.EyeConfig{OnStatus: func(err error) { told <- err }})
	require.ErrorContains(t, <-told, "127.0.0.1:1: ")
	require.Error(t, d.Eyes()[0].Err)
	require.NotContains(t, d.Eyes()[0].Err.Error(), node.Addr)
}

// A connection of ours that was accepted before anybody here knows of it is ours when it does something.
func TestAConnectionIsAskedForAtItsFirstOp(t *testing.T) {
	node := realnode.Start(t)
	ours := make(chan netip.AddrPort, 1)
	asked := make(chan netip.AddrPort, 10)
	w, _ := run(t, node, fetchers.Options{Ours: func(client netip.AddrPort) bool {
		asked <- client
		select {
		case own := <-ours:
			ours <- own
			return client == own
		default:
			return false
		}
	}})
	f := dial(t, node)
	f.do("mn") // has been accepted, and is no op on a key
	require.Empty(t, asked)
	ours <- addrOf(f)
	f.do("get k")
	f.do("get k")
	await(t, func() bool { return w.Status().Ours == 2 })
	require.Len(t, asked, 1)
}

func TestANodeWithAuthenticationIsWatched(t *testing.T) {
	node := realnode.StartAuth(t, "somebody", "secret")
	w, _ := run(t, node, fetchers.Options{Username: "somebody", Password: "secret"})
	dial(t, node).do("get k")
	await(t, func() bool { return w.Status().Ops == 1 })

	d, err := hotkey.New(hotkey.Options{})
	require.NoError(t, err)
	wrong, err := fetchers.New(node.Addr, d.NewSampler(), fetchers.Options{Username: "somebody", Password: "wrong"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { wrong.Run(ctx) })
	await(t, func() bool { return wrong.Status().Err != nil })
	require.ErrorIs(t, wrong.Status().Err, fetchers.ErrAuth)
	require.NotContains(t, wrong.Status().Err.Error(), "wrong")
}

func TestBadSources(t *testing.T) {
	_, err := fetchers.NewSource(fetchers.Options{}, "")
	require.ErrorIs(t, err, fetchers.ErrBadOptions)
	for _, o := range []fetchers.Options{
		{MaxBackoff: -1}, {Username: "a b", Password: "p"}, {Username: "u"}, {Password: "p"}, {Username: "u", Password: "p\r\nflush_all"},
	} {
		_, err := fetchers.NewSource(o, "a:1")
		require.ErrorIs(t, err, fetchers.ErrBadOptions)
	}
}
