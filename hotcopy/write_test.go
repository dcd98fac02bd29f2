package hotcopy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// With a staleness, a process reads its own writes all the same: what each op leaves, and what the next read asks for.
func TestOwnWrites(t *testing.T) {
	cas := func(p *process) *route.Op {
		read := getOp(key)
		read.ForUpdate = true
		p.succeed(read)
		op := storeOp(protocol.Set, key, "new")
		op.Request.Meta, op.Request.CAS, op.Token = protocol.Compare, read.Reply.CAS, read.Token
		return op
	}
	withExptime := func(c protocol.Command, exptime int64) *route.Op {
		op := storeOp(c, key, "new")
		op.Request.Exptime = exptime
		return op
	}
	for name, c := range map[string]struct {
		op   func(p *process) *route.Op
		then string
		ask  []string // by the next read
	}{
		"set":         {func(*process) *route.Op { return storeOp(protocol.Set, key, "new") }, "new", nil},
		"cas":         {cas, "new", nil},
		"set and ttl": {func(*process) *route.Op { return withExptime(protocol.Set, 60) }, "new", nil},
		"set to a past time": {func(*process) *route.Op { return withExptime(protocol.Set, relativeLimit+1) },
			"(miss)", []string{"get"}},
		"replace": {func(*process) *route.Op { return storeOp(protocol.Replace, key, "new") }, "new", []string{"get"}},
		"append":  {func(*process) *route.Op { return storeOp(protocol.Append, key, "1") }, "11", []string{"get"}},
		"prepend": {func(*process) *route.Op { return storeOp(protocol.Prepend, key, "2") }, "21", []string{"get"}},
		"increment": {func(*process) *route.Op {
			op := request(protocol.Increment, key)
			op.Request.Delta = 5
			return op
		}, "6", []string{"get"}},
		"delete": {func(*process) *route.Op { return request(protocol.Delete, key) }, "(miss)", []string{"get"}},
		"mark stale": {func(*process) *route.Op {
			op := request(protocol.Delete, key)
			op.Request.Meta = protocol.Invalidate
			return op
		}, "1", []string{"get"}},
		"touch":          {func(*process) *route.Op { return withExptime(protocol.Touch, 60) }, "1", []string{"check"}},
		"touch to death": {func(*process) *route.Op { return withExptime(protocol.Touch, relativeLimit+1) }, "(miss)", []string{"check"}},
		"get and touch": {func(*process) *route.Op {
			op := withExptime(protocol.GetAndTouch, 60)
			op.Request.Meta = lineFlags
			return op
		}, "1", []string{"check"}},
		"flush": {func(*process) *route.Op { return &route.Op{Request: protocol.Request{Command: protocol.FlushAll}} }, "(miss)", []string{"get"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newFleet(t, 1).process(t)
				p.settled(keepFor(time.Minute), "1")
				require.Equal(t, "1", p.get())
				require.Empty(t, p.tree.take())
				op := c.op(p)
				wanted := op.WantCAS
				p.succeed(op)
				require.Equal(t, wanted, op.WantCAS)
				p.tree.take()
				require.Equal(t, c.then, p.get())
				require.Equal(t, c.ask, p.tree.take())
			})
		})
	}
}

// An add that finds the item there, and a compare-and-swap that fails, leave nothing that could be wrong.
func TestOwnWritesThatAreNotDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 1).process(t)
		p.settled(keepFor(time.Minute), "1")
		require.Equal(t, protocol.NotStored, p.do(storeOp(protocol.Add, key, "2")).Reply.Status)
		require.Equal(t, "1", p.get())
		cas := storeOp(protocol.Set, key, "3")
		cas.Request.Meta, cas.Request.CAS = protocol.Compare, 999
		require.Equal(t, protocol.Exists, p.do(cas).Reply.Status)
		require.Equal(t, "1", p.get())
		require.Equal(t, []string{"add", "get", "set", "get"}, p.tree.take())
	})
}

// A write of which it is not known whether it was done is followed by a look.
func TestOwnWriteOfUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		p := f.process(t)
		p.settled(keepFor(time.Minute), "1")
		f.servers[0].Inject(memcachetest.StallAfter(0))
		op := p.do(storeOp(protocol.Set, key, "2"))
		require.ErrorIs(t, op.Err, pool.ErrTimeout)
		f.servers[0].Heal()
		time.Sleep(time.Second) // the late answer, or that to a probe, readmits the node
		synctest.Wait()
		p.tree.take()
		require.Equal(t, "2", p.get())
		require.Equal(t, []string{"get"}, p.tree.take())
	})
}

// gate is a tree that holds its answers back until it is opened.
type gate struct {
	next  route.Route
	holds func(op *route.Op) bool
	open  chan struct{}
}

func (g *gate) Do(ctx context.Context, ops []*route.Op) {
	g.next.Do(ctx, ops)
	if g.holds(ops[0]) {
		<-g.open
	}
}

