package route

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func missFailoverOf(t *testing.T, routes []Route, o MissFailoverOptions) Route {
	t.Helper()
	r, err := MissFailover(routes, o)
	require.NoError(t, err)
	return r
}

func TestMissFailover(t *testing.T) {
	for _, row := range []struct {
		children string
		best     bool
		want     string
	}{
		{"F:a F:b", false, "a"},
		{"NF F:b", false, "b"},
		{"NF T F:c", false, "c"},
		{"NF T T F:c", false, "c"},
		{"NF T T T", false, "T"},
		{"NF T T", true, "NF"},
		{"T NF T", true, "NF"},
		{"T NF NF", true, "NF"},
		{"T D", true, "D"},
		{"T T F:c", true, "c"},
	} {
		_, routes := children(row.children)
		op := get("k")
		do(missFailoverOf(t, routes, MissFailoverOptions{BestOnError: row.best}), op)
		require.Equal(t, row.want, said(op), "%+v", row)
	}
	_, routes := children("NF ok")
	op := asks(protocol.Delete, "k")
	do(missFailoverOf(t, routes, MissFailoverOptions{}), op)
	require.Equal(t, "ok", said(op), "a delete goes on until it has deleted")
}

// Other operations are the first child's, and so are leases, and reads whose CAS is used.
func TestMissFailoverOfOtherOperations(t *testing.T) {
	list, routes := children("NS ok ok")
	tree := missFailoverOf(t, routes, MissFailoverOptions{})
	op := asks(protocol.Set, "k")
	do(tree, op)
	require.Equal(t, "NS", said(op))
	list[0].answer = miss
	lease := get("k")
	lease.Request.Meta |= protocol.Vivify
	do(tree, lease, asks(GetForUpdate, "k"), asks(protocol.Increment, "k"))
	require.Equal(t, "NF", said(lease))
	require.Equal(t, []int{0}, askedChildren(list))
}

func TestMissFailoverOfABatch(t *testing.T) {
	list, routes := children("NF NF F:c")
	list[0].answer = func(op *Op) {
		if op.Request.Key == "here" {
			hit("a")(op)
		} else {
			miss(op)
		}
	}
	ops := gets("here", "there")
	do(missFailoverOf(t, routes, MissFailoverOptions{}), ops...)
	require.Equal(t, "a", said(ops[0]))
	require.Equal(t, "c", said(ops[1]))
	require.Equal(t, []string{"there"}, list[2].asked())
}

// What a later child has is added where it was missed, with its flags and the time left, and where it failed it is not.
func TestMissFailoverRefills(t *testing.T) {
	servers, nodes, routes := realNodes(t, 3)
	original := store(protocol.Set, "k", "v")
	original.Request.Flags, original.Request.Exptime = 7, 100
	do(nodes[2], original)
	forever := store(protocol.Set, "forever", "v")
	do(nodes[2], forever)
	b := NewBackground(10)
	tree := missFailoverOf(t, routes, MissFailoverOptions{Refill: b})
	servers[1].Kill()

	ops := gets("k", "forever", "nowhere")
	ops[0].Dst = []byte("<")
	do(tree, ops...)
	require.NoError(t, ops[0].Err)
	require.Equal(t, "<v", string(ops[0].Value))
	require.EqualValues(t, 7, ops[0].Reply.Flags)
	b.Close()
	for key, ttl := range map[string]int64{"k": 100, "forever": -1} {
		op := get(key)
		op.Request.Meta |= protocol.ReturnTTL
		do(nodes[0], op)
		require.Equal(t, "v", string(op.Value), key)
		require.InDelta(t, ttl, op.Reply.TTL, 2)
	}
	require.Equal(t, 2, servers[0].Stats().CurrItems)
}

func TestMissFailoverRefillTTL(t *testing.T) {
	_, nodes, routes := realNodes(t, 2)
	do(nodes[1], store(protocol.Set, "k", "v"))
	b := NewBackground(10)
	do(missFailoverOf(t, routes, MissFailoverOptions{Refill: b, RefillTTL: time.Minute}), get("k"))
	b.Close()
	op := get("k")
	op.Request.Meta |= protocol.ReturnTTL
	do(nodes[0], op)
	require.InDelta(t, 60, op.Reply.TTL, 2)
}

