package route

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// between is a route that does something before or after a child serves a command: the schedule of a race.
type between struct {
	Route
	before, after func(op *Op)
}

func (b *between) Do(ctx context.Context, ops []*Op) {
	b.each(b.before, ops)
	b.Route.Do(ctx, ops)
	b.each(b.after, ops)
}

func (b *between) each(f func(*Op), ops []*Op) {
	if f == nil {
		return
	}
	for _, op := range ops {
		f(op)
	}
}

// at runs f where op is a command.
func at(c protocol.Command, f func()) func(*Op) {
	return func(op *Op) {
		if op.Request.Command == c {
			f()
		}
	}
}

func filling(target, source Route) *leasedFill {
	return &leasedFill{target: func(*Op) Route { return target }, source: func(*Op) Route { return source }}
}

func (f *leasedFill) run(ops ...*Op) []*Op { return f.do(context.Background(), ops) }

func setting(key, value string, flags uint32, exptime int64) *Op {
	op := store(protocol.Set, key, value)
	op.Request.Flags, op.Request.Exptime = flags, exptime
	return op
}

// detailed reads key with all that a copy must have, and is not given a lease.
func detailed(r Route, key string) *Op {
	op := get(key)
	op.Request.Meta |= protocol.ReturnTTL
	do(r, op)
	return op
}

// isAbsent requires that r has neither an item nor a stub.
func isAbsent(t *testing.T, r Route, key string) {
	t.Helper()
	op := detailed(r, key)
	require.NoError(t, op.Err)
	require.Equal(t, protocol.Miss, op.Reply.Status, "value %q, flags %v", op.Value, op.Reply.Meta)
}

// lease takes the lease of key at r.
func lease(t *testing.T, r Route, key string) *Op {
	t.Helper()
	op := get(key)
	op.Request.Meta |= protocol.Vivify
	op.Request.VivifyTTL = 60
	do(r, op)
	require.NoError(t, op.Err)
	require.True(t, op.Reply.Has(protocol.Won))
	return op
}

// eachServer runs a test over two nodes in process, and over two of memcached.
func eachServer(t *testing.T, test func(t *testing.T, target, source *pool.Node)) {
	t.Run("in process", func(t *testing.T) {
		_, nodes, _ := realNodes(t, 2)
		test(t, nodes[0], nodes[1])
	})
	t.Run("memcached", func(t *testing.T) {
		_, nodes, _ := memcacheds(t, 2)
		test(t, nodes[0], nodes[1])
	})
}

func TestLeasedFillCopies(t *testing.T) {
	for _, c := range []struct {
		name          string
		value         string
		exptime       int64
		least, most   int64 // seconds that the copy has left; -1 for ever
		leavesNothing bool
	}{
		{name: "a value", value: "v", exptime: 100, least: 95, most: 98},
		{name: "for ever", value: "v", exptime: 0, least: -1, most: -1},
		{name: "an empty value", value: "", exptime: 100, least: 95, most: 98},
		{name: "a large value", value: strings.Repeat("x", 100_000), exptime: 100, least: 95, most: 98},
		{name: "longer than thirty days", value: "v", exptime: time.Now().Unix() + 40*24*60*60, least: relativeLimit - 3, most: relativeLimit},
		{name: "too short to be copied", value: "v", exptime: 2, leavesNothing: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, target, source *pool.Node) {
				do(source, setting("k", c.value, 7, c.exptime))
				op := get("k")
				asked := op.Request
				require.Equal(t, []*Op{op}, filling(target, source).run(op))
				require.NoError(t, op.Err)
				require.Equal(t, c.value, string(op.Value))
				require.Equal(t, uint32(7), op.Reply.Flags)
				require.Same(t, source, op.Node)
				require.Equal(t, asked, op.Request)
				if c.leavesNothing {
					isAbsent(t, target, "k")
					return
				}
				copied := detailed(target, "k")
				require.Equal(t, c.value, string(copied.Value))
				require.Equal(t, uint32(7), copied.Reply.Flags)
				require.GreaterOrEqual(t, copied.Reply.TTL, c.least)
				require.LessOrEqual(t, copied.Reply.TTL, c.most)

				again := get("k")
				require.Empty(t, filling(target, source).run(again))
				require.Equal(t, c.value, string(again.Value))
				require.Same(t, target, again.Node)
			})
		})
	}
}

