package hotcopy

import (
	"context"
	"fmt"
	"slices"
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

// nothingKept has a process keep no value, so that all reads of what is spread go to nodes.
func nothingKept(c *Config) { c.Bytes = -1 }

// gets returns how often each server was read from, and with a hit.
func (f *fleet) hits() (hits []int) {
	for _, s := range f.servers {
		hits = append(hits, s.Stats().GetHits)
	}
	return hits
}

// spread starts a process that spreads the key over all nodes, and has read it once.
func (f *fleet) spread(t testing.TB, value string, change ...func(*Config)) *process {
	p := f.process(t, append([]func(*Config){nothingKept}, change...)...)
	p.set(value)
	p.rule(spreadOver(len(f.servers)))
	require.Equal(t, value, p.get())
	p.tree.take()
	return p
}

// A value's copies are made by those who look for them, and then all nodes share the reads.
func TestSpreadSharesReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 4)
		p := f.spread(t, long)
		for range 400 {
			require.Equal(t, long, p.get())
			synctest.Wait()
		}
		s := p.copies.Stats()
		require.Equal(t, uint64(3), s.Fills, "one for each node but the home")
		require.InDelta(t, 300, s.Copied, 40)
		var bytes []float64
		for _, m := range p.route.nodes.members {
			bytes = append(bytes, float64(m.node.BytesIn()))
		}
		mean := (bytes[0] + bytes[1] + bytes[2] + bytes[3]) / 4
		require.LessOrEqual(t, slices.Max(bytes)/mean, 1.1)
		require.Equal(t, int(s.Copied)+3, p.seen.ops, "with those that were filled")
	})
}

// A copy keeps value and client flags, and lives for as long as the item but not longer than CopyTTL.
func TestCopiesOnTheWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		p := f.process(t, nothingKept)
		for _, c := range []struct{ exptime, ttl int64 }{{0, 30}, {1000, 30}, {10, 10}} {
			store := storeOp(protocol.Set, key, long)
			store.Request.Flags, store.Request.Exptime = 7, c.exptime
			p.copies.SetTable(nil)
			p.succeed(store)
			p.rule(spreadOver(2))
			p.get()
			read := p.readCopy()
			require.Equal(t, long, string(read.Value))
			require.Equal(t, uint32(7), read.Reply.Flags)
			name, ok := versionOf(read).copyName(key)
			require.True(t, ok)
			raw := request(protocol.Get, name)
			raw.Request.Meta = lineFlags | protocol.ReturnTTL
			p.other(read.Node).Do(t.Context(), []*route.Op{raw})
			require.Equal(t, long, string(raw.Value))
			require.Equal(t, uint32(7), raw.Reply.Flags)
			require.Equal(t, c.ttl, raw.Reply.TTL)
		}
	})
}

// readCopy reads until a copy has answered.
func (p *process) readCopy() *route.Op {
	p.t.Helper()
	before := p.copies.Stats().Copied
	for range 1000 {
		op := p.succeed(getOp(key))
		time.Sleep(10 * time.Millisecond)
		if p.copies.Stats().Copied > before {
			return op
		}
	}
	p.t.Fatalf("no copy has answered: %+v", p.copies.Stats())
	return nil
}

// other returns a node that is not n.
func (p *process) other(n *pool.Node) *pool.Node {
	return p.nodes[slices.IndexFunc(p.nodes, func(o *pool.Node) bool { return o != n })]
}

// Foreign writers, deletions and restarts are seen at once; a version that is gone is not asked for again.
func TestSpreadIsStrict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3)
		p, foreign := f.spread(t, "0"), f.process(t)
		home := f.servers[p.home(key)]
		for i := range 200 {
			value := fmt.Sprint(i)
			switch i % 20 {
			case 7:
				foreign.succeed(request(protocol.Delete, key))
				value = "(miss)"
			case 13:
				home.Restart()
				synctest.Wait()
				value = "(miss)"
			default:
				foreign.set(value)
			}
			for range 4 {
				require.Equal(t, value, p.get())
				synctest.Wait()
			}
		}
		require.Positive(t, p.copies.Stats().Copied)
	})
}

