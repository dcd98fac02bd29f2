package history

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The hand-written histories below are about key "k" unless said otherwise; times are small numbers.

func write(c Client, command Command, number uint64, call, ret Time, o Outcome, nodes ...NodeOutcome) Op {
	return Op{Client: c, Key: "k", Command: command, Value: NewValue(c, number), Call: call, Return: ret, Outcome: o, Nodes: nodes}
}

func set(c Client, number uint64, call, ret Time) Op { return write(c, Set, number, call, ret, OK) }

func get(c Client, v Value, call, ret Time) Op {
	return Op{Client: c, Key: "k", Command: Get, Value: v, Call: call, Return: ret, Outcome: OK}
}

func miss(c Client, call, ret Time) Op {
	return Op{Client: c, Key: "k", Command: Get, Call: call, Return: ret, Outcome: Miss}
}

func by(node string, op Op) Op {
	op.Node = node
	return op
}

func heal(node string, start, end Time) Event {
	return Event{Kind: Heal, Node: node, Start: start, End: end}
}

var (
	a1 = NewValue(1, 1)
	a2 = NewValue(1, 2)
	b1 = NewValue(2, 1)
)

// found returns the invariants that are violated, each once.
func found(t *testing.T, h *History, b Bounds) []string {
	t.Helper()
	violations, err := Check(h, b)
	require.NoError(t, err)
	var names []string
	for _, v := range violations {
		require.NotEmpty(t, v.Evidence)
		require.NotEmpty(t, v.String())
		if len(names) == 0 || names[len(names)-1] != v.Invariant {
			names = append(names, v.Invariant)
		}
	}
	return names
}

// row is one history and what the checks must say of it; no invariants: it is legal.
type row struct {
	name   string
	ops    []Op
	events []Event
	dumps  []Dump
	bounds Bounds
	want   []string
}

func runRows(t *testing.T, rows []row) {
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			require.Equal(t, r.want, found(t, &History{Ops: r.ops, Events: r.events, Dumps: r.dumps}, r.bounds))
		})
	}
}

func TestIntegrity(t *testing.T) {
	other := set(2, 1, 10, 20)
	other.Key = "other"
	runRows(t, []row{
		{name: "a read of what was written", ops: []Op{set(1, 1, 10, 20), get(2, a1, 30, 40)}},
		{name: "a read during the write", ops: []Op{set(1, 1, 10, 40), get(2, a1, 20, 30)}},
		{name: "a read that returns just when the write is called", ops: []Op{set(1, 1, 10, 40), get(2, a1, 5, 10)}},
		{name: "a read of a write that never returned", ops: []Op{write(1, Set, 1, 10, Never, Ambiguous), get(2, a1, 20, 30)}},
		{name: "misses", ops: []Op{miss(1, 0, 5), set(1, 1, 10, 20), miss(1, 30, 40)}},
		{name: "nobody wrote it", ops: []Op{set(1, 1, 10, 20), get(2, b1, 30, 40)}, want: []string{"I1"}},
		{name: "torn", ops: []Op{set(1, 1, 10, 20), get(2, Torn, 30, 40)}, want: []string{"I1"}},
		{name: "another key's", ops: []Op{set(1, 1, 10, 20), other, get(2, b1, 30, 40)}, want: []string{"I1"}},
		{name: "a delete's", ops: []Op{write(1, Delete, 1, 10, 20, OK), get(2, a1, 30, 40)}, want: []string{"I1"}},
		{name: "before it was written", ops: []Op{set(1, 1, 10, 20), get(2, a1, 5, 9)}, want: []string{"I1"}},
		{name: "torn in a dump", dumps: []Dump{{"x", "k", Torn, 5}}, want: []string{"I1"}},
	})
}

func TestOwnWrites(t *testing.T) {
	partial := write(1, Set, 2, 30, 40, Partial, NodeOutcome{"x", Ambiguous})
	late := write(1, Set, 1, 10, 20, Ambiguous, NodeOutcome{"x", Ambiguous})
	runRows(t, []row{
		{name: "an older value by the same client", ops: []Op{set(2, 1, 10, 20), partial, get(1, b1, 50, 60)}, want: []string{"I2"}},
		{name: "by another client", ops: []Op{set(2, 1, 10, 20), partial, get(3, b1, 50, 60)}},
		{name: "while the own write runs", ops: []Op{set(2, 1, 10, 20), partial, get(1, b1, 39, 60)}},
		{name: "a value that was written meanwhile", ops: []Op{set(2, 1, 10, 30), partial, get(1, b1, 50, 60)}},
		{
			name: "no replica acknowledged",
			ops:  []Op{set(2, 1, 10, 20), write(1, Set, 2, 30, 40, Ambiguous, NodeOutcome{"x", Ambiguous}), get(1, b1, 50, 60)},
		},
		{
			name: "after an own delete that found nothing",
			ops:  []Op{set(2, 1, 10, 20), write(1, Delete, 2, 30, 40, Miss), get(1, b1, 50, 60)}, want: []string{"I2", "I3"},
		},
		{name: "its own write that timed out came after the next", ops: []Op{late, set(1, 2, 30, 40), get(1, a1, 50, 60)}, want: []string{"I2"}},
		{name: "another client reads that", ops: []Op{late, set(1, 2, 30, 40), get(2, a1, 50, 60)}},
		{name: "that while the next one runs", ops: []Op{late, set(1, 2, 20, 40), get(1, a1, 50, 60)}},
	})
}

