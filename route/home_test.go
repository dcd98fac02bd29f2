package route

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// What the home says decides whether the other replicas are cleared, and nothing of theirs but a failure is told.
func TestAtHome(t *testing.T) {
	tooLarge := failsWith("a", pool.Refused, &protocol.ServerError{Text: "SERVER_ERROR object too large for cache"})
	for name, c := range map[string]struct {
		home, others func(*Op)
		clears       bool
		status       protocol.Status
		err          error
		partial      bool
	}{
		"done":                           {says(protocol.OK), says(protocol.OK), true, protocol.OK, nil, false},
		"done, replicas had no copy":     {says(protocol.OK), miss, true, protocol.OK, nil, false},
		"done, clear fails":              {says(protocol.OK), timeout, true, 0, pool.ErrTimeout, true},
		"not stored":                     {says(protocol.NotStored), nil, false, protocol.NotStored, nil, false},
		"miss":                           {miss, nil, false, protocol.Miss, nil, false},
		"CAS conflict":                   {says(protocol.Exists), nil, false, protocol.Exists, nil, false},
		"home down: nothing was sent":    {down, nil, false, 0, pool.ErrNodeDown, false},
		"home refuses":                   {tooLarge, nil, false, 0, &protocol.ServerError{}, false},
		"home may have done it":          {timeout, says(protocol.OK), true, 0, pool.ErrTimeout, false},
		"home may have, clear fails too": {timeout, down, true, 0, pool.ErrTimeout, false},
	} {
		t.Run(name, func(t *testing.T) {
			list, routes := fakes(c.home, c.others, c.others)
			op := store(protocol.Append, "k", "v")
			do(AtHome(readingAt(2, routes)), op)
			require.Equal(t, []protocol.Command{protocol.Append}, list[0].commands())
			for _, other := range list[1:] {
				if c.clears {
					require.Equal(t, []protocol.Request{{Command: protocol.Delete, Key: "k"}}, other.seen)
				} else {
					require.Empty(t, other.seen)
				}
			}
			switch cause := c.err.(type) {
			case nil:
				require.NoError(t, op.Err)
				require.Equal(t, c.status, op.Reply.Status)
			case *protocol.ServerError:
				require.ErrorAs(t, op.Err, &cause)
			default:
				require.ErrorIs(t, op.Err, cause)
			}
			if c.partial {
				var w *WriteError
				require.ErrorAs(t, op.Err, &w)
				require.Equal(t, 1, w.Acked)
				require.Len(t, w.Failed, 2)
				require.Equal(t, protocol.Append, w.Command)
				require.ErrorIs(t, op.Err, ErrPartialWrite)
				require.Equal(t, protocol.OK, op.Reply.Status, "what the home says stays")
			}
		})
	}
}

// A clear deletes whatever is there, so it carries nothing of the op but the key and how it travels.
func TestAtHomeClearsPlainly(t *testing.T) {
	list, routes := fakes(nil, nil)
	op := store(protocol.Set, "a b", "v")
	op.Request.Meta, op.Request.CAS, op.Request.Exptime = protocol.Compare|protocol.BinaryKey, 5, 60
	do(AtHome(Fixed(routes...)), op)
	require.Equal(t, []protocol.Request{{Command: protocol.Delete, Key: "a b", Meta: protocol.BinaryKey}}, list[1].seen)
	require.Equal(t, protocol.Set, op.Request.Command)
}

func TestAtHomeOfABatchClearsWhatChanged(t *testing.T) {
	home := func(op *Op) {
		if op.Request.Key == "k2" {
			says(protocol.NotStored)(op)
		} else {
			says(protocol.OK)(op)
		}
	}
	list, routes := fakes(home, func(op *Op) {
		if op.Request.Key == "k3" {
			down(op)
		} else {
			miss(op)
		}
	})
	ops := []*Op{store(protocol.Add, "k1", ""), store(protocol.Add, "k2", ""), store(protocol.Add, "k3", "")}
	do(AtHome(Fixed(routes...)), ops...)
	require.Equal(t, [][]string{{"k1", "k2", "k3"}}, list[0].calls)
	require.Equal(t, [][]string{{"k1", "k3"}}, list[1].calls)
	require.NoError(t, ops[0].Err)
	require.NoError(t, ops[1].Err)
	require.ErrorIs(t, ops[2].Err, ErrPartialWrite)
}

// The reply of the home survives the clear, its number included.
func TestAtHomeKeepsTheHomesReply(t *testing.T) {
	_, routes := fakes(hit("42"), miss)
	op := store(protocol.Increment, "n", "")
	do(AtHome(Fixed(routes...)), op)
	require.Equal(t, "42", string(op.Value))
	require.Equal(t, 2, op.Reply.Block)
}