// What a process stores it pushes to the other nodes, so that readers find it there.
func TestWritersPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 4)
		reader, writer := f.spread(t, "old"), f.process(t)
		writer.rule(spreadOver(4))
		writer.set(long)
		synctest.Wait()
		require.Equal(t, uint64(3), writer.copies.Stats().Pushes, "also of a key that it has not read")
		for range 40 {
			require.Equal(t, long, reader.get())
			synctest.Wait()
		}
		require.Zero(t, reader.copies.Stats().Fills)
		require.Positive(t, reader.copies.Stats().Copied)

		for _, q := range []*route.Op{storeOp(protocol.Append, key, "more"), request(protocol.Delete, key), storeOp(protocol.Add, key, "v")} {
			writer.succeed(q)
		}
		past := storeOp(protocol.Set, key, "v")
		past.Request.Exptime = relativeLimit + 1
		writer.succeed(past)
		synctest.Wait()
		require.Equal(t, uint64(3), writer.copies.Stats().Pushes)
	})
}

// Who finds that another process is making the copy waits for one round trip, once, and then reads the home.
func TestWaitForACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		p := f.spread(t, long)
		read := f.process(t).succeed(getOp(key))
		name, _ := versionOf(read).copyName(key)
		take := request(protocol.Get, name)
		take.Request.Meta, take.Request.VivifyTTL = protocol.ReturnValue|protocol.Vivify, stubTTL
		p.nodes[1-slices.IndexFunc(p.nodes, func(n *pool.Node) bool { return n.Name() == read.Node.Name() })].Do(t.Context(), []*route.Op{take})
		require.True(t, take.Reply.Has(protocol.Won))
		for p.copies.Stats().Waits == 0 {
			require.Equal(t, long, p.get())
		}
		require.Equal(t, uint64(1), p.copies.Stats().Fallbacks)
		time.Sleep(4 * time.Second) // the one who has the lease is dead
		for p.copies.Stats().Fills == 0 {
			require.Equal(t, long, p.get())
		}
		p.readCopy()

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.False(t, pause(ctx, time.Hour))
	})
}

// homeIndex is that of the node where the key lives, without writing it.
func (p *process) homeIndex() int {
	read := p.succeed(getOp(key))
	return slices.Index(p.nodes, read.Node)
}

// A node that fails as a copy costs a read of the home, and is left alone for a while.
func TestCopyNodeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		p := f.spread(t, long)
		home := p.homeIndex()
		f.servers[1-home].Kill()
		before := p.copies.Stats().Fallbacks
		for range 50 {
			require.Equal(t, long, p.get())
		}
		require.Equal(t, before+1, p.copies.Stats().Fallbacks)
		p.set("new")
		synctest.Wait()
		require.Equal(t, "new", p.get())
		f.servers[1-home].Start()
		time.Sleep(2 * time.Second)
		p.readCopy()
	})
}

// What a copy node makes of a copy is not believed if it has another size.
func TestCopyOfAnotherSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		p := f.spread(t, long)
		read := p.readCopy()
		name, _ := versionOf(read).copyName(key)
		p.other(read.Node).Do(t.Context(), []*route.Op{storeOp(protocol.Set, name, "cut")})
		for range 50 {
			require.Equal(t, long, p.get())
		}
		require.Positive(t, p.copies.Stats().Fallbacks)
	})
}