func TestFreshFill(t *testing.T) {
	load := func(call, ret Time) Op { return write(1, Load, 1, call, ret, OK) }
	runRows(t, []row{
		{name: "a value that was loaded", ops: []Op{load(10, 20), get(2, a1, 30, 40)}},
		{name: "loaded before a write", ops: []Op{load(10, 20), set(2, 1, 30, 40), get(3, a1, 50, 60)}, want: []string{"I6"}},
		{name: "the load began before a delete", ops: []Op{load(10, 50), write(2, Delete, 1, 20, 30, OK), get(3, a1, 60, 70)}, want: []string{"I6"}},
		{name: "and the reader before it was done", ops: []Op{load(10, 50), write(2, Delete, 1, 20, 30, OK), get(3, a1, 29, 70)}},
		{name: "the load began during the delete", ops: []Op{load(25, 50), write(2, Delete, 1, 20, 30, OK), get(3, a1, 60, 70)}},
		{name: "the delete did not reach all", ops: []Op{load(10, 50), write(2, Delete, 1, 20, 30, Partial, NodeOutcome{"x", NotSent}), get(3, a1, 60, 70)}},
		{name: "a load makes nothing stale", ops: []Op{set(2, 1, 10, 20), load(30, 40), get(3, b1, 50, 60)}},
		{name: "its own client", ops: []Op{load(10, 20), set(1, 2, 30, 40), get(1, a1, 50, 60)}, want: []string{"I2", "I6"}},
		{name: "a load that never ended", ops: []Op{load(10, Never), set(2, 1, 30, 40), get(3, a1, 50, 60)}, want: []string{"I6"}},
	})
}

func TestFullAck(t *testing.T) {
	late := write(1, Set, 1, 10, 20, Ambiguous, NodeOutcome{"x", Ambiguous})
	young := get(3, a1, 50, 60)
	young.ViewAge = time.Millisecond
	runRows(t, []row{
		{name: "stale", ops: []Op{set(1, 1, 10, 20), set(2, 1, 30, 40), get(3, a1, 50, 60)}, want: []string{"I3"}},
		{name: "stale by a delete", ops: []Op{set(1, 1, 10, 20), write(2, Delete, 1, 30, 40, OK), get(3, a1, 50, 60)}, want: []string{"I3"}},
		{name: "stale by an add", ops: []Op{set(1, 1, 10, 20), write(2, Add, 1, 30, 40, OK), get(3, a1, 50, 60)}, want: []string{"I3"}},
		{name: "an add that was refused", ops: []Op{set(1, 1, 10, 20), write(2, Add, 1, 30, 40, Refused), get(3, a1, 50, 60)}},
		{name: "concurrent writes", ops: []Op{set(1, 1, 10, 31), set(2, 1, 30, 40), get(3, a1, 50, 60)}},
		{name: "writes that touch", ops: []Op{set(1, 1, 10, 30), set(2, 1, 30, 40), get(3, a1, 50, 60)}},
		{name: "the read began before the acknowledgement", ops: []Op{set(1, 1, 10, 20), set(2, 1, 30, 40), get(3, a1, 39, 60)}},
		{name: "the latest value", ops: []Op{set(1, 1, 10, 20), set(2, 1, 30, 40), get(3, b1, 50, 60)}},
		{name: "the newer write is ambiguous", ops: []Op{set(1, 1, 10, 20), write(2, Set, 1, 30, 40, Ambiguous), get(3, a1, 50, 60)}},
		{name: "an ambiguous write lands late", ops: []Op{late, set(2, 1, 30, 40), get(3, a1, 50, 60)}},
		{
			name: "an ambiguous write lands after its replay", ops: []Op{late, set(2, 1, 30, 40), get(3, a1, 50, 60)},
			events: []Event{heal("x", 20, 25)}, want: []string{"I3"},
		},
		{
			name: "the heal of another node", ops: []Op{late, set(2, 1, 30, 40), get(3, a1, 50, 60)},
			events: []Event{heal("y", 20, 25)},
		},
		{
			name: "a heal before the write gave up", ops: []Op{late, set(2, 1, 30, 40), get(3, a1, 50, 60)},
			events: []Event{heal("x", 19, 25)},
		},
		{
			name: "the time for repairs is not over", ops: []Op{late, set(2, 1, 30, 40), get(3, a1, 50, 60)},
			events: []Event{heal("x", 20, 25)}, bounds: Bounds{Repair: 5},
		},
		{
			name: "a young view is excused", ops: []Op{set(1, 1, 10, 20), set(2, 1, 30, 40), young},
			bounds: Bounds{ViewAge: time.Second},
		},
		{
			name: "an older barrier hides no newer one",
			ops:  []Op{set(1, 1, 10, 20), set(2, 1, 30, 90), set(1, 2, 35, 40), get(3, a1, 95, 99)}, want: []string{"I3"},
		},
	})
}