// No trace stays of a read of what is nowhere.
func TestLeasedFillRemovesStub(t *testing.T) {
	eachServer(t, func(t *testing.T, target, source *pool.Node) {
		op := get("k")
		filling(target, source).run(op)
		require.True(t, isMiss(op))
		isAbsent(t, target, "k")

		added := store(protocol.Add, "k", "v") // which a stub would refuse
		do(target, added)
		require.Equal(t, protocol.OK, added.Reply.Status)
	})
}

// What was read at the source before a write must not be stored after the write has come to the target.
func TestLeasedFillComesTooLate(t *testing.T) {
	for name, write := range map[string]func(key string) *Op{
		"a delete":         func(key string) *Op { return asks(protocol.Delete, key) },
		"a set":            func(key string) *Op { return store(protocol.Set, key, "new") },
		"a flush":          func(key string) *Op { return &Op{Request: protocol.Request{Command: protocol.FlushAll}} },
		"a delete and set": nil,
	} {
		t.Run(name, func(t *testing.T) {
			eachServer(t, func(t *testing.T, target, source *pool.Node) {
				do(source, store(protocol.Set, "k", "old"))
				slow := &between{Route: source, after: at(protocol.Get, func() {
					if write == nil {
						do(target, asks(protocol.Delete, "k"))
						do(target, store(protocol.Set, "k", "new"))
						return
					}
					do(target, write("k"))
				})}
				op := get("k")
				filling(target, slow).run(op)
				require.Equal(t, "old", string(op.Value), "the read began before the write")
				if found := detailed(target, "k"); found.Reply.Status == protocol.OK {
					require.Equal(t, "new", string(found.Value))
				}
			})
		})
	}
}

// The same with the remover of a stub in place of the filler: it removes its own stub and nothing else.
func TestLeasedFillRemovesItsOwn(t *testing.T) {
	eachServer(t, func(t *testing.T, target, source *pool.Node) {
		slow := &between{Route: source, after: at(protocol.Get, func() { do(target, store(protocol.Set, "k", "new")) })}
		op := get("k")
		filling(target, slow).run(op)
		require.True(t, isMiss(op))
		require.Equal(t, "new", string(detailed(target, "k").Value))
	})
}

func TestLeasedFillTaken(t *testing.T) {
	eachServer(t, func(t *testing.T, target, source *pool.Node) {
		do(source, store(protocol.Set, "k", "v"))
		other := lease(t, target, "k")
		op := get("k")
		require.Equal(t, []*Op{op}, filling(target, source).run(op))
		require.Equal(t, "v", string(op.Value))
		found := get("k")
		found.Request.Meta |= protocol.ReturnTTL // a meta command: it tells the stub
		do(target, found)
		require.True(t, found.Reply.Has(protocol.Busy))

		fill := store(protocol.Set, "k", "the other's")
		fill.Request.Meta, fill.Request.CAS, fill.Token = protocol.Compare, other.Reply.CAS, other.Token
		do(target, fill)
		require.Equal(t, protocol.OK, fill.Reply.Status)
	})
}