// With a staleness, copies are read without a word to the home.
func TestSpreadWithStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3)
		p, foreign := f.process(t, nothingKept), f.process(t)
		p.set(long)
		p.rule(hotkey.Action{Kind: hotkey.Spread, Copies: 3, Staleness: 10 * time.Second})
		p.get()
		time.Sleep(10 * time.Second)
		for range 10 {
			p.get()
			synctest.Wait()
		}
		checks := p.copies.Stats().Checks
		for range 100 {
			require.Equal(t, long, p.get())
			synctest.Wait()
		}
		require.Equal(t, checks, p.copies.Stats().Checks)
		require.GreaterOrEqual(t, p.copies.Stats().Copied, uint64(60))

		foreign.set("new")
		deadline := time.Now().Add(10 * time.Second)
		for p.get() == long {
			require.Less(t, time.Now(), deadline)
			time.Sleep(100 * time.Millisecond)
		}
		p.set("own")
		require.Equal(t, "own", p.get())
	})
}

// Reading a copy says nothing of how old its version is by now.
func TestCopiesDoNotRenewTheirVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		p, foreign := f.process(t), f.process(t)
		p.copies.shelf.limit = 0 // as if there were no room
		p.set("old")
		p.rule(hotkey.Action{Kind: hotkey.Spread, Copies: 2, Staleness: time.Second})
		p.get()
		time.Sleep(time.Second)
		p.route.copies.background.Close() // no refresh
		p.get()
		foreign.set("new")
		for end := time.Now().Add(1100 * time.Millisecond); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			p.get()
		}
		require.Equal(t, "new", p.get())
	})
}

// The nodes of a rule are read instead of the first of the order; those that are not there are left out.
func TestSpreadOverNamedNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 5)
		p := f.spread(t, long)
		home := p.homeIndex()
		chosen := p.nodes[(home+1)%5].Name()
		p.rule(hotkey.Action{Kind: hotkey.Spread, Nodes: []string{chosen, "gone:11211"}})
		before := f.hits()
		for range 100 {
			require.Equal(t, long, p.get())
			synctest.Wait()
		}
		for i, hits := range f.hits() {
			used := i == home || p.nodes[i].Name() == chosen
			require.Equal(t, used, hits > before[i], "node %d", i)
		}
	})
}

// Without nodes, or with a home that is none of them, or with unknown generations, a value that is to be spread is kept in
// the process.
func TestSpreadWithoutNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 2)
		p := f.process(t)
		p.set("v")
		p.rule(spreadOver(2))
		for _, r := range []*Route{p.copies.Route(p.tree), p.copies.Route(p.tree, f.process(t).nodes...)} {
			r.Do(t.Context(), []*route.Op{getOp(key)})
			op := getOp(key)
			r.Do(t.Context(), []*route.Op{op})
			require.Equal(t, "v", string(op.Value))
			set := storeOp(protocol.Set, key, "v")
			r.Do(t.Context(), []*route.Op{set})
			require.NoError(t, set.Err)
		}
		require.Equal(t, uint64(3), p.copies.Stats().Kept)

		var nodes []*pool.Node
		for _, s := range f.servers {
			nodes = append(nodes, pool.NewNode(pool.Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout}))
		}
		q := newProcess(t, nodes, nothingKept)
		q.rule(spreadOver(2))
		for range 3 {
			require.Equal(t, "v", q.get())
		}
		require.Equal(t, []Event{{q.nodes[p.home(key)].Name(), NoGeneration}}, *q.events)
		require.Equal(t, []string{"get", "get", "get"}, q.tree.take())
	})
}

// An item that is being made anew is not copied, and its lease reaches who can use it.
func TestSpreadAndLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 3)
		p, other := f.spread(t, long), f.process(t)
		for range 20 {
			p.get()
			synctest.Wait()
		}
		stale := request(protocol.Delete, key)
		stale.Request.Meta = protocol.Invalidate
		other.succeed(stale)
		for range 20 {
			require.Equal(t, long, p.get())
		}
		require.True(t, p.succeed(lookUp(key)).Reply.Has(protocol.Won))
		require.True(t, p.succeed(lookUp(key)).Reply.Has(protocol.Busy))
	})
}