func TestRepair(t *testing.T) {
	ops := []Op{set(2, 1, 10, 20), write(1, Set, 2, 30, 40, Partial, NodeOutcome{"x", NotSent}), get(3, b1, 100, 110)}
	runRows(t, []row{
		{name: "never healed", ops: ops},
		{name: "healed long ago", ops: ops, events: []Event{heal("x", 50, 60)}, bounds: Bounds{Repair: 40}, want: []string{"I4"}},
		{name: "within R", ops: ops, events: []Event{heal("x", 50, 60)}, bounds: Bounds{Repair: 41}},
		{
			name: "broken again at once", ops: ops, bounds: Bounds{Repair: 10},
			events: []Event{heal("x", 50, 60), {Kind: Break, Node: "x", Start: 69, End: 69}},
		},
		{
			name: "broken again, and healed", ops: ops, bounds: Bounds{Repair: 10}, want: []string{"I4"},
			events: []Event{heal("x", 50, 60), {Kind: Break, Node: "x", Start: 61, End: 61}, heal("x", 70, 75)},
		},
		{
			name: "broken again after R", ops: ops, bounds: Bounds{Repair: 10}, want: []string{"I4"},
			events: []Event{heal("x", 50, 60), {Kind: Break, Node: "x", Start: 70, End: 70}},
		},
		{
			name: "another node broke", ops: ops, bounds: Bounds{Repair: 10}, want: []string{"I4"},
			events: []Event{heal("x", 50, 60), {Kind: Break, Node: "y", Start: 61, End: 61}},
		},
		{name: "another node was healed", ops: ops, events: []Event{heal("y", 50, 60)}},
		{
			name: "the writer died first", ops: ops,
			events: []Event{heal("x", 50, 60), {Kind: Death, Client: 1, Start: 59, End: 59}},
		},
		{
			name: "another client died", ops: ops,
			events: []Event{heal("x", 50, 60), {Kind: Death, Client: 2, Start: 59, End: 59}}, want: []string{"I4"},
		},
		{
			name: "a replica still holds it", ops: ops[:2], events: []Event{heal("x", 50, 60)},
			dumps: []Dump{{"x", "k", b1, 100}, {"y", "k", a2, 100}}, want: []string{"I4"},
		},
		{
			name: "a replica that did not miss it holds it", ops: ops[:2], events: []Event{heal("x", 50, 60)},
			dumps: []Dump{{"y", "k", b1, 100}},
		},
		{
			name: "the replica that missed it answered", ops: []Op{ops[0], ops[1], by("x", ops[2])}, events: []Event{heal("x", 50, 60)},
			want: []string{"I4"},
		},
		{
			name: "another replica answered", ops: []Op{ops[0], ops[1], by("y", ops[2])}, events: []Event{heal("x", 50, 60)},
		},
		{
			name: "the replica was cleared", ops: ops[:2], events: []Event{heal("x", 50, 60)},
			dumps: []Dump{{"x", "k", 0, 100}, {"y", "k", a2, 100}},
		},
	})
}