// After a read-modify-write no replica serves the old value: its copy is gone, and a read there asks the home.
func TestAtHomeThenFailoverOverNodes(t *testing.T) {
	_, _, routes := realNodes(t, 3)
	do(AllSync(Fixed(routes...)), store(protocol.Set, "n", "1"))
	for i := 2; i <= 20; i++ {
		op := store(protocol.Increment, "n", "")
		op.Request.Delta, op.Request.Meta = 1, protocol.ReturnValue
		do(AtHome(Fixed(routes...)), op)
		require.NoError(t, op.Err)
		for read := range routes {
			op := get("n")
			do(Failover(readingAt(read, routes)), op)
			require.NoError(t, op.Err)
			require.Equal(t, fmt.Sprint(i), string(op.Value))
		}
	}
}

// A GetAndTouch is a touch of every replica and then a read.
func TestGetAndTouch(t *testing.T) {
	partial := func(op *Op) {
		op.Settle(nil, &WriteError{Command: protocol.Touch, Acked: 1, Failed: []error{pool.ErrTimeout}})
	}
	for name, c := range map[string]struct {
		touch, read func(*Op)
		reads       bool
		value       string
		err         error
	}{
		"touched":                      {says(protocol.OK), hit("v"), true, "v", nil},
		"touched, then evicted":        {says(protocol.OK), miss, true, "", nil},
		"touched, read fails":          {says(protocol.OK), down, true, "", pool.ErrNodeDown},
		"not there":                    {miss, hit("v"), false, "", nil},
		"touched at some of the nodes": {partial, hit("v"), true, "v", nil},
		"touched at none":              {down, hit("v"), false, "", pool.ErrNodeDown},
		"touch fails":                  {timeout, hit("v"), false, "", pool.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			touch, read := &fake{answer: c.touch}, &fake{answer: c.read}
			op := get("a b")
			op.Request.Command, op.Request.Exptime = protocol.GetAndTouch, 60
			op.Request.Meta |= protocol.BinaryKey
			sent := op.Request
			do(GetAndTouch(touch, read), op)
			require.Equal(t, []protocol.Request{{
				Command: protocol.Touch, Key: "a b", Exptime: 60, Meta: protocol.BinaryKey,
			}}, touch.seen)
			require.Equal(t, c.reads, len(read.seen) == 1)
			if c.reads {
				require.Equal(t, protocol.Get, read.seen[0].Command)
			}
			require.Equal(t, sent, op.Request)
			if c.err != nil {
				require.ErrorIs(t, op.Err, c.err)
				return
			}
			require.NoError(t, op.Err)
			require.Equal(t, c.value, string(op.Value))
			require.Equal(t, c.value != "", op.Reply.Status == protocol.OK)
		})
	}
}

func TestGetAndTouchOfABatchReadsWhatWasTouched(t *testing.T) {
	touch := &fake{answer: func(op *Op) {
		if op.Request.Key == "k2" {
			miss(op)
		} else {
			says(protocol.OK)(op)
		}
	}}
	read := &fake{answer: hit("v")}
	ops := gets("k1", "k2", "k3")
	do(GetAndTouch(touch, read), ops...)
	require.Equal(t, [][]string{{"k1", "k3"}}, read.calls)
	require.Equal(t, protocol.Miss, ops[1].Reply.Status)
}

func TestBroadcast(t *testing.T) {
	servers, nodes, _ := realNodes(t, 3)
	do(nodes[0], store(protocol.Set, "k", "v")) // connected: the node is up, then down
	servers[1].Kill()
	ops := Broadcast(t.Context(), nodes, protocol.Request{Command: protocol.Version})
	require.Len(t, ops, 3)
	for i, op := range ops {
		require.Same(t, nodes[i], op.Node)
		if i == 1 {
			require.Error(t, op.Err)
			continue
		}
		require.NoError(t, op.Err)
		require.Equal(t, "1.6.18", op.Reply.Text)
	}
	require.Empty(t, Broadcast(t.Context(), nil, protocol.Request{Command: protocol.Noop}))
}

