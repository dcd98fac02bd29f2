package pool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// load is what a node is made to do: so many requests per tick with one connection and with two.
type load struct {
	one, two uint64
	demand   demand
}

// run has t see ticks of the load, and returns how many of them two connections were used in.
func (t *trial) run(l load, ticks int) (two int) {
	use := t.chosen
	for range ticks {
		sent := rate{l.one, int64(tick)}
		if use {
			two++
			sent.requests = l.two
		}
		if t.left == 0 && t.due(l.demand) {
			t.begin()
			continue
		}
		use = t.next(sent, use)
	}
	return two
}

func TestTwoConnectionsAreChosenWhereTheyBringMore(t *testing.T) {
	for name, c := range map[string]struct {
		load
		chosen bool
	}{
		"a third more":  {load{1000, 1300, high}, true},
		"a little more": {load{1000, 1040, high}, false},
		"less":          {load{1000, 800, high}, false},
		"a fair demand": {load{1000, 1300, fair}, false},
	} {
		tr := &trial{}
		tr.run(c.load, 1000)
		require.Equal(t, c.chosen, tr.chosen, name)
	}
}

func TestTrialsBecomeRare(t *testing.T) {
	tr := &trial{}
	two := tr.run(load{1000, 800, high}, 20_000)
	require.Less(t, two, 20_000/50, "100 s")
	require.NotZero(t, two)

	tr.run(load{1000, 1500, high}, 3*longestPause)
	require.True(t, tr.chosen, "what was not worth it may be later")
	tr.run(load{1000, 900, high}, 3*longestPause)
	require.False(t, tr.chosen, "and no more")
}

func TestOneConnectionDoesWhereThereIsLittleToDo(t *testing.T) {
	tr := &trial{}
	tr.run(load{1000, 1500, high}, 500)
	require.True(t, tr.chosen)
	for tr.left > 0 {
		tr.run(load{1000, 1500, high}, 1)
	}
	tr.run(load{10, 10, low}, longestIdle)
	require.True(t, tr.chosen)
	tr.run(load{10, 10, low}, 1)
	require.False(t, tr.chosen)
}

// TestATickThatIsLateDoesNotCount: between it and the one before, nobody may have had anything to do.
func TestATickThatIsLateDoesNotCount(t *testing.T) {
	tr := &trial{at: 1, seen: traffic{10, 1, 100, 5}}
	carried, time := tr.tick(1+int64(tick), traffic{30, 3, 500, 15})
	require.Equal(t, traffic{20, 2, 400, 10}, carried)
	require.Equal(t, int64(tick), time)
	carried, _ = tr.tick(1+int64(tick+staleTick), traffic{40, 4, 600, 25})
	require.Zero(t, carried)
	carried, _ = tr.tick(1+int64(2*tick+staleTick), traffic{45, 5, 600, 25})
	require.Equal(t, traffic{requests: 5, writes: 1}, carried)
	carried, _ = tr.tick(1+int64(3*tick+staleTick), traffic{45, 5, 600, 2})
	require.Equal(t, uint64(0), carried.singles, "of another connection, which has just begun")
}

func TestDemand(t *testing.T) {
	for name, c := range map[string]struct {
		traffic traffic
		owed    int
		demand  demand
	}{
		"nothing":               {traffic{}, 0, low},
		"64 callers":            {traffic{1280, 20, 100_000, 1280}, 64, high},
		"64 callers, spread":    {traffic{1280, 40, 100_000, 640}, 32, high},
		"24 callers, spread":    {traffic{1280, 80, 100_000, 640}, 12, fair},
		"8 callers":             {traffic{800, 250, 80_000, 800}, 8, low},
		"a caller with batches": {traffic{2000, 20, 400_000, 0}, 100, low},
		"8 callers, 64 KiB":     {traffic{160, 160, 10 << 20, 160}, 8, high},
		"the same, spread":      {traffic{300, 300, 20 << 20, 150}, 4, high},
		"4 callers, spread":     {traffic{300, 300, 20 << 20, 150}, 2, fair},
		"one caller, 64 KiB":    {traffic{130, 130, 8 << 20, 130}, 1, low},
	} {
		require.Equal(t, c.demand, c.traffic.demand(c.owed), name)
	}
}

// insist has two connections chosen, whatever they bring, until the next trial, and has trials come often.
func (t *trial) insist() { t.chosen, t.idle, t.pause = true, math.MinInt, firstPause }

// spreadNode returns a node with two connections over which reads are spread for good.
func spreadNode(t *testing.T, cfg Config) *Node {
	n := newTestNode(t, cfg)
	n.lanes.trial.insist()
	n.lanes.trial.pause = math.MaxInt
	require.NoError(t, get(t.Context(), n, "k").Err)
	openSecond(t, n)
	n.lanes.two.Store(true)
	return n
}

// seeToSecond is what a tick does for the second connection.
func seeToSecond(n *Node) bool {
	first := n.streams[0].Load()
	first.mu.Lock()
	defer first.mu.Unlock()
	return n.hasSecond(first)
}

func openSecond(t *testing.T, n *Node) {
	t.Helper()
	require.Eventually(t, func() bool {
		n.ready(1)
		return n.streams[1].Load() != nil
	}, 10*time.Second, time.Millisecond)
}

