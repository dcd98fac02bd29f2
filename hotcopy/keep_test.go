package hotcopy

import (
	"context"
	"strings"
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

// A strict rule costs one small question for each read, and foreign writers are seen at once.
func TestKeepAsksForTheCASOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3)
		p, other := f.process(t), f.process(t)
		other.set("one")
		require.Equal(t, "one", p.get())
		require.Equal(t, []string{"get"}, p.tree.take(), "without a rule")
		p.rule(keepStrict)
		for range 3 {
			require.Equal(t, "one", p.get())
		}
		require.Equal(t, []string{"get", "check", "check"}, p.tree.take())
		other.set("two")
		require.Equal(t, "two", p.get())
		require.Equal(t, "two", p.get())
		require.Equal(t, []string{"check", "get", "check"}, p.tree.take())
		other.succeed(request(protocol.Delete, key))
		require.Equal(t, "(miss)", p.get())
		require.Equal(t, "(miss)", p.get())
		require.Equal(t, []string{"check", "get"}, p.tree.take())
		s := p.copies.Stats()
		require.Equal(t, uint64(3), s.Kept)
		require.Equal(t, uint64(9), s.Saved)
		require.Equal(t, uint64(1), s.Changed)
		require.Equal(t, 4, p.seen.ops, "those that were answered without being sent")
		require.Equal(t, 3*(len(key)+3)+len(key), p.seen.bytes)
		require.Equal(t, 1, p.seen.misses)
	})
}

// An answer from the process is the one that the home would have given.
func TestAnswersAreTheHomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		p, plain := f.process(t), f.process(t)
		store := storeOp(protocol.Set, key, "value")
		store.Request.Flags = 7
		plain.succeed(store)
		p.rule(keepStrict)
		p.get()
		for _, meta := range []protocol.MetaFlags{0, protocol.ReturnFlags, lineFlags, lineFlags | protocol.ReturnSize, protocol.ReturnValue | protocol.ReturnSize} {
			want, got := request(protocol.Get, key), request(protocol.Get, key)
			want.Request.Meta, got.Request.Meta = meta, meta
			got.Dst = []byte("before ")
			plain.succeed(want)
			before := p.copies.Stats().Kept
			p.succeed(got)
			require.Equal(t, before+1, p.copies.Stats().Kept)
			want.Reply.Meta &^= protocol.ReturnKey | protocol.WithOpaque
			want.Reply.Opaque = 0
			require.Equal(t, want.Reply, got.Reply)
			require.Equal(t, "before value", string(got.Value))
			require.Same(t, p.nodes[0], got.Node)
		}
		cas := storeOp(protocol.Set, key, "next")
		read := p.succeed(getOp(key))
		cas.Request.Meta, cas.Request.CAS, cas.Token = protocol.Compare, read.Reply.CAS, read.Token
		p.succeed(cas)

		first := p.succeed(getOp(key))
		copy(first.Value, "XXXX")
		require.Equal(t, "next", p.get(), "callers may change what they got")
		p.set("")
		p.get()
		require.NotNil(t, p.succeed(getOp(key)).Value)
	})
}

// What asks for more than a copy can tell, or does something, goes to the home.
func TestReadsThatOnlyTheHomeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 1).process(t)
		p.set("v")
		p.rule(keepStrict)
		p.get()
		p.tree.take()
		for _, meta := range []protocol.MetaFlags{protocol.ReturnSize, protocol.ReturnTTL, protocol.ReturnValue | protocol.Recache,
			protocol.ReturnValue | protocol.Vivify, protocol.NoBump} {
			op := request(protocol.Get, key)
			op.Request.Meta, op.Request.RecacheTTL, op.Request.VivifyTTL = meta, 1, 1
			p.succeed(op)
			require.Equal(t, []string{"get"}, p.tree.take())
		}
		update, look := getOp(key), getOp(key)
		update.ForUpdate, look.Inspect = true, true
		p.succeed(update)
		p.succeed(look)
		p.do(request(protocol.Debug, key))
		require.Equal(t, []string{"get", "get", "debug"}, p.tree.take())
		require.Equal(t, "v", p.get())
		require.Equal(t, []string{"check"}, p.tree.take())
	})
}

// A connection never outlives the node's process, so another connection's CAS is another version; unless the generation
// says that the node is the same.
func TestRestartsAndReconnects(t *testing.T) {
	for _, generations := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, 1)
			s := f.servers[0]
			n := pool.NewNode(pool.Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout, Generations: generations})
			p := newProcess(t, []*pool.Node{n})
			p.set("old")
			p.rule(keepStrict)
			p.get()
			s.CloseClientConnections()
			synctest.Wait()
			p.tree.take()
			require.Equal(t, "old", p.get())
			if generations {
				require.Equal(t, []string{"check"}, p.tree.take())
			} else {
				require.Equal(t, []string{"check", "get"}, p.tree.take())
			}
			stored := p.succeed(storeOp(protocol.Set, key, "old"))
			stored.WantCAS = true
			was := p.succeed(getOp(key)).Reply.CAS
			s.Restart()
			synctest.Wait()
			other := f.process(t)
			for value := ""; ; value += "x" { // until the new life has come to the same number
				other.set("new")
				if other.succeed(getOp(key)).Reply.CAS >= was {
					break
				}
			}
			require.Equal(t, "new", p.get())
		})
	}
}

