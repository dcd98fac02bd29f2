package route

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// Every operation with every pair of replies, home first. The reply is that of the replica named: h for the home's, r for
// the other's; f for the failure of the first that failed, w for a *WriteError, c for a *WriteError with the home's reply
// beside it, because a replica could not be cleared.
func TestCombine(t *testing.T) {
	replies := map[string]func(*Op){
		"ok": says(protocol.OK), "miss": miss, "not stored": says(protocol.NotStored), "exists": says(protocol.Exists), "fails": down,
	}
	for _, row := range []struct{ home, other, get, set, delete, touch, flush, modify string }{
		{"ok", "ok", "h", "h", "h", "h", "h", "h"},
		{"ok", "miss", "r", "r", "h", "h", "h", "h"},
		{"ok", "not stored", "h", "r", "h", "h", "h", "h"},
		{"ok", "exists", "h", "r", "h", "h", "h", "h"},
		{"ok", "fails", "f", "w", "w", "w", "w", "c"},
		{"miss", "ok", "h", "h", "r", "r", "h", "h"},
		{"miss", "miss", "h", "h", "h", "h", "h", "h"},
		{"miss", "not stored", "h", "r", "h", "h", "h", "h"},
		{"miss", "exists", "h", "r", "h", "h", "h", "h"},
		{"miss", "fails", "f", "w", "w", "w", "w", "h"},
		{"not stored", "ok", "h", "h", "r", "r", "h", "h"},
		{"not stored", "miss", "r", "h", "h", "h", "h", "h"},
		{"not stored", "not stored", "h", "h", "h", "h", "h", "h"},
		{"not stored", "exists", "h", "r", "h", "h", "h", "h"},
		{"not stored", "fails", "f", "w", "w", "w", "w", "h"},
		{"exists", "ok", "h", "h", "r", "r", "h", "h"},
		{"exists", "miss", "r", "h", "h", "h", "h", "h"},
		{"exists", "not stored", "h", "h", "h", "h", "h", "h"},
		{"exists", "exists", "h", "h", "h", "h", "h", "h"},
		{"exists", "fails", "f", "w", "w", "w", "w", "h"},
		{"fails", "ok", "f", "w", "w", "w", "w", "f"},
		{"fails", "miss", "f", "w", "w", "w", "w", "f"},
		{"fails", "not stored", "f", "w", "w", "w", "w", "f"},
		{"fails", "exists", "f", "w", "w", "w", "w", "f"},
		{"fails", "fails", "f", "w", "w", "w", "w", "f"},
	} {
		for _, family := range []struct {
			want       string
			operations []protocol.Command
		}{
			{row.get, []protocol.Command{protocol.Get, protocol.GetAndTouch}},
			{row.set, []protocol.Command{protocol.Set}},
			{row.delete, []protocol.Command{protocol.Delete}},
			{row.touch, []protocol.Command{protocol.Touch}},
			{row.flush, []protocol.Command{protocol.FlushAll}},
			{row.modify, []protocol.Command{
				protocol.Add, protocol.Replace, protocol.Append, protocol.Prepend, protocol.Increment, protocol.Decrement, CompareAndSwap,
			}},
		} {
			for _, c := range family.operations {
				t.Run(fmt.Sprint(operationName(c), "/", row.home, "/", row.other), func(t *testing.T) {
					_, routes := fakes(replies[row.home], replies[row.other])
					op := asks(c, "k")
					do(AllSync(Fixed(routes...)), op)
					checkCombined(t, op, family.want, row.home, row.other, replies)
				})
			}
		}
	}
}

// A read for update is the home's, and clears nothing.
func TestAllSyncReadsForUpdateAtHome(t *testing.T) {
	list, routes := fakes(hit("home"), hit("other"))
	op := asks(GetForUpdate, "k")
	do(AllSync(Fixed(routes...)), op)
	require.Equal(t, "home", string(op.Value))
	require.Empty(t, list[1].seen)
}

func checkCombined(t *testing.T, op *Op, want, home, other string, replies map[string]func(*Op)) {
	t.Helper()
	switch want {
	case "f":
		require.IsType(t, &pool.Error{}, op.Err)
		return
	case "w", "c":
		requireWriteError(t, op, strings.Count(home+other, "fails"))
		if want == "w" {
			return
		}
	default:
		require.NoError(t, op.Err)
	}
	expected := &Op{}
	replies[map[string]string{"h": home, "r": other, "c": home}[want]](expected)
	require.Equal(t, expected.Reply.Status, op.Reply.Status)
}

func requireWriteError(t *testing.T, op *Op, failed int) {
	t.Helper()
	var w *WriteError
	require.ErrorAs(t, op.Err, &w)
	require.Len(t, w.Failed, failed)
	require.Equal(t, 2-failed, w.Acked)
	require.Equal(t, failed < 2, errors.Is(op.Err, ErrPartialWrite))
	require.ErrorIs(t, op.Err, pool.ErrNodeDown)
	require.Equal(t, pool.NotSent, w.Outcome("dead"))
	require.Zero(t, w.Outcome("another"))
}

// With a single replica there is nothing to combine, in a batch as alone.
func TestAllSyncOfASingleReplicaPassesErrorsThrough(t *testing.T) {
	_, routes := fakes(down)
	tree := AllSync(Fixed(routes...))
	alone, first, second := store(protocol.Set, "k", "v"), store(protocol.Set, "k1", "v"), store(protocol.Delete, "k2", "")
	do(tree, alone)
	do(tree, first, second)
	for _, op := range []*Op{alone, first, second} {
		require.IsType(t, &pool.Error{}, op.Err)
	}
}

