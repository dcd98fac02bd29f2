package hotcopy

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/route"
)

// account is what a node has sent to this process lately: the client balances by its own traffic alone, for a sum of
// balanced loads is balanced.
type account struct {
	node    *pool.Node
	ahead   atomic.Int64  // bytes of reads under way, which others must not choose the node for as well
	tick    atomic.Int64  // when what follows was reckoned
	faded   atomic.Uint64 // bytes up to then, older ones counting less
	base    atomic.Uint64 // BytesIn then
	shunned atomic.Int64  // Copies.now until which no copy is asked for here: the last one failed
}

const (
	tickTime = int64(250 * time.Millisecond)
	fade     = 0.84 // per tick: half of what counts is of the last second
	shunTime = int64(time.Second)
)

// load returns the bytes. Two callers at the turn of a tick may both reckon; it is an estimate.
func (a *account) load(now int64) int64 {
	tick, last := now/tickTime, a.tick.Load()
	in := a.node.BytesIn()
	if tick > last && a.tick.CompareAndSwap(last, tick) {
		sum := float64(a.faded.Load()+in-a.base.Load()) * math.Pow(fade, float64(tick-last))
		a.faded.Store(uint64(sum))
		a.base.Store(in)
	}
	return int64(a.faded.Load()+in-a.base.Load()) + a.ahead.Load()
}

// nodes are those of one view that copies may be on.
type nodes struct {
	members []*member
	byNode  map[*pool.Node]*member
}

type member struct {
	*account
	seed uint64 // hash of the node's name
}

// newNodes keeps the accounts of nodes that were in an earlier view, and forgets those of others.
func (c *Copies) newNodes(list []*pool.Node) *nodes {
	c.mu.Lock()
	defer c.mu.Unlock()
	ns := &nodes{byNode: make(map[*pool.Node]*member, len(list))}
	accounts := make(map[*pool.Node]*account, len(list))
	for _, n := range list {
		if ns.byNode[n] != nil {
			continue
		}
		a := c.accounts[n]
		if a == nil {
			a = &account{node: n}
		}
		accounts[n] = a
		m := &member{a, route.HashKey(n.Name())}
		ns.members = append(ns.members, m)
		ns.byNode[n] = m
	}
	if len(list) > 0 {
		c.accounts = accounts
	}
	return ns
}

// order is a key's home and, after it, the nodes in the order in which copies of the key are put there, as one view has
// them: rendezvous hashing of the key over the nodes' names, so all processes agree, and those that make more copies than
// others share theirs.
type order struct {
	nodes   *nodes
	members []*member
}

// orderOf returns the order of a key with that home; nil if the home is none of the nodes.
func (ns *nodes) orderOf(hash uint64, home *pool.Node) *order {
	first := ns.byNode[home]
	if first == nil {
		return nil
	}
	members := slices.SortedFunc(slices.Values(ns.members), func(a, b *member) int {
		return cmp.Compare(b.score(hash), a.score(hash))
	})
	at := slices.Index(members, first)
	copy(members[1:], members[:at])
	members[0] = first
	return &order{ns, members}
}

// score is that of the node for a key. The finalizer is that of splitmix64.
func (m *member) score(hash uint64) uint64 {
	x := m.seed ^ hash*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// orderIn returns the order of e's key in a view.
func (e *entry) orderIn(ns *nodes, home *pool.Node) *order {
	if o := e.order.Load(); o != nil && o.nodes == ns && o.members[0].node == home {
		return o
	}
	o := ns.orderOf(e.hash, home)
	if o != nil {
		e.order.Store(o)
	}
	return o
}

// candidates returns the nodes that a rule has the value read from, the home first.
func (o *order) candidates(a *hotkey.Action) []*member {
	if len(a.Nodes) == 0 {
		return o.members[:min(a.Copies, len(o.members))]
	}
	list := []*member{o.members[0]}
	for _, m := range o.members[1:] {
		if slices.Contains(a.Nodes, m.node.Name()) {
			list = append(list, m)
		}
	}
	return list
}

// maxScan is up to how many candidates are compared; of more, two that chance picks.
const maxScan = 16

// leastLoaded returns the candidate to read from. Who is joining or has just failed is passed over; the home, which is the
// first, never is.
func leastLoaded(candidates []*member, now int64) *member {
	n := len(candidates)
	first, step := rand.IntN(n), 1
	if n > maxScan {
		step = 1 + rand.IntN(n-1)
		n = 2
	}
	var best *member
	var least int64
	for i := range n {
		m := candidates[(first+i*step)%len(candidates)]
		if m != candidates[0] && (now < m.shunned.Load() || m.node.Joining()) {
			continue
		}
		if load := m.load(now); best == nil || load < least {
			best, least = m, load
		}
	}
	if best == nil {
		return candidates[0]
	}
	return best
}