// What a read brings that began before an own write is not kept, however late it comes; nor what overlapping writes leave.
func TestLateResultsAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 1).process(t)
		p.settled(keepFor(time.Minute), "1")
		g := &gate{p.route.next, func(op *route.Op) bool { return op.Request.Command == protocol.Get }, make(chan struct{})}
		p.route.next = g
		p.succeed(request(protocol.Delete, key))
		p.set("old")
		late := getOp(key)
		go p.do(late)
		synctest.Wait() // it has been answered, but not yet here
		p.set("new")
		close(g.open)
		synctest.Wait()
		require.Equal(t, "old", string(late.Value))
		require.Equal(t, "new", p.get())

		p.settled(keepFor(time.Minute), "1")
		g.holds, g.open = func(op *route.Op) bool { return string(op.Request.Value) == "first" }, make(chan struct{})
		go p.do(storeOp(protocol.Set, key, "first"))
		synctest.Wait()
		p.set("second")
		close(g.open)
		synctest.Wait()
		require.Equal(t, "second", p.get())
		p.get()
		require.Contains(t, p.tree.take(), "get", "the process cannot tell which of the two came last")
	})
}

// A rule that goes and comes back finds nothing of what was kept: meanwhile, writes were not noted.
func TestRulesThatComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 1).process(t)
		p.settled(keepFor(time.Minute), "1")
		require.Equal(t, 1, p.copies.Stats().Entries)
		p.copies.SetTable(nil)
		require.Zero(t, p.copies.Stats().Entries)
		require.Zero(t, p.copies.Stats().Bytes)
		p.set("2")
		p.rule(keepFor(time.Minute))
		require.Equal(t, "2", p.get())

		// An op that has found the rule before it went leaves nothing behind either.
		p.settled(keepFor(time.Minute), "1")
		table := p.copies.Table()
		p.copies.SetTable(nil)
		p.route.serve(t.Context(), table, []*route.Op{getOp(key)})
		require.Zero(t, p.copies.Stats().Entries)

		// A write that began before the rule may end after the first read.
		p.set("old")
		g := &gate{p.route.next, func(op *route.Op) bool { return op.Request.Command == protocol.Set }, make(chan struct{})}
		slow := &Route{copies: p.copies, next: &before{g.next, g.open}, nodes: p.route.nodes}
		done := make(chan struct{})
		go func() {
			defer close(done)
			slow.Do(t.Context(), []*route.Op{storeOp(protocol.Set, key, "new")})
		}()
		synctest.Wait()
		p.rule(keepFor(time.Minute))
		require.Equal(t, "old", p.get())
		close(g.open)
		<-done
		require.Equal(t, "new", p.get())
	})
}

// before holds ops back before they are sent.
type before struct {
	next route.Route
	open chan struct{}
}

func (b *before) Do(ctx context.Context, ops []*route.Op) {
	<-b.open
	b.next.Do(ctx, ops)
}

// A staleness that is taken back is obeyed at once.
func TestStrictAfterStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		p, other := f.process(t), f.process(t)
		p.settled(keepFor(time.Minute), "1")
		other.set("2")
		require.Equal(t, "1", p.get())
		p.rule(keepStrict)
		require.Equal(t, "2", p.get())
		other.set("3")
		require.Equal(t, "3", p.get())
		p.rule(keepFor(time.Minute))
		other.set("4")
		require.Equal(t, "4", p.get(), "what was read strictly has no time")
	})
}

func TestDeniedAndReservedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 1).process(t)
		p.rules(hotkey.Rule{Prefix: "bad:", Action: hotkey.Action{Kind: hotkey.Deny}},
			hotkey.Rule{Key: "pinned", Action: hotkey.Action{Kind: hotkey.Pin, Nodes: []string{"any"}}},
			hotkey.Rule{Prefix: "auto:", Action: hotkey.Action{Kind: hotkey.Auto}})
		for _, c := range []protocol.Command{protocol.Get, protocol.Set, protocol.Delete, protocol.Touch, protocol.Increment} {
			for key, want := range map[string]error{"bad:1": ErrDenied, "~": ErrReservedKey, "~c1.2.k": ErrReservedKey, "~m": protocol.ErrMalformedKey} {
				var failed *pool.Error
				op := p.do(request(c, key))
				require.ErrorIs(t, op.Err, want)
				require.ErrorAs(t, op.Err, &failed)
				require.Equal(t, pool.NotSent, failed.Outcome)
				require.NotContains(t, op.Err.Error(), "bad:1")
			}
		}
		require.Empty(t, p.tree.take())
		require.Equal(t, uint64(5), p.copies.Stats().Denied)
		ops := []*route.Op{getOp("bad:1"), getOp("pinned"), getOp("auto:1"), getOp("~m"), getOp(""), getOp("a~"),
			{Request: protocol.Request{Command: protocol.Noop}}}
		p.route.Do(t.Context(), ops)
		for i, refused := range []error{ErrDenied, nil, nil, ErrReservedKey, protocol.ErrMalformedKey, nil, nil} {
			require.ErrorIs(t, ops[i].Err, refused)
		}
		require.Len(t, p.tree.take(), 5)
		stats := &route.Op{Request: protocol.Request{Command: protocol.Stats, Key: "~"}} // not a key; the server knows no such statistics
		p.route.Do(t.Context(), []*route.Op{stats})
		require.NotErrorIs(t, stats.Err, ErrReservedKey)
		require.Len(t, p.tree.take(), 1)
	})
}