func TestWriteErrorText(t *testing.T) {
	_, routes := fakes(says(protocol.OK), timeout, down)
	op := store(protocol.Set, "secret", "v")
	do(AllSync(Fixed(routes...)), op)
	require.EqualError(t, op.Err, "memcache: set acknowledged by 1 of 3 replicas: "+
		"set at hung: memcache: no answer within the timeout; set at dead: memcache: node is down")
	require.ErrorIs(t, op.Err, pool.ErrTimeout)
	var w *WriteError
	require.ErrorAs(t, op.Err, &w)
	require.Equal(t, pool.Ambiguous, w.Outcome("hung"))
}

// Each replica gets the whole request, under its own op; the caller's is left as it was.
func TestAllSyncSendsWholeRequests(t *testing.T) {
	list, routes := fakes(nil, nil, nil)
	op := store(protocol.Set, "k", "v")
	op.Request.Flags, op.Request.Exptime, op.Request.Meta = 7, 60, protocol.ReturnCAS
	sent := op.Request
	do(AllSync(Fixed(routes...)), op)
	for _, f := range list {
		require.Equal(t, []protocol.Request{sent}, f.seen)
	}
	require.Equal(t, sent, op.Request)
}

// A CAS that was read at one replica must not be compared at another one, where the number means something else.
func TestAllSyncComparesATokenOnlyWhereItWasRead(t *testing.T) {
	_, nodes, routes := realNodes(t, 2)
	set := store(protocol.Set, "k", "v1")
	do(AllSync(Fixed(routes...)), set)
	read := get("k")
	do(nodes[1], read)
	require.NoError(t, read.Err)

	cas := store(protocol.Set, "k", "v2")
	cas.Request.Meta, cas.Request.CAS, cas.Token = protocol.Compare, read.Reply.CAS, read.Token
	do(AllSync(Fixed(routes...)), cas)
	require.ErrorIs(t, cas.Err, pool.ErrForeignCAS)
}

func TestAllSyncOfABatchOverNodes(t *testing.T) {
	_, nodes, routes := realNodes(t, 3)
	var ops []*Op
	for _, k := range keys(300) {
		ops = append(ops, store(protocol.Set, k, k))
	}
	do(AllSync(Fixed(routes...)), ops...)
	for _, n := range nodes {
		for _, k := range keys(300) {
			op := get(k)
			do(n, op)
			require.NoError(t, op.Err)
			require.Equal(t, k, string(op.Value))
		}
	}
}

// counting notes how many goroutines there are while it works.
type counting struct {
	Route
	goroutines int
	once       sync.Once
}

func (c *counting) Do(ctx context.Context, ops []*Op) {
	c.once.Do(func() { c.goroutines = runtime.NumGoroutine() })
	c.Route.Do(ctx, ops)
}

// Routes that are not nodes work at the same time as nodes and each other: each waits here until all have begun.
func TestAllSyncOfMixedChildrenIsParallel(t *testing.T) {
	_, _, routes := realNodes(t, 2)
	var begun sync.WaitGroup
	begun.Add(3)
	for range 3 {
		routes = append(routes, &fake{answer: func(op *Op) {
			begun.Done()
			begun.Wait()
			says(protocol.OK)(op)
		}})
	}
	op := store(protocol.Set, "k", "v")
	do(AllSync(Fixed(routes...)), op)
	require.NoError(t, op.Err)
}

// The children that are no nodes, and only they, get a goroutine.
func TestAllSyncStartsNoGoroutineForNodes(t *testing.T) {
	_, _, routes := realNodes(t, 3)
	do(AllSync(Fixed(routes...)), store(protocol.Set, "k", "v")) // connected now
	other := &counting{Route: &fake{}}
	before := runtime.NumGoroutine()
	do(AllSync(Fixed(append(routes, other)...)), store(protocol.Set, "k", "v"))
	require.LessOrEqual(t, other.goroutines, before+1)
}

func TestAllSyncDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	var routes []Route
	for range 3 {
		node := pool.NewNode(pool.Config{Addr: realnode.Start(t).Addr, Timeout: testTimeout})
		t.Cleanup(func() { node.Close() })
		routes = append(routes, node)
	}
	tree := AllSync(Fixed(routes...))
	ops := []*Op{store(protocol.Set, "k", "v")}
	require.Zero(t, testing.AllocsPerRun(200, func() {
		tree.Do(t.Context(), ops)
		if ops[0].Err != nil {
			t.Fatal(ops[0].Err)
		}
	}))
}

// Trees of any shape can be children: ops are grouped by comparing routes.
func TestRoutesOfThisPackageAreComparable(t *testing.T) {
	list, routes := fakes(nil, nil, nil)
	p := Fixed(routes...)
	children := []Route{Failover(p), Failover(p), AllSync(p), AllSync(p), AtHome(p), AtHome(p), Hash(p), Hash(p),
		GetAndTouch(AllSync(p), Failover(p)), GetAndTouch(AllSync(p), Failover(p)), ByOperation(AllSync(p), nil)}
	ops := []*Op{store(protocol.Set, "k1", "v"), store(protocol.Set, "k2", "v")}
	do(AllSync(Fixed(children...)), ops...)
	require.NoError(t, ops[0].Err)
	require.NotEmpty(t, list[2].asked())
}