// Every command, and a compare-and-swap, reaches its own child and no other.
func TestByOperation(t *testing.T) {
	fallback := &fake{}
	table := map[protocol.Command]Route{}
	for c := protocol.Get; c <= CompareAndSwap; c += 2 { // every second one
		table[c] = &fake{}
	}
	tree := ByOperation(fallback, table)
	for c := protocol.Get; c < CompareAndSwap; c++ {
		op := store(c, "k", "")
		want, ok := table[c]
		if !ok {
			want = fallback
		}
		require.Same(t, want, tree.Select(op), c)
		before := len(want.(*fake).seen)
		do(tree, op)
		require.Len(t, want.(*fake).seen, before+1)
	}
	cas := store(protocol.Set, "k", "")
	cas.Request.Meta = protocol.Compare
	require.Same(t, fallback, tree.Select(cas), "compare-and-swap is even")
	own := &fake{}
	require.Same(t, own, ByOperation(fallback, map[protocol.Command]Route{CompareAndSwap: own}).Select(cas))
	require.Same(t, fallback, ByOperation(fallback, map[protocol.Command]Route{CompareAndSwap: own}).Select(store(protocol.Set, "k", "")))
}

// A command that does not exist finds a route, and is refused by the node.
func TestByOperationOfNoCommand(t *testing.T) {
	_, nodes, _ := realNodes(t, 1)
	tree := ByOperation(nodes[0], nil)
	for _, c := range []protocol.Command{0, CompareAndSwap, 200} {
		op := store(c, "k", "")
		do(tree, op)
		require.ErrorIs(t, op.Err, protocol.ErrInvalidRequest)
	}
}

// A batch goes straight through selectors: each route at the end sees its ops together, whatever the way to it.
func TestSelectorsDoNotSplitBatches(t *testing.T) {
	list, routes := fakes(nil, nil)
	inner := Hash(Fixed(routes[0]))
	tree := ByOperation(Hash(Fixed(inner)), map[protocol.Command]Route{protocol.Set: inner, protocol.Delete: routes[1]})
	do(tree, get("k1"), store(protocol.Set, "k2", ""), store(protocol.Delete, "k3", ""), get("k4"))
	require.Equal(t, [][]string{{"k1", "k2", "k4"}}, list[0].calls)
	require.Equal(t, [][]string{{"k3"}}, list[1].calls)
}

// Hash asks the home, whichever replica is read first and whatever the home answers.
func TestHash(t *testing.T) {
	list, routes := fakes(down, hit("B"))
	op := get("k")
	do(Hash(readingAt(1, routes)), op)
	require.ErrorIs(t, op.Err, pool.ErrNodeDown)
	require.Empty(t, list[1].calls)
}

// The memory of a batch is used again: an earlier and larger one must leave nothing behind, on either side of the
// number of parts from which they are found by a map.
func TestBatchGrouping(t *testing.T) {
	for _, n := range []int{1, 2, fewParts, fewParts + 1, fewParts + 2, 40, maxKeptParts + 1, 3, fewParts + 1} {
		answers := make([]func(*Op), n)
		list, routes := fakes(answers...)
		b := newBatch()
		var want [][]string
		for i := range 3 * n {
			k := fmt.Sprint("k", i)
			b.add(routes[i%n], get(k))
			if i < n {
				want = append(want, nil)
			}
			want[i%n] = append(want[i%n], k)
		}
		b.do(t.Context())
		b.free()
		for i, f := range list {
			require.Equal(t, [][]string{want[i]}, f.calls, "%d parts", n)
		}
	}
}

// A batch that is used again must not remember where a route's part was.
func TestBatchForgetsItsRoutes(t *testing.T) {
	list, routes := fakes(make([]func(*Op), 2*fewParts)...)
	b := &batch{index: make(map[Route]int)}
	for range 3 {
		for i, r := range routes {
			b.add(r, get(fmt.Sprint(r.(*fake).name, i)))
		}
		b.do(t.Context())
		b.reset()
		slices.Reverse(routes)
	}
	for _, f := range list {
		require.Len(t, f.calls, 3)
		for _, key := range f.asked() {
			require.Equal(t, f.name, key[:1])
		}
	}
}

func TestNth(t *testing.T) {
	_, r := fakes(nil, nil, nil, nil)
	for read, want := range [][]Route{{r[0], r[1], r[2], r[3]}, {r[1], r[0], r[2], r[3]}, {r[2], r[0], r[1], r[3]}, {r[3], r[0], r[1], r[2]}} {
		replicas := Replicas{All: r, Read: read}
		var order []Route
		for i := range r {
			order = append(order, replicas.nth(i))
		}
		require.True(t, slices.Equal(want, order), "read %d", read)
	}
	replicas := Replicas{All: r, Read: 2, Then: []int32{1, 0}} // the last is beyond
	require.True(t, slices.Equal([]Route{r[2], r[1], r[0], r[3]}, replicas.InReadingOrder()))
}