// With a staleness nothing is asked until it is over, and refreshed by one goroutine before.
func TestKeepWithStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		p, other := f.process(t), f.process(t)
		other.set("one")
		p.rule(keepFor(time.Second))
		p.get()
		require.Equal(t, "one", p.get())
		require.Equal(t, []string{"get", "check"}, p.tree.take(), "strict at first, since a write may be under way")
		time.Sleep(time.Second)
		require.Equal(t, "one", p.get())
		require.Equal(t, []string{"check"}, p.tree.take())
		other.set("two")
		time.Sleep(400 * time.Millisecond)
		for range 5 {
			require.Equal(t, "one", p.get())
		}
		synctest.Wait()
		require.Empty(t, p.tree.take())
		time.Sleep(200 * time.Millisecond)
		require.Equal(t, "one", p.get())
		for range 5 {
			require.Contains(t, []string{"one", "two"}, p.get(), "whether it has been refreshed by now is a matter of turns")
		}
		synctest.Wait()
		require.Equal(t, []string{"check", "get"}, p.tree.take(), "one has refreshed it")
		require.Equal(t, "two", p.get())
		other.succeed(request(protocol.Delete, key))
		time.Sleep(time.Second)
		require.Equal(t, "(miss)", p.get())
	})
}

// A refresh finds what is there: nothing, the same, or a lease.
func TestRefresh(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *process)
		then   string
		asked  []string
	}{
		"same":    {func(*process) {}, "one", nil},
		"deleted": {func(p *process) { p.succeed(request(protocol.Delete, key)) }, "(miss)", []string{"get"}},
		"stale": {func(p *process) {
			stale := request(protocol.Delete, key)
			stale.Request.Meta = protocol.Invalidate
			p.succeed(stale)
		}, "one", []string{"get"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, 1)
				p, other := f.process(t), f.process(t)
				p.settled(keepFor(time.Second), "one")
				time.Sleep(600 * time.Millisecond)
				c.change(other)
				require.Equal(t, "one", p.get())
				synctest.Wait()
				require.Equal(t, []string{"check"}, p.tree.take())
				require.Equal(t, c.then, p.get())
				require.Equal(t, c.asked, p.tree.take())
			})
		})
	}
}

// settled has the key hold a value that is kept and fresh.
func (p *process) settled(a hotkey.Action, value string) {
	p.t.Helper()
	p.set(value)
	p.rule(a)
	p.get()
	time.Sleep(p.copies.cfg.WriteTime + a.Staleness)
	require.Equal(p.t, value, p.get())
	require.Equal(p.t, value, p.get())
	p.tree.take()
}

// An item that is marked stale, or being made, is read at the home, and its lease is not lost to a question.
func TestLeasesReachTheirReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		p, other := f.process(t), f.process(t)
		other.set("one")
		p.rule(keepStrict)
		p.get()
		stale := request(protocol.Delete, key)
		stale.Request.Meta = protocol.Invalidate
		other.succeed(stale)

		require.Equal(t, "one", p.get(), "a plain read sees the stale value")
		require.Equal(t, "one", p.get())
		require.Equal(t, []string{"get", "check", "get", "get"}, p.tree.take())
		won := p.succeed(lookUp(key))
		require.True(t, won.Reply.Has(protocol.Won|protocol.Stale))
		require.True(t, p.succeed(lookUp(key)).Reply.Has(protocol.Busy))
		require.True(t, other.succeed(lookUp(key)).Reply.Has(protocol.Busy))

		fill := storeOp(protocol.Set, key, "two")
		fill.Request.Meta, fill.Request.CAS, fill.Token = protocol.Compare, won.Reply.CAS, won.Token
		p.succeed(fill)
		require.Equal(t, "two", p.get())
		time.Sleep(leaseTime)
		p.get()
		p.tree.take()
		require.Equal(t, "two", p.get())
		require.Equal(t, []string{"check"}, p.tree.take())

		// The lease of an item that is asked for by who would load it goes to him.
		other.succeed(stale)
		require.True(t, p.succeed(lookUp(key)).Reply.Has(protocol.Won))
		require.Equal(t, uint64(2), p.copies.Stats().Stale)

		// A stub is a miss to who does not know of leases.
		time.Sleep(leaseTime)
		other.succeed(request(protocol.Delete, key))
		p.get()
		stub := lookUp(key)
		stub.Request.Meta |= protocol.Vivify
		stub.Request.VivifyTTL = 30
		require.True(t, p.succeed(stub).Reply.Has(protocol.Won))
		require.Equal(t, "(miss)", p.get())
		require.True(t, p.succeed(lookUp(key)).Reply.Has(protocol.Busy))
	})
}