// All processes put the copies of a key on the same nodes, whatever the order in which they list them, and those that make
// few share theirs with those that make many; different keys have different nodes.
func TestOrders(t *testing.T) {
	var list []*pool.Node
	for i := range 20 {
		list = append(list, pool.NewNode(pool.Config{Addr: fmt.Sprintf("node-%d:11211", i)}))
	}
	c := New(Config{})
	defer c.Close()
	one := c.newNodes(append(list, list[3]))
	reversed := slices.Clone(list)
	slices.Reverse(reversed)
	two := New(Config{}).newNodes(reversed)
	second := map[*pool.Node]int{}
	for i := range 2000 {
		hash, home := route.HashKey(fmt.Sprint("key:", i)), list[i%20]
		a, b := one.orderOf(hash, home), two.orderOf(hash, home)
		require.Same(t, home, a.members[0].node)
		seen := map[*pool.Node]bool{}
		for j, m := range a.members {
			require.Same(t, m.node, b.members[j].node)
			seen[m.node] = true
		}
		require.Len(t, seen, 20)
		require.Equal(t, a.members[:3], a.candidates(&hotkey.Action{Copies: 3}))
		second[a.members[1].node]++
	}
	for _, n := range second {
		require.InDelta(t, 100, n, 50)
	}
	require.Len(t, one.orderOf(1, list[0]).candidates(&hotkey.Action{Copies: 100}), 20)
	require.Nil(t, one.orderOf(1, pool.NewNode(pool.Config{Addr: "other:1"})))
}

// The least loaded of few candidates is read, of many the better of two; the home always may be.
func TestLeastLoaded(t *testing.T) {
	var list []*pool.Node
	for i := range 40 {
		list = append(list, pool.NewNode(pool.Config{Addr: fmt.Sprintf("node-%d:11211", i)}))
	}
	c := New(Config{})
	defer c.Close()
	members := c.newNodes(list).members
	for i, m := range members {
		m.ahead.Store(int64(100 - i))
	}
	require.Same(t, members[9], leastLoaded(members[:10], 1))
	sum := 0.0
	for range 2000 {
		sum += float64(leastLoaded(members, 1).ahead.Load())
	}
	require.InDelta(t, 100-2.0/3*40, sum/2000, 1.5)
	for _, m := range members {
		m.shunned.Store(10)
	}
	require.Same(t, members[0], leastLoaded(members[:10], 9))
	require.NotSame(t, members[0], leastLoaded(members[:10], 10))
	require.Same(t, members[0].account, c.newNodes(list[:1]).members[0].account, "a new view knows what was sent")
}

// What a node has sent counts less and less.
func TestLoadFades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		p := f.process(t)
		p.set(strings.Repeat("x", 100_000))
		p.get()
		a := p.route.nodes.members[0]
		now := p.copies.now()
		require.InDelta(t, 100_000, a.load(now), 1000)
		a.ahead.Add(500)
		require.InDelta(t, 100_500, a.load(now), 1000)
		require.InDelta(t, 84_500, a.load(now+tickTime), 1000)
		require.InDelta(t, 50_000, a.load(now+4*tickTime), 1000)
		require.InDelta(t, 500, a.load(now+400*tickTime), 1)
	})
}

// Values that do not fit a node as copies are read at home.
func TestCopyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, 1)
		f.servers = append(f.servers, newFleet(t, 1, memcachetest.WithMaxItemSize(2000)).servers...)
		p := f.process(t, nothingKept)
		value := strings.Repeat("x", 5000)
		name := ""
		for i := 0; name == ""; i++ { // one that lives on the first node
			op := p.do(storeOp(protocol.Set, fmt.Sprint("key:", i), value))
			if op.Err == nil {
				name = op.Request.Key
			}
		}
		p.rules(hotkey.Rule{Key: name, Action: spreadOver(2)})
		for range 20 {
			require.Equal(t, value, p.value(getOp(name)))
			synctest.Wait()
		}
		require.Zero(t, p.copies.Stats().Copied)
	})
}