// A value that was written meanwhile is not overwritten.
func TestMissFailoverRefillNeverReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list, routes := children("NF F:old")
		b := NewBackground(10)
		do(missFailoverOf(t, routes, MissFailoverOptions{Refill: b, RefillTTL: time.Minute}), get("k"))
		b.Close()
		require.Equal(t, []protocol.Command{protocol.Get, protocol.Add}, list[0].commands())
	})
}

func TestMissFailoverRefuses(t *testing.T) {
	_, err := MissFailover(nil, MissFailoverOptions{})
	require.ErrorIs(t, err, ErrNoMembers)
	_, routes := children("T T")
	_, err = MissFailover(routes, MissFailoverOptions{RefillTTL: -1})
	require.ErrorIs(t, err, protocol.ErrInvalidTTL)
	_, err = MissFailover([]Route{routes[0], nil}, MissFailoverOptions{})
	require.ErrorIs(t, err, ErrNoPart)
	require.Contains(t, Explain(missFailoverOf(t, routes, MissFailoverOptions{}), get("k")).String(), "until one has the item")
	require.Contains(t, Explain(missFailoverOf(t, routes, MissFailoverOptions{}), asks(protocol.Set, "k")).String(), "goes to the first")
}

// Three real nodes, one killed, then one stopped: reads go on.
func TestFailoverListOnRealNodes(t *testing.T) {
	var servers []*realnode.Node
	var routes []Route
	for range 3 {
		s := realnode.Start(t)
		n := pool.NewNode(pool.Config{Addr: s.Addr, Timeout: testTimeout})
		t.Cleanup(func() { n.Close() })
		servers, routes = append(servers, s), append(routes, n)
	}
	do(AllSync(Fixed(routes...)), store(protocol.Set, "k", "v"))
	for name, order := range map[string]Order{
		"in order": InOrder(), "least failures": LeastFailures(3), "rendezvous": RendezvousOrder([]string{"a", "b", "c"}),
	} {
		tree := failoverOf(t, routes, FailoverOptions{Order: order})
		op := get("k")
		do(tree, op)
		require.Equal(t, "v", string(op.Value), name)
	}
	tree := failoverOf(t, routes, FailoverOptions{})
	servers[0].Kill()
	op := get("k")
	do(tree, op)
	require.NoError(t, op.Err)
	require.Equal(t, routes[1], Route(op.Node))
	servers[1].Pause()
	op = get("k")
	do(tree, op)
	servers[1].Resume()
	require.NoError(t, op.Err)
	require.Equal(t, "v", string(op.Value))
	require.Equal(t, routes[2], Route(op.Node))
}

// Only plain reads are refilled: what else is in their batch is done as it was asked for.
func TestMissFailoverRefillLeavesOthersAlone(t *testing.T) {
	servers, nodes, routes := realNodes(t, 2)
	read, remove, touch := get("read"), asks(protocol.Delete, "remove"), asks(protocol.GetAndTouch, "touch")
	remove.Request.Value, touch.Request.Value = nil, nil
	touch.Request.Meta, touch.Request.Exptime = readFlags, 1000
	for _, batch := range [][]*Op{{read, remove, touch}, {remove, touch, read}} {
		do(nodes[1], store(protocol.Set, "read", "v"), store(protocol.Set, "remove", "v"), store(protocol.Set, "touch", "v"))
		do(nodes[0], asks(protocol.Delete, "read"))
		b := NewBackground(10)
		do(missFailoverOf(t, routes, MissFailoverOptions{Refill: b}), batch...)
		b.Close()
		require.Equal(t, "v", said(read))
		require.Equal(t, "ok", said(remove))
		require.Equal(t, "v", said(touch))
		require.Equal(t, 1, servers[0].Stats().CurrItems, "what was read, alone")
		require.Equal(t, 2, servers[1].Stats().CurrItems, "what was to be deleted is gone")
		left := get("touch")
		left.Request.Meta |= protocol.ReturnTTL
		do(nodes[1], left)
		require.InDelta(t, 1000, left.Reply.TTL, 2)
	}
}

// The answer that counts is whole: it names the node that gave it.
func TestMissFailoverBestNamesItsNode(t *testing.T) {
	servers, nodes, routes := realNodes(t, 3)
	servers[0].Kill()
	servers[2].Kill()
	op := get("k")
	do(missFailoverOf(t, routes, MissFailoverOptions{BestOnError: true}), op)
	require.NoError(t, op.Err)
	require.Equal(t, protocol.Miss, op.Reply.Status)
	require.Same(t, nodes[1], op.Node)
}
