package memcache_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// diary is an observer that writes everything down.
type diary struct {
	mu     sync.Mutex
	calls  []string
	keys   []memcache.KeyResult
	events []memcache.Event
}

type diaryKey struct{}

func (d *diary) Start(ctx context.Context, call memcache.Call) context.Context {
	return context.WithValue(ctx, diaryKey{}, call.Key)
}

func (d *diary) End(ctx context.Context, call memcache.Call, r memcache.Result) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.Value(diaryKey{}) != call.Key {
		panic("not the context of Start")
	}
	d.calls = append(d.calls, fmt.Sprintf("%v %d: %d hits, %d misses, %d failed, %d failovers at %s",
		call.Command, call.Keys, r.Hits, r.Misses, r.Failed, r.Failovers, r.Node))
	for i := range call.Keys {
		d.keys = append(d.keys, r.Key(i))
	}
}

func (d *diary) Event(e memcache.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

// take returns the calls and the kinds of events since it was last called.
func (d *diary) take() (calls []string, kinds []memcache.EventKind) {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range d.events {
		kinds = append(kinds, e.Kind)
	}
	calls, d.calls, d.events = d.calls, nil, nil
	return calls, slices.Compact(kinds)
}

// TestObserversAreTold of each call once, whatever the routes make of it, and of what happens to the nodes.
func TestObserversAreTold(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		told := &diary{}
		c := w.client(memcache.WithObserver(told), memcache.WithLocal(w.addrs[0]))
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("v")}))
		_, err := c.Get(w.Context(), "k")
		require.NoError(w, err)
		_, err = c.GetMulti(w.Context(), []string{"k", "none", "nothing"})
		require.NoError(w, err)
		require.Error(w, c.Delete(w.Context(), "bad key"))
		calls, kinds := told.take()
		require.Equal(w, []string{
			"set 1: 0 hits, 0 misses, 0 failed, 0 failovers at node-0:11211",
			"get 1: 1 hits, 0 misses, 0 failed, 0 failovers at node-0:11211",
			"get 3: 1 hits, 2 misses, 0 failed, 0 failovers at " + lastNode(calls),
		}, calls)
		require.ElementsMatch(w, []memcache.EventKind{memcache.ViewChanged, memcache.NodeDialed}, kinds)

		w.servers[0].Kill()
		item, err := c.Get(w.Context(), "k")
		require.NoError(w, err)
		require.Equal(w, "v", string(item.Value))
		calls, kinds = told.take()
		require.Equal(w, []string{"get 1: 1 hits, 0 misses, 0 failed, 1 failovers at node-1:11211"}, calls)
		require.Subset(w, kinds, []memcache.EventKind{memcache.NodeLost, memcache.FailedOver})
		require.NotZero(w, c.Stats().Nodes[0].Failovers)

		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("w")}))
		_, kinds = told.take()
		require.Contains(w, kinds, memcache.NodeMissedWrite)
		require.NotContains(w, kinds, memcache.WrotePartly, "the policy is Available")
	})
}

// TestABadKeyIsNoCall of whatever kind, and no node's fault: the error names none, with an observer and without.
func TestABadKeyIsNoCall(t *testing.T) {
	told := &diary{}
	for _, opts := range [][]memcache.Option{nil, {memcache.WithObserver(told)}} {
		c := newClient(t, append(opts, memcache.WithServers("10.0.0.1"), memcache.WithCompression(memcache.Gzip{}, 100))...)
		for _, key := range []string{"", "secret key", strings.Repeat("secret", 50)} {
			for name, call := range map[string]func() error{
				"get":            func() error { _, err := c.Get(t.Context(), key); return err },
				"get for update": func() error { _, err := c.GetForUpdate(t.Context(), key); return err },
				"append get":     func() error { _, err := c.AppendGet(t.Context(), nil, key); return err },
				"get and touch":  func() error { _, err := c.GetAndTouch(t.Context(), key, time.Hour); return err },
				"get or load":    func() error { _, err := c.GetOrLoad(t.Context(), key, (&source{}).load); return err },
				"get multi":      func() error { _, err := c.GetMulti(t.Context(), []string{key}); return err },
				"append":         func() error { return c.Append(t.Context(), item(key, "v")) },
				"set":            func() error { return c.Set(t.Context(), item(key, "v")) },
			} {
				err := call()
				require.ErrorIs(t, err, memcache.ErrMalformedKey, name)
				require.NotContains(t, err.Error(), "10.0.0.1", name)
				require.NotContains(t, err.Error(), "secret", name)
			}
		}
		require.Zero(t, c.Stats().Nodes[0].Dials)
	}
	require.Empty(t, told.calls)
}

// lastNode returns the node of the last call.
func lastNode(calls []string) string {
	_, node, _ := strings.Cut(calls[len(calls)-1], " at ")
	return node
}

// TestAPartialWriteIsAnEvent where the policy makes it an error.
func TestAPartialWriteIsAnEvent(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		told := &diary{}
		c := w.client(memcache.WithObserver(told), memcache.WithWritePolicy(memcache.RequireAll))
		w.servers[1].Kill()
		require.ErrorIs(w, c.Set(w.Context(), &memcache.Item{Key: "k"}), memcache.ErrPartialWrite)
		_, kinds := told.take()
		require.Contains(w, kinds, memcache.WrotePartly)
	})
}