// TestReadsAreSpread: half of the keys' reads go by the second connection, everything else by the first.
func TestReadsAreSpread(t *testing.T) {
	n := spreadNode(t, patient(realnode.Start(t).Addr))
	second := n.streams[1].Load()
	carried := func(ops ...*Op) uint32 {
		before := second.owed.tail.Load()
		n.Do(t.Context(), ops)
		for _, op := range ops {
			require.NoError(t, op.Err)
		}
		return second.owed.tail.Load() - before
	}
	of := func(c protocol.Command, m protocol.MetaFlags) *Op {
		return &Op{Hash: 1, Request: protocol.Request{Command: c, Key: "k", Value: []byte("1"), Meta: m}}
	}
	require.Equal(t, uint32(1), carried(of(protocol.Get, 0)))
	even := of(protocol.Get, 0)
	even.Hash = 2
	require.Zero(t, carried(even))
	require.Zero(t, carried(of(protocol.Get, 0), of(protocol.Get, 0)), "a batch shares a write")
	for _, c := range []protocol.Command{
		protocol.Set, protocol.Delete, protocol.Add, protocol.Append, protocol.Increment, protocol.Touch, protocol.GetAndTouch,
	} {
		require.Zero(t, carried(of(c, 0)), c)
	}
	require.Zero(t, carried(of(protocol.Get, protocol.Vivify)), "it takes a lease")
	inspects := of(protocol.Get, 0)
	inspects.Inspect = true
	require.Zero(t, carried(inspects))

	n.journal.active.Store(true)
	require.Zero(t, carried(of(protocol.Get, 0)), "there is a mutation that reads must not overtake")
	n.journal.active.Store(false)
	require.Equal(t, uint32(1), carried(of(protocol.Get, 0)))
}

// TestCompareAndSwapAfterASpreadRead: the CAS comes from one connection and is compared on the other. When the first breaks and
// its successor is the younger one, reads take that as well, or no compare-and-swap would match any more.
func TestCompareAndSwapAfterASpreadRead(t *testing.T) {
	n := spreadNode(t, patient(realnode.Start(t).Addr))
	mustSet(t, n, "k", "0")
	swap := func(value string) *Op {
		read := &Op{Hash: 1, Request: protocol.Request{Command: protocol.Get, Key: "k", Meta: protocol.ReturnValue | protocol.ReturnCAS}}
		n.Do(t.Context(), []*Op{read})
		require.NoError(t, read.Err)
		op := &Op{Hash: 1, Token: read.Token, Request: protocol.Request{
			Command: protocol.Set, Key: "k", Value: []byte(value), Meta: protocol.Compare, CAS: read.Reply.CAS,
		}}
		n.Do(t.Context(), []*Op{op})
		require.NoError(t, op.Err)
		return op
	}
	require.Equal(t, protocol.OK, swap("1").Reply.Status)
	first := n.streams[0].Load()
	first.fail(errors.New("broken by the test"))
	require.Equal(t, protocol.OK, swap("2").Reply.Status)
	require.Greater(t, n.streams[0].Load().id, n.streams[1].Load().id)
	require.Equal(t, protocol.OK, swap("3").Reply.Status)

	require.False(t, seeToSecond(n), "it is closed, and later another one opened")
	require.Eventually(t, func() bool { return n.streams[1].Load() == nil }, 10*time.Second, time.Millisecond)
	openSecond(t, n)
	require.True(t, seeToSecond(n))
	require.Equal(t, protocol.OK, swap("4").Reply.Status)
}

// TestWithoutASecondConnection: one that cannot be had, or breaks, is missed by nobody.
func TestWithoutASecondConnection(t *testing.T) {
	addr := realnode.Start(t).Addr
	cfg := patient(addr)
	var dials sync.Mutex
	made := 0
	cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Lock()
		defer dials.Unlock()
		if made++; made == 2 {
			return nil, errors.New("too many open connections")
		}
		return defaultDialer.DialContext(ctx, network, addr)
	}
	cfg.NodeSet = NewNodeSet(NodeSetConfig{})
	n := newTestNode(t, cfg)
	mustSet(t, n, "k", "v")
	n.lanes.two.Store(true)
	require.False(t, seeToSecond(n))
	require.Eventually(t, func() bool { return n.Stats().DialErrors == 1 }, 10*time.Second, time.Millisecond)
	require.Equal(t, Up, n.Stats().State)
	require.Zero(t, cfg.NodeSet.ejected.Load())
	read := func() { requireHit(t, spreadGet(t, n), "v") }
	read()

	openSecond(t, n)
	read()
	n.streams[1].Load().fail(errors.New("broken by the test"))
	read()
	require.Equal(t, uint64(3), n.Stats().Dials, "nobody waited for another")
}

func spreadGet(t *testing.T, n *Node) *Op {
	op := &Op{Hash: 1, Request: protocol.Request{Command: protocol.Get, Key: "k"}}
	n.Do(t.Context(), []*Op{op})
	return op
}

// TestSpreadReadsSeeWhatWasWritten: a read that begins after a write has been acknowledged finds it, on whichever connection.
func TestSpreadReadsSeeWhatWasWritten(t *testing.T) {
	n := spreadNode(t, patient(realnode.Start(t).Addr))
	var callers sync.WaitGroup
	for i := range 32 {
		callers.Go(func() {
			key := fmt.Sprintf("key-%d", i)
			for round := range 500 {
				value := fmt.Sprint(round)
				w := &Op{Hash: uint64(i), Request: protocol.Request{Command: protocol.Set, Key: key, Value: []byte(value)}}
				n.Do(t.Context(), []*Op{w})
				r := &Op{Hash: uint64(i), Request: protocol.Request{Command: protocol.Get, Key: key}}
				n.Do(t.Context(), []*Op{r})
				if w.Err != nil || r.Err != nil || string(r.Value) != value {
					t.Errorf("round %d: %v, %v, read %q", round, w.Err, r.Err, r.Value)
					return
				}
			}
		})
	}
	callers.Wait()
	require.NotZero(t, n.streams[1].Load().owed.tail.Load())
}