func TestConvergence(t *testing.T) {
	concurrent := []Op{set(1, 1, 10, 20), set(2, 1, 15, 25)}
	dumps := func(x, y Value) []Dump { return []Dump{{"x", "k", x, 50}, {"y", "k", y, 50}} }
	runRows(t, []row{
		{name: "the same", ops: concurrent, dumps: dumps(a1, a1)},
		{name: "one or none", ops: concurrent, dumps: dumps(a1, 0)},
		{name: "different", ops: concurrent, dumps: dumps(a1, b1), want: []string{"I5"}},
		{name: "different within V", ops: concurrent, dumps: dumps(a1, b1), bounds: Bounds{Converge: 26}},
		{name: "the same old value", ops: []Op{set(1, 1, 10, 20), set(2, 1, 30, 40)}, dumps: dumps(a1, a1), want: []string{"I5"}},
		{name: "a value after the last delete", ops: []Op{set(1, 1, 10, 20), write(2, Delete, 1, 30, 40, OK)}, dumps: dumps(a1, 0), want: []string{"I5"}},
		{
			name: "the last write failed somewhere", dumps: dumps(a1, b1),
			ops: []Op{set(1, 1, 10, 20), write(2, Set, 1, 30, 40, Partial, NodeOutcome{"x", Ambiguous})},
		},
		{
			name: "an ambiguous write may still land", dumps: dumps(a1, b1),
			ops: []Op{write(1, Set, 1, 10, 20, Ambiguous, NodeOutcome{"x", Ambiguous}), set(2, 1, 30, 40)},
		},
		{
			name: "an ambiguous write landed long ago", dumps: dumps(a1, b1), events: []Event{heal("x", 21, 22)},
			ops: []Op{write(1, Set, 1, 10, 20, Ambiguous, NodeOutcome{"x", Ambiguous}), set(2, 1, 30, 40)}, want: []string{"I5"},
		},
		{name: "a write that was not sent does not count", dumps: dumps(a1, a1), ops: []Op{set(1, 1, 10, 20), write(2, Set, 1, 30, 40, NotSent)}},
	})
}

func TestEpochs(t *testing.T) {
	flush := func(node string) []Event { return []Event{{Kind: Flush, Node: node, Start: 30, End: 40}} }
	join := []Event{{Kind: Leave, Node: "x", Start: 25, End: 28}, {Kind: Join, Node: "x", Start: 60, End: 70}}
	stale := []Op{set(1, 1, 10, 20), set(2, 1, 30, 40), get(3, a1, 75, 80)}
	fresh := []Op{set(1, 1, 10, 20), set(2, 1, 72, 73), get(3, a1, 75, 80)}
	only := func(node string) []Op { return []Op{stale[0], stale[1], by(node, stale[2])} }
	runRows(t, []row{
		{name: "after a flush of all", ops: []Op{set(1, 1, 10, 20), get(2, a1, 50, 60)}, events: flush(""), want: []string{"I7"}},
		{name: "a read during the flush", ops: []Op{set(1, 1, 10, 20), get(2, a1, 39, 60)}, events: flush("")},
		{name: "a write during the flush", ops: []Op{set(1, 1, 10, 30), get(2, a1, 50, 60)}, events: flush("")},
		{name: "a write that may land after the flush", ops: []Op{write(1, Set, 1, 10, 20, Ambiguous), get(2, a1, 50, 60)}, events: flush("")},
		{name: "one node was flushed, who answered is not known", ops: []Op{set(1, 1, 10, 20), get(2, a1, 50, 60)}, events: flush("x")},
		{name: "the flushed node answered", ops: []Op{set(1, 1, 10, 20), by("x", get(2, a1, 50, 60))}, events: flush("x"), want: []string{"I7"}},
		{name: "another node answered", ops: []Op{set(1, 1, 10, 20), by("y", get(2, a1, 50, 60))}, events: flush("x")},
		{name: "stale after a join", ops: stale, events: join, want: []string{"I3", "I7"}},
		{name: "stale by the node that joined", ops: only("x"), events: join, want: []string{"I3", "I7"}},
		{name: "stale by another node", ops: only("y"), events: join, want: []string{"I3"}},
		{name: "stale for another reason", ops: fresh, events: join, want: []string{"I3"}},
		{name: "stale before the join", ops: []Op{stale[0], stale[1], get(3, a1, 55, 80)}, events: join, want: []string{"I3"}},
		{name: "the value from before is still the last", ops: []Op{stale[0], stale[2]}, events: join},
		{
			name: "read while it warms", ops: []Op{set(1, 1, 10, 20), by("x", get(2, a1, 61, 65))}, events: join,
			bounds: Bounds{Quarantine: 6}, want: []string{"I7"},
		},
		{
			name: "read when it is warm", ops: []Op{set(1, 1, 10, 20), by("x", get(2, a1, 61, 66))}, events: join,
			bounds: Bounds{Quarantine: 6},
		},
		{
			name: "read while it warms, but some have not noticed that it had left", bounds: Bounds{Quarantine: 6, Leaving: 33},
			ops: []Op{set(1, 1, 10, 20), by("x", get(2, a1, 61, 65))}, events: join,
		},
	})
}