// Nodes that cannot do it are found out, and their keys served as without a rule.
func TestUnfitNodes(t *testing.T) {
	for _, c := range []struct {
		opt    memcachetest.Option
		reason Reason
		asked  []string
	}{
		{memcachetest.WithoutMeta(), NoMeta, []string{"get", "check", "get", "get", "get"}},
		{memcachetest.WithoutCAS(), NoCAS, []string{"get", "get", "get", "get"}},
	} {
		for _, action := range []hotkey.Action{keepStrict, keepFor(time.Millisecond), {Kind: hotkey.Spread, Copies: 2}} {
			synctest.Test(t, func(t *testing.T) {
				version := memcachetest.WithVersion("1.6.18")
				if c.reason == NoMeta {
					version = memcachetest.WithVersion("1.4.39")
				}
				f := newFleet(t, 2, c.opt, version)
				p := f.process(t)
				p.set("v")
				p.rule(action)
				p.tree.take()
				for range 4 {
					require.Equal(t, "v", p.get())
				}
				require.Equal(t, "v", p.value(getOp(key)))
				require.Subset(t, c.asked, p.tree.take())
				require.Len(t, *p.events, 1)
				require.Equal(t, c.reason, (*p.events)[0].Reason)
				require.NotEmpty(t, (*p.events)[0].Node)
				require.Zero(t, p.copies.Stats().Kept+p.copies.Stats().Copied)
			})
		}
	}
}

// An error of the home is the read's.
func TestHomeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		p := f.process(t)
		p.set("v")
		p.rule(keepStrict)
		p.get()
		f.servers[0].Kill()
		op := p.do(getOp(key))
		require.ErrorIs(t, op.Err, pool.ErrNodeDown)
		require.Same(t, p.nodes[0], op.Node)
		require.Nil(t, op.Value)
	})
}

// A value that is larger than the limit is not kept, and costs nothing.
func TestLargeValuesAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newFleet(t, 1).process(t, func(c *Config) { c.ItemBytes = 10 })
		p.set(strings.Repeat("x", 11))
		p.rule(keepStrict)
		p.get()
		p.get()
		p.tree.take()
		p.get()
		require.Equal(t, []string{"get"}, p.tree.take())
		p.set("small")
		p.get()
		p.get()
		require.Equal(t, []string{"set", "get", "check"}, p.tree.take())
	})
}

// Where every node has every key, the process keeps what its own node has, and what the next one has when that fails.
func TestKeepInReplicatedTrees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3)
		p := f.process(t)
		var members []route.Member
		for _, n := range p.nodes {
			members = append(members, route.Member{Route: n, Name: n.Name()})
		}
		slots, err := route.NewSlots(members, 3, p.nodes[1].Name())
		require.NoError(t, err)
		p.tree.next = treeOf(slots)
		p.route = p.copies.Route(p.tree)
		p.rule(keepStrict)
		p.set("one")
		p.get()
		require.Equal(t, "one", p.get())
		require.Same(t, p.nodes[1], p.succeed(getOp(key)).Node)
		require.Equal(t, uint64(2), p.copies.Stats().Kept)
		p.set("two")
		require.Equal(t, "two", p.get())
		p.tree.take()
		f.servers[1].Kill()
		synctest.Wait()
		op := p.succeed(getOp(key))
		require.Equal(t, "two", string(op.Value))
		require.NotSame(t, p.nodes[1], op.Node)
		require.Equal(t, 2, op.Failovers, "of the question, and of the read")
		require.Equal(t, "two", p.get())
		require.Equal(t, []string{"check", "get", "check"}, p.tree.take())
	})
}

// A tree that asks one node for the CAS and reads the value at another gets no answers from copies, and is not asked twice.
func TestTreeThatReadsElsewhere(t *testing.T) {
	for _, action := range []hotkey.Action{keepStrict, keepFor(time.Minute), spreadOver(3)} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t, 3)
			p := f.process(t)
			placement := route.Fixed(p.nodes[0], p.nodes[1])
			near := route.Fixed(p.nodes[1], p.nodes[0])
			tree := &elsewhere{route.Failover(placement), route.Failover(near)}
			for _, n := range p.nodes[:2] {
				n.Do(t.Context(), []*route.Op{storeOp(protocol.Set, key, "v")})
			}
			p.tree.next = tree
			p.rule(action)
			for range 20 {
				require.Equal(t, "v", p.get())
				synctest.Wait()
			}
			require.Equal(t, []Event{{p.nodes[0].Name(), Elsewhere}}, *p.events)
			require.Zero(t, p.copies.Stats().Kept)
			require.LessOrEqual(t, len(p.tree.take()), 24)

			f.servers[0].Kill() // nobody tells the CAS any more
			synctest.Wait()
			time.Sleep(2 * unfitTime)
			require.Equal(t, "v", p.get())
		})
	}
}

type elsewhere struct{ checks, reads route.Route }

func (e *elsewhere) Do(ctx context.Context, ops []*route.Op) {
	for _, op := range ops {
		if op.Request.Meta == checkFlags {
			e.checks.Do(ctx, []*route.Op{op})
		} else {
			e.reads.Do(ctx, []*route.Op{op})
		}
	}
}