// TestASlowObserverLosesEvents, and is told how many; the client does not wait for it, and keeps the last ones itself.
func TestASlowObserverLosesEvents(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		slow := &stuck{free: make(chan struct{})}
		c := w.client(memcache.WithObserver(slow))
		for range 1100 {
			w.servers[0].Restart()
			require.Eventually(w, func() bool { return c.Ping(w.Context()) == nil }, time.Minute, time.Second)
		}
		require.Len(w, c.Events(), 128)
		require.IsIncreasing(w, times(c.Events()))
		close(slow.free)
		w.servers[0].Restart()
		require.Eventually(w, func() bool { return c.Ping(w.Context()) == nil }, time.Minute, time.Second)
		synctest.Wait()
		require.Positive(w, slow.dropped)
	})
}

func times(events []memcache.Event) (list []int64) {
	for i, e := range events {
		list = append(list, e.Time.UnixNano()+int64(i)) // several happen at one moment of the bubble
	}
	return list
}

// stuck is an observer whose first event does not end until it is freed.
type stuck struct {
	free    chan struct{}
	dropped int
}

func (s *stuck) Start(ctx context.Context, _ memcache.Call) context.Context { return ctx }
func (s *stuck) End(context.Context, memcache.Call, memcache.Result)        {}
func (s *stuck) Event(e memcache.Event) {
	<-s.free
	s.dropped += e.Dropped
}

// TestExplainSeesThroughObservers: they are no step of a request's way.
func TestExplainSeesThroughObservers(t *testing.T) {
	plain := newClient(t, memcache.WithServers("a", "b"))
	observed := newClient(t, memcache.WithServers("a", "b"), memcache.WithObserver(&diary{}))
	want, err := plain.Explain("k")
	require.NoError(t, err)
	got, err := observed.Explain("k")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// BenchmarkObserver is what a get costs in the client alone, its route answering at once: without observers, where the tree
// has no step for them and so nothing to be skipped, and with one that does nothing.
func BenchmarkObserver(b *testing.B) {
	nowhere := memcache.WithRoute(func(memcache.Nodes) (route.Route, error) { return route.Null(), nil })
	for name, opts := range map[string][]memcache.Option{"none": nil, "one": {memcache.WithObserver(idle{})}} {
		b.Run(name, func(b *testing.B) {
			c := newClient(b, append(opts, nowhere, memcache.WithServers("10.0.0.1"), memcache.WithoutHotKeys())...)
			var buf [16]byte
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.AppendGet(b.Context(), buf[:0], "k") // always a miss
			}
		})
	}
}

// TestWithoutObserversNothingIsAllocated, nor with one that allocates nothing.
func TestWithoutObserversNothingIsAllocated(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	nowhere := memcache.WithRoute(func(memcache.Nodes) (route.Route, error) { return route.Null(), nil })
	for _, opts := range [][]memcache.Option{nil, {memcache.WithObserver(idle{})}} {
		c := newClient(t, append(opts, nowhere, memcache.WithServers("10.0.0.1"))...)
		var buf [16]byte
		ctx := t.Context()
		require.Zero(t, testing.AllocsPerRun(200, func() { _, _ = c.AppendGet(ctx, buf[:0], "k") }))
	}
}

// idle is an observer that does nothing.
type idle struct{}

func (idle) Start(ctx context.Context, _ memcache.Call) context.Context { return ctx }
func (idle) End(context.Context, memcache.Call, memcache.Result)        {}
func (idle) Event(memcache.Event)                                       {}

// TestObserversSeeEachKey of a call: what was asked, what came, how large it was and from where.
func TestObserversSeeEachKey(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		told := &diary{}
		c := w.client(memcache.WithObserver(told))
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "k", Value: []byte("12345")}))
		_, err := c.GetMulti(w.Context(), []string{"k", "none"})
		require.NoError(w, err)
		_, err = c.AppendGet(w.Context(), []byte("there before"), "k")
		require.NoError(w, err)
		w.servers[0].Kill()
		_, err = c.Get(w.Context(), "k")
		require.Error(w, err)
		failed := told.keys[4]
		require.Equal(w, err, failed.Err)
		name := c.Topology().Nodes[0].Name
		require.Equal(w, memcache.KeyResult{Key: "k", Err: err, Node: name, Addr: w.addrs[0]}, failed)
		for i, want := range []memcache.KeyResult{
			{Key: "k", Status: protocol.OK, Bytes: 5},
			{Key: "k", Status: protocol.OK, Bytes: 5},
			{Key: "none", Status: protocol.Miss},
			{Key: "k", Status: protocol.OK, Bytes: 5},
		} {
			want.Node, want.Addr = name, w.addrs[0]
			require.Equal(w, want, told.keys[i])
		}
		require.Zero(w, memcache.Result{}.Key(0))
	})
}

// ExampleWithObserver logs calls that were slow or failed.
func ExampleWithObserver() {
	node := memcachetest.NewServer()
	defer node.Close()
	client, err := memcache.New(memcache.WithServers(node.Addr()), memcache.WithObserver(slowLog{time.Second}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	node.InjectNext(memcachetest.Delay(2 * time.Second))
	_, err = client.Get(context.Background(), "k")
	fmt.Println(err != nil)
	// Output:
	// get of 1: 1 failed
	// true
}

type slowLog struct{ limit time.Duration }

type started struct{}

func (s slowLog) Start(ctx context.Context, _ memcache.Call) context.Context {
	return context.WithValue(ctx, started{}, time.Now())
}

func (s slowLog) End(ctx context.Context, call memcache.Call, r memcache.Result) {
	if r.Failed > 0 || time.Since(ctx.Value(started{}).(time.Time)) > s.limit {
		fmt.Printf("%v of %d: %d failed\n", call.Command, call.Keys, r.Failed)
	}
}

func (s slowLog) Event(memcache.Event) {}