func TestHonesty(t *testing.T) {
	lossless := Bounds{Lossless: true}
	runRows(t, []row{
		{name: "not sent, but read", ops: []Op{write(1, Set, 1, 10, 20, NotSent), get(2, a1, 30, 40)}, want: []string{"I8"}},
		{name: "refused, but read", ops: []Op{write(1, Set, 1, 10, 20, Refused), get(2, a1, 15, 40)}, want: []string{"I8"}},
		{name: "not sent, but held", ops: []Op{write(1, Set, 1, 10, 20, NotSent)}, dumps: []Dump{{"x", "k", a1, 50}}, want: []string{"I8"}},
		{name: "ambiguous, and read", ops: []Op{write(1, Set, 1, 10, 20, Ambiguous), get(2, a1, 30, 40)}},
		{name: "partial, and read", ops: []Op{write(1, Set, 1, 10, 20, Partial, NodeOutcome{"x", NotSent}), get(2, a1, 30, 40)}},
		{name: "not sent, though a node may have it", ops: []Op{write(1, Set, 1, 10, 20, NotSent, NodeOutcome{"x", Ambiguous})}, want: []string{"I8"}},
		{name: "acknowledged, though a node failed", ops: []Op{write(1, Set, 1, 10, 20, OK, NodeOutcome{"x", NotSent})}, want: []string{"I8"}},
		{name: "partial without a failure", ops: []Op{write(1, Set, 1, 10, 20, Partial)}, want: []string{"I8"}},
		{name: "ambiguous without doubt", ops: []Op{write(1, Set, 1, 10, 20, Ambiguous, NodeOutcome{"x", Refused})}, want: []string{"I8"}},
		{name: "a miss may always be", ops: []Op{set(1, 1, 10, 20), miss(2, 30, 40)}},
		{name: "a miss where nothing is lost", ops: []Op{set(1, 1, 10, 20), miss(2, 30, 40)}, bounds: lossless, want: []string{"I8"}},
		{name: "a miss that starts with the acknowledgement", ops: []Op{set(1, 1, 10, 20), miss(2, 20, 40)}, bounds: lossless, want: []string{"I8"}},
		{name: "a miss that began before", ops: []Op{set(1, 1, 10, 20), miss(2, 19, 40)}, bounds: lossless},
		{name: "a miss after a delete", ops: []Op{set(1, 1, 10, 20), write(2, Delete, 1, 25, 28, OK), miss(2, 30, 40)}, bounds: lossless},
		{name: "a miss after a concurrent delete", ops: []Op{set(1, 1, 10, 20), write(2, Delete, 1, 5, 10, OK), miss(2, 30, 40)}, bounds: lossless},
		{name: "a miss after an older delete", ops: []Op{set(1, 1, 10, 20), write(2, Delete, 1, 5, 9, OK), miss(2, 30, 40)}, bounds: lossless, want: []string{"I8"}},
		{name: "a miss before a delete", ops: []Op{set(1, 1, 10, 20), write(2, Delete, 1, 41, 45, OK), miss(2, 30, 40)}, bounds: lossless, want: []string{"I8"}},
		{name: "a miss after a write that failed", ops: []Op{set(1, 1, 10, 20), write(2, Set, 1, 25, 28, Ambiguous), miss(2, 30, 40)}, bounds: lossless},
	})
}

func TestAHistoryThatContradictsItself(t *testing.T) {
	for name, ops := range map[string][]Op{
		"two writes of one name":    {set(1, 1, 10, 20), set(1, 1, 30, 40)},
		"a write without a name":    {write(1, Set, 0, 10, 20, OK), {Command: Set, Key: "k", Outcome: OK}},
		"returned before it called": {set(1, 1, 20, 10)},
	} {
		_, err := Check(&History{Ops: ops}, Bounds{})
		require.Error(t, err, name)
	}
}

func TestViolationsTellWhatHappened(t *testing.T) {
	h := &History{Ops: []Op{set(1, 1, 10, 20), set(2, 1, 30, 40), by("x", get(3, a1, 50, 60))}}
	violations, err := Check(h, Bounds{})
	require.NoError(t, err)
	require.Len(t, violations, 1)
	require.Equal(t, `I3: a read returned what is older than a fully acknowledged write
    0.000000s - 0.000000s client 1 set k v1.1: ok (view 0s old)
    0.000000s - 0.000000s client 2 set k v2.1: ok (view 0s old)
    0.000000s - 0.000000s client 3 get k v1.1: ok, answered by x (view 0s old)`, violations[0].String())
}
