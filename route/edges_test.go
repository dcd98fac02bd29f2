package route

import (
	"context"
	"testing"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// One zone, AtOnce: a failed read has nowhere to go on to.
func TestZoneFailoverOneZoneAtOnce(t *testing.T) {
	b := NewBackground(10)
	_, routes := fakes(down)
	r, err := ZoneFailover(Fixed(routes...), ZoneOptions{AtOnce: b})
	require.NoError(t, err)
	op := get("k")
	r.Do(t.Context(), []*Op{op})
	require.Error(t, op.Err)
}

// The home of now is the second; the first, which is joining, must be sent the deletes.
func TestAllInitialJoiningFirst(t *testing.T) {
	b := NewBackground(10)
	list, routes := fakes(nil, nil, nil)
	first := &joining{routes[0], true}
	r, err := AllInitial(Fixed(first, routes[1], routes[2]), b)
	require.NoError(t, err)
	op := store(protocol.Delete, "k", "")
	r.Do(t.Context(), []*Op{op})
	b.Close()
	require.Len(t, list[1].asked(), 1, "the home is asked once")
	require.Len(t, list[2].asked(), 1)
	require.Len(t, list[0].asked(), 1, "the joining one gets the delete")
}

// A late clear that found no room when it came is worked off when there is room again.
func TestLateClearNoRoom(t *testing.T) {
	b := NewBackground(1)
	l := NewLateClears(b)
	release := make(chan struct{})
	require.True(t, b.Go(func() { <-release }))
	_, routes := fakes(nil, nil)
	op := store(protocol.Set, "k", "v")
	l.add([]*Op{op}, []placed{{routes, 0}})
	require.True(t, l.has(op))
	close(release)
	require.Eventually(t, func() bool { return !l.has(op) }, 3*time.Second, 10*time.Millisecond)
}

func TestRoutingPrefixNilBackground(t *testing.T) {
	_, routes := fakes(nil, nil)
	r, err := ByRoutingPrefix(RoutingPrefixes{Routes: map[string]Route{"/a/a/": routes[0], "/b/b/": routes[1]}, Default: "/a/a/"}, nil)
	require.ErrorIs(t, err, ErrNoPart)
	require.Nil(t, r)
}

// changing is a placement whose number of replicas changes, as Walk's for writes does when a former replica is forgotten.
type changing struct {
	routes []Route
	n      int
}

func (c *changing) Replicas(*Op) Replicas {
	c.n++
	if c.n%2 == 0 {
		return Replicas{All: c.routes[:2]}
	}
	return Replicas{All: c.routes}
}

func TestRaceReplicasChange(t *testing.T) {
	b := NewBackground(10)
	_, routes := fakes(down, down, down)
	r, err := AllFastest(&changing{routes, 0}, FastestOptions{}, b)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	op := get("k")
	r.Do(ctx, []*Op{op})
	require.ErrorIs(t, op.Err, pool.ErrNodeDown)
}

// slot is a home that holds one value; the second v1 that it is sent comes late.
type slot struct {
	value chan string
	sent  map[string]int
	hold  chan struct{}
}

func (s *slot) Do(_ context.Context, ops []*Op) {
	v := string(ops[0].Request.Value)
	n := <-s.value
	s.sent[v]++
	late := v == "v1" && s.sent[v] == 2
	s.value <- n
	if late {
		<-s.hold
	}
	<-s.value
	s.value <- v
	says(protocol.OK)(ops[0])
}

// Two sets of one caller, each acknowledged by the home: the second one stands.
func TestAllInitialSecondSetStands(t *testing.T) {
	b := NewBackground(10)
	_, routes := fakes(nil)
	home := &slot{make(chan string, 1), map[string]int{}, make(chan struct{})}
	home.value <- ""
	r, err := AllInitial(Fixed(&joining{routes[0], true}, home), b)
	require.NoError(t, err)
	do(r, store(protocol.Set, "k", "v1"))
	do(r, store(protocol.Set, "k", "v2"))
	close(home.hold)
	b.Close()
	require.Equal(t, "v2", <-home.value)
}

func TestOutstandingPanic(t *testing.T) {
	child := &fake{answer: func(*Op) { panic("custom route") }}
	r, err := OutstandingLimit(child, OutstandingOptions{Max: 1})
	require.NoError(t, err)
	func() {
		defer func() { recover() }()
		do(r, get("k"))
	}()
	child.mu.TryLock() // it panicked with the lock
	child.mu.Unlock()
	child.answer = nil
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	op := get("k")
	r.Do(ctx, []*Op{op})
	require.NoError(t, op.Err)
}

// A home that panics (and whose caller recovers) does not keep the background from closing.
func TestAllInitialPanic(t *testing.T) {
	b := NewBackground(10)
	_, routes := fakes(func(*Op) { panic("custom route") }, nil)
	r, err := AllInitial(Fixed(routes...), b)
	require.NoError(t, err)
	func() {
		defer func() { recover() }()
		do(r, store(protocol.Set, "k", "v"))
	}()
	closed := make(chan struct{})
	go func() { b.Close(); close(closed) }()
	select {
	case <-closed:
	case <-time.After(2 * time.Second):
		t.Fatal("the background waits for ever")
	}
}
