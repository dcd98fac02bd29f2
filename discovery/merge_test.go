package discovery

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMergeKeepsThePartsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &script{}, &script{}
		a.set(nil, "a1", "a2")
		b.set(nil, "b1")
		f := follow(t, Config{Source: Merge(a, Static{{Addr: "s"}}, b)})
		lists, events := f.after(0)
		require.Equal(t, [][]string{{"a1:11211", "a2:11211", "b1:11211", "s:11211"}}, lists, "one list, when all have answered")
		require.Empty(t, events)

		a.say(nil, errDown)
		b.set(nil, "b2")
		lists, events = f.after(3 * time.Second)
		require.Equal(t, [][]string{{"a1:11211", "a2:11211", "b2:11211", "s:11211"}}, lists)
		require.ErrorIs(t, events[0].Err, errDown)
		b.set(nil)
		lists, _ = f.after(10 * time.Second)
		require.Empty(t, lists, "an empty answer of a part changes nothing")
		require.ErrorIs(t, f.Status().LastErr, errDown)
		require.ErrorIs(t, f.Status().LastErr, ErrNoNodes)
		require.Greater(t, f.Status().Age, 10*time.Second)

		a.set(nil, "a2")
		b.set(nil, "b2")
		lists, events = f.after(10 * time.Second)
		require.Equal(t, [][]string{{"a2:11211", "b2:11211", "s:11211"}}, lists)
		require.NoError(t, events[len(events)-1].Err)
		require.Zero(t, f.Status().Age)
		f.stop(t)
		a.times()
		f.after(time.Hour)
		require.Empty(t, a.times())
	})
}

// A part that does not answer from the start is waited for once, and then left out until it does.
func TestMergeStartsWithoutAPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, good := &script{delay: time.Hour}, &script{}
		good.set(nil, "a")
		f := follow(t, Config{Source: Merge(good, slow)})
		lists, _ := f.after(defaultTimeout - time.Millisecond)
		require.Empty(t, lists)
		lists, events := f.after(2 * time.Millisecond)
		require.Equal(t, [][]string{{"a:11211"}}, lists)
		require.ErrorIs(t, events[0].Err, context.DeadlineExceeded)
		f.stop(t)
	})
}

func TestMergeOfPushers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		push := make(chan []Node)
		src := &pusher{watch: func(ctx context.Context, yield func([]Node, error)) error {
			for {
				select {
				case list := <-push:
					yield(list, nil)
				case <-ctx.Done():
					return ctx.Err()
				}
			}
		}}
		f := follow(t, Config{Source: WithZone("z", Merge(StaticAddrs("s"), src))})
		push <- StaticAddrs("a")
		lists, _ := f.after(0)
		require.Equal(t, [][]string{{"a:11211", "s:11211"}}, lists)
		require.Equal(t, "z", f.Nodes()[0].Zone)
		push <- StaticAddrs("b")
		lists, _ = f.after(0)
		require.Equal(t, [][]string{{"b:11211", "s:11211"}}, lists)
		push <- []Node{{Name: "s:11211", Addr: "elsewhere"}}
		lists, events := f.after(0)
		require.Empty(t, lists)
		require.ErrorIs(t, events[0].Err, ErrDuplicateName, "parts that contradict each other")
		f.stop(t)
	})
}

func TestMergeAsked(t *testing.T) {
	a, b := &script{}, &script{}
	a.set(nil, "a")
	b.set(nil, "b")
	requireNodes(t, Merge(a, b), "a:11211", "b:11211")
	b.say(StaticAddrs("b"), errDown)
	requireError(t, Merge(a, b), errDown)
}

func TestMergeOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{Source: Merge()})
		_, events := f.after(time.Second)
		require.Len(t, events, 1)
		require.ErrorIs(t, events[0].Err, ErrNoNodes)
		f.stop(t)
		f = follow(t, Config{Source: Merge(nil)})
		_, events = f.after(0)
		require.ErrorIs(t, events[0].Err, ErrBadConfig)
		f.stop(t)
	})
}

func TestWrappers(t *testing.T) {
	src := &script{}
	src.say([]Node{{Addr: "a", Zone: "old"}, {Addr: "b"}}, nil)
	zoned := Every(time.Minute, WithZone("z", Every(time.Hour, src)))
	require.Equal(t, time.Minute, intervalOf(zoned))
	require.Equal(t, time.Hour, intervalOf(WithZone("z", Every(time.Hour, src))))
	require.Equal(t, 10*time.Second, intervalOf(Map(ElastiCache{}, func(n Node) Node { return n })))
	require.Equal(t, DefaultInterval, intervalOf(Every(0, src)))
	nodes, err := zoned.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []Node{{Addr: "a", Zone: "z"}, {Addr: "b", Zone: "z"}}, nodes)
	require.Equal(t, "old", src.nodes[0].Zone, "the source's list stays as it is")
	src.say(nil, errDown)
	_, err = zoned.Nodes(t.Context())
	require.True(t, errors.Is(err, errDown))
	require.IsType(t, Static{}, Every(time.Hour, Static{}))
}

// What is accepted of a Merge is accepted of its parts, however deep they are.
func TestMergeHasTheBoundsOfWhoFollowsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		many := make([]string, defaultMaxNodes+1)
		for i := range many {
			many[i] = fmt.Sprint("node", i)
		}
		source := Merge(WithZone("z", Merge(StaticAddrs(many...))), StaticAddrs("h"))
		f := follow(t, Config{Source: source, MaxNodes: 2 * len(many)})
		lists, events := f.after(0)
		require.Empty(t, events)
		require.Len(t, lists, 1)
		require.Len(t, lists[0], len(many)+1)
		f.stop(t)

		slow, good := &script{delay: time.Hour}, &script{}
		good.set(nil, "a")
		f = follow(t, Config{Source: Merge(good, slow), Timeout: time.Minute})
		lists, _ = f.after(time.Minute - time.Millisecond)
		require.Empty(t, lists)
		lists, _ = f.after(2 * time.Millisecond)
		require.Len(t, lists, 1)
		f.stop(t)
	})
}