func TestLeasedFillStale(t *testing.T) {
	eachServer(t, func(t *testing.T, target, source *pool.Node) {
		for i, key := range []string{"first", "second", "gone"} {
			if key != "gone" {
				do(source, store(protocol.Set, key, "new"))
			}
			do(target, store(protocol.Set, key, "old"))
			mark := asks(protocol.Delete, key)
			mark.Request.Meta |= protocol.Invalidate
			do(target, mark)
			require.Equal(t, protocol.OK, mark.Reply.Status)
			if key == "second" { // another reader has the lease
				look := get(key)
				look.Request.Meta |= protocol.ReturnTTL
				do(target, look)
				require.True(t, look.Reply.Has(protocol.Won))
			}
			op := get(key)
			filling(target, source).run(op)
			require.Equal(t, []string{"new", "new", ""}[i], string(op.Value))
		}
		require.Equal(t, "new", string(detailed(target, "first").Value))
		require.True(t, detailed(target, "second").Reply.Has(protocol.Stale))
		isAbsent(t, target, "gone")
	})
}

// What the source holds for others is no value.
func TestLeasedFillFromUnfinishedSource(t *testing.T) {
	eachServer(t, func(t *testing.T, target, source *pool.Node) {
		lease(t, source, "stub")
		do(source, store(protocol.Set, "stale", "v"))
		mark := asks(protocol.Delete, "stale")
		mark.Request.Meta |= protocol.Invalidate
		do(source, mark)

		stub, stale := get("stub"), get("stale")
		filling(target, source).run(stub, stale)
		require.True(t, isMiss(stub))
		require.Equal(t, "v", string(stale.Value))
		require.True(t, stale.Reply.Has(protocol.Stale))
		isAbsent(t, target, "stub")
		isAbsent(t, target, "stale")
	})
}

func TestLeasedFillErrors(t *testing.T) {
	tooOld := failsWith("old", pool.NotSent, protocol.ErrUnsupported)
	for _, c := range []struct {
		name           string
		target, source func(*Op)
		want           string
		err            error
		sourceAsked    bool
	}{
		{name: "the target is down", target: down, source: hit("v"), want: "v", sourceAsked: true},
		{name: "the target hangs", target: timeout, source: hit("v"), want: "v", sourceAsked: true},
		{name: "the target has no leases", target: tooOld, source: hit("v"), want: "v", sourceAsked: true},
		{name: "the target has no memory for a stub", target: miss, source: hit("v"), want: "v", sourceAsked: true},
		{name: "both are down", target: timeout, source: down, err: pool.ErrNodeDown, sourceAsked: true},
		{name: "a bad key", target: failsWith("a", pool.NotSent, protocol.ErrMalformedKey), err: protocol.ErrMalformedKey},
		{name: "the caller has gone", target: failsWith("a", pool.NotSent, context.Canceled), err: context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, routes := fakes(c.target, c.source)
			op := get("k")
			filling(routes[0], routes[1]).run(op)
			require.ErrorIs(t, op.Err, c.err)
			require.Equal(t, c.want, string(op.Value))
			require.Equal(t, c.sourceAsked, len(list[1].asked()) > 0)
			require.Equal(t, []protocol.Command{protocol.Get}, list[0].commands(), "nothing is stored without a lease")
		})
	}
}

// A source that fails leaves no stub behind, and the next read may fill.
func TestLeasedFillSourceFails(t *testing.T) {
	eachServer(t, func(t *testing.T, target, source *pool.Node) {
		op := get("k")
		filling(target, &fake{answer: down}).run(op)
		require.ErrorIs(t, op.Err, pool.ErrNodeDown)
		isAbsent(t, target, "k")
	})
}

// A source that knows only classic text does not tell how long an item lives.
func TestLeasedFillFromTextSource(t *testing.T) {
	_, nodes, _ := realNodes(t, 1)
	source := &fake{answer: func(op *Op) {
		if op.Request.Has(protocol.ReturnTTL) {
			failsWith("old", pool.NotSent, protocol.ErrUnsupported)(op)
			return
		}
		hit("v")(op)
	}}
	op := get("k")
	filling(nodes[0], source).run(op)
	require.NoError(t, op.Err)
	require.Equal(t, "v", string(op.Value))
	isAbsent(t, nodes[0], "k")
}

