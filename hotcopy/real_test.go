package hotcopy

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// What a home sends for a read of 50 KB, by its own count, with the value kept in 8 processes and by a strict rule.
func TestBytesOfHome(t *testing.T) {
	const size, reads, processes = 50_000, 2000, 8
	l := newLab(t, scenario{}, 2, processes)
	home := l.home(key)
	set := storeOp(protocol.Set, key, strings.Repeat("x", size))
	l.processes[0].route.Do(t.Context(), []*route.Op{set})
	require.NoError(t, set.Err)
	perRead := func() float64 {
		before := bytesWritten(t, home)
		var all sync.WaitGroup
		for _, p := range l.processes {
			all.Go(func() {
				for range reads / processes {
					op := getOp(key)
					p.route.Do(t.Context(), []*route.Op{op})
					if len(op.Value) != size {
						t.Errorf("%d bytes, error %v", len(op.Value), op.Err)
					}
				}
			})
		}
		all.Wait()
		return float64(bytesWritten(t, home)-before) / reads
	}
	plain := perRead()
	for _, p := range l.processes {
		p.copies.SetTable(ruleTable(t, keepStrict))
	}
	first, kept := perRead(), perRead()
	t.Logf("%.0f bytes per read without a rule, %.1f with each process's first read of the value, %.1f after it", plain, first, kept)
	require.Greater(t, plain, float64(size))
	require.Less(t, kept, plain/1000)
	require.Less(t, first, size*1.1*processes/reads+50, "each process reads the value once")
}

func ruleTable(t testing.TB, a hotkey.Action) *hotkey.Table {
	table, err := hotkey.NewTable(hotkey.Header{}, []hotkey.Rule{{Key: key, Action: a}})
	require.NoError(t, err)
	return table
}

func bytesWritten(t testing.TB, n *realnode.Node) int {
	written, err := strconv.Atoi(n.Stats(t)["bytes_written"])
	require.NoError(t, err)
	return written
}

// One key with all of the traffic: the busiest node sends little more than the mean.
func TestSpreadBytesOfNodes(t *testing.T) {
	const size, reads, processes = 50_000, 4000, 4
	l := newLab(t, scenario{bytes: -1}, 5, processes)
	set := storeOp(protocol.Set, key, strings.Repeat("x", size))
	l.processes[0].route.Do(t.Context(), []*route.Op{set})
	for _, p := range l.processes {
		p.copies.SetTable(ruleTable(t, hotkey.Action{Kind: hotkey.Spread, Copies: 5}))
	}
	var before, after []int
	for _, n := range l.nodes {
		before = append(before, bytesWritten(t, n))
	}
	var all sync.WaitGroup
	for _, p := range l.processes {
		for range 2 {
			all.Go(func() {
				for range reads / processes / 2 {
					op := getOp(key)
					p.route.Do(t.Context(), []*route.Op{op})
					if len(op.Value) != size {
						t.Errorf("%d bytes, error %v", len(op.Value), op.Err)
					}
				}
			})
		}
	}
	all.Wait()
	sum, most := 0, 0
	for i, n := range l.nodes {
		after = append(after, bytesWritten(t, n)-before[i])
		sum, most = sum+after[i], max(most, after[i])
	}
	t.Logf("bytes sent by each node: %v", after)
	require.LessOrEqual(t, float64(most)*5/float64(sum), 1.2)
	require.Greater(t, sum, size*reads)
}

// The tables of ops on real memcached: versions, leases, flushes, binary and long keys.
func TestOnMemcached(t *testing.T) {
	a, b := realnode.Start(t), realnode.Start(t)
	var nodes []*pool.Node
	for _, n := range []*realnode.Node{a, b} {
		nodes = append(nodes, pool.NewNode(pool.Config{Addr: n.Addr, Timeout: 20 * testTimeout, Generations: true}))
	}
	p := newProcess(t, nodes, func(c *Config) { c.ItemBytes = 2000 })
	p.rules(hotkey.Rule{Prefix: "keep", Action: keepStrict}, hotkey.Rule{Prefix: "spread", Action: spreadOver(2)})
	for _, kind := range []string{"spread", "keep"} { // in this order: reads of kept keys would load a node before the choice
		for _, k := range []string{kind, kind + strings.Repeat("k", 240), kind + " binary \n"} {
			do := func(c protocol.Command, value string) *route.Op {
				op := storeOp(c, k, value)
				if protocol.CheckKey(k) != nil {
					op.Request.Meta |= protocol.BinaryKey
				}
				return op
			}
			read := func() string {
				op := do(protocol.Get, "")
				op.Request.Meta |= lineFlags
				return p.value(op)
			}
			value := func(i int) string { return fmt.Sprint(i, strings.Repeat("x", 3000*(i%2))) } // one fits the process, one does not
			for i := range 30 {
				p.succeed(do(protocol.Set, value(i)))
				for range 4 {
					require.Equal(t, value(i), read())
				}
				p.succeed(do(protocol.Append, "more"))
				require.Equal(t, value(i)+"more", read())
				require.Equal(t, value(i)+"more", read())
			}
			stale := do(protocol.Delete, "")
			stale.Request.Meta |= protocol.Invalidate
			p.succeed(stale)
			if protocol.CheckKey(k) == nil { // else the read is a meta command, and takes the lease itself
				require.Equal(t, value(29)+"more", read())
			}
			lease := do(protocol.Get, "")
			lease.Request.Meta |= lineFlags | protocol.ReturnSize
			require.Equal(t, value(29)+"more", p.value(lease))
			require.True(t, lease.Reply.Has(protocol.Won|protocol.Stale))
			p.succeed(do(protocol.Delete, ""))
			require.Equal(t, "(miss)", read())
		}
	}
	s := p.copies.Stats()
	require.Positive(t, s.Kept)
	require.Positive(t, s.Copied)
	require.Empty(t, *p.events)
}