// Reads that do more than read, or whose CAS will be used, are not filled.
func TestLeasedFillLeavesToSource(t *testing.T) {
	for name, change := range map[string]func(*Op){
		"get-and-touch":   func(op *Op) { op.Request.Command, op.Request.Exptime = protocol.GetAndTouch, 50 },
		"touching get":    func(op *Op) { op.Request.Meta |= protocol.UpdateTTL; op.Request.Exptime = 50 },
		"for update":      func(op *Op) { op.ForUpdate = true },
		"own lease":       func(op *Op) { op.Request.Meta |= protocol.Vivify; op.Request.VivifyTTL = 30 },
		"early recache":   func(op *Op) { op.Request.Meta |= protocol.Recache; op.Request.RecacheTTL = 30 },
		"an inspection":   func(op *Op) { op.Inspect = true },
		"without a value": func(op *Op) { op.Request.Meta = protocol.ReturnTTL },
	} {
		t.Run(name, func(t *testing.T) {
			_, nodes, _ := realNodes(t, 2)
			target, source := nodes[0], nodes[1]
			do(source, setting("k", "v", 7, 100))
			op := get("k")
			change(op)
			asked := op.Request
			require.Empty(t, filling(target, source).run(op))
			require.NoError(t, op.Err)
			require.Same(t, source, op.Node)
			require.Equal(t, asked, op.Request)
			isAbsent(t, target, "k")
		})
	}
}

// A batch is one exchange for each step: leases, source, and what ends the leases.
func TestLeasedFillBatch(t *testing.T) {
	eachServer(t, func(t *testing.T, target, source *pool.Node) {
		const n = 400
		for i, key := range keys(n) {
			if i%4 != 3 {
				do(source, setting(key, "v"+key, uint32(i), 100))
			}
			if i%4 == 0 {
				do(target, setting(key, "v"+key, uint32(i), 100))
			}
		}
		ops := gets(keys(n)...)
		for i, op := range ops {
			op.Dst = fmt.Appendf(nil, "<%d>", i)
		}
		first, second := &counted{Route: target}, &counted{Route: source}
		filling(first, second).run(ops...)
		require.Equal(t, []int{n, n * 3 / 4}, first.sizes)
		require.Equal(t, []int{n * 3 / 4}, second.sizes)
		for i, op := range ops {
			if i%4 == 3 {
				require.True(t, isMiss(op))
				isAbsent(t, target, op.Request.Key)
				continue
			}
			require.NoError(t, op.Err)
			require.Equal(t, fmt.Sprintf("<%d>v%s", i, op.Request.Key), string(op.Value))
			require.Equal(t, "v"+op.Request.Key, string(detailed(target, op.Request.Key).Value), "without what stood in Dst")
		}
	})
}

// counted counts the ops of each batch.
type counted struct {
	Route
	sizes []int
}

func (c *counted) Do(ctx context.Context, ops []*Op) {
	c.sizes = append(c.sizes, len(ops))
	c.Route.Do(ctx, ops)
}

// A lease of a node that has restarted since is not taken for one of the node as it is now, whose CAS count is the same.
func TestLeasedFillTargetRestarts(t *testing.T) {
	servers, nodes, _ := memcacheds(t, 2)
	target, source := nodes[0], nodes[1]
	do(source, store(protocol.Set, "k", "old"))
	slow := &between{Route: source, after: at(protocol.Get, func() {
		require.NoError(t, servers[0].Restart())
		other := pool.NewNode(pool.Config{Addr: servers[0].Addr, Timeout: testTimeout})
		defer other.Close()
		op := store(protocol.Set, "k", "new")
		do(other, op)
		require.NoError(t, op.Err)
		look := get("other") // on a new connection, which the fill then uses too
		look.Hash = HashKey("k")
		do(target, look)
		require.NoError(t, look.Err)
	})}
	op := get("k")
	filling(target, slow).run(op)
	require.Equal(t, "old", string(op.Value))
	require.Equal(t, "new", string(detailed(target, "k").Value))
}
