package hotcopy

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

const (
	testTimeout = 2 * time.Second
	key         = "hot"
)

// fleet is the nodes that processes share.
type fleet struct {
	servers []*memcachetest.Server
}

// process is one client: a tree of the sharded preset and the copies over it.
type process struct {
	t      testing.TB
	copies *Copies
	route  *Route
	tree   *spy
	nodes  []*pool.Node
	events *[]Event
	seen   *observed
}

// observed counts what was answered without being sent.
type observed struct {
	mu     sync.Mutex
	ops    int
	bytes  int
	misses int
}

// spy is the tree below the copies, which counts what it is asked.
type spy struct {
	next route.Route

	mu     sync.Mutex
	rounds int
	asked  []protocol.Request
}

func (s *spy) Do(ctx context.Context, ops []*route.Op) {
	s.mu.Lock()
	s.rounds++
	for _, op := range ops {
		s.asked = append(s.asked, op.Request)
	}
	s.mu.Unlock()
	s.next.Do(ctx, ops)
}

// take returns what the tree was asked since the last call: "get" for values, "check" for their CAS, else the command.
func (s *spy) take() (words []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.asked {
		switch {
		case q.Command == protocol.Get && q.Meta&^protocol.BinaryKey == checkFlags:
			words = append(words, "check")
		default:
			words = append(words, q.Command.String())
		}
	}
	s.asked, s.rounds = nil, 0
	return words
}

func newFleet(t testing.TB, n int, opts ...memcachetest.Option) *fleet {
	f := &fleet{}
	for range n {
		s := memcachetest.NewServer(append([]memcachetest.Option{memcachetest.WithPipe()}, opts...)...)
		t.Cleanup(s.Close)
		f.servers = append(f.servers, s)
	}
	return f
}

// process starts a process over the fleet.
func (f *fleet) process(t testing.TB, change ...func(*Config)) *process {
	var nodes []*pool.Node
	for _, s := range f.servers {
		nodes = append(nodes, pool.NewNode(pool.Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout, Generations: true}))
	}
	return newProcess(t, nodes, change...)
}

func newProcess(t testing.TB, nodes []*pool.Node, change ...func(*Config)) *process {
	p := &process{t: t, nodes: nodes, events: new([]Event), seen: new(observed)}
	cfg := Config{Observe: p.observe}
	cfg.OnEvent = func(e Event) { *p.events = append(*p.events, e) }
	for _, f := range change {
		f(&cfg)
	}
	p.copies = New(cfg)
	var members []route.Member
	for _, n := range nodes {
		members = append(members, route.Member{Route: n, Name: n.Name()})
	}
	slots, err := route.NewSlots(members, 1, "")
	require.NoError(t, err)
	p.tree = &spy{next: treeOf(slots)}
	p.route = p.copies.Route(p.tree, nodes...)
	t.Cleanup(p.close)
	return p
}

// treeOf is the tree of the presets.
func treeOf(p route.Placement) route.Route {
	home := route.Available(route.AtHome(p))
	return route.ByOperation(route.Available(route.AllSync(p)), map[protocol.Command]route.Route{
		protocol.Get: route.Failover(p), protocol.GetAndTouch: route.Hash(p),
		protocol.Add: home, protocol.Replace: home, protocol.Append: home, protocol.Prepend: home,
		protocol.Increment: home, protocol.Decrement: home, route.CompareAndSwap: home,
	})
}

func (p *process) observe(op *route.Op, size int) {
	p.seen.mu.Lock()
	defer p.seen.mu.Unlock()
	p.seen.ops++
	p.seen.bytes += size
	if op.Reply.Status == protocol.Miss {
		p.seen.misses++
	}
}

func (p *process) close() {
	for _, n := range p.nodes {
		n.Close()
	}
	p.copies.Close()
}

// rule has one rule apply to the key.
func (p *process) rule(a hotkey.Action) { p.rules(hotkey.Rule{Key: key, Action: a}) }

func (p *process) rules(rules ...hotkey.Rule) {
	table, err := hotkey.NewTable(hotkey.Header{}, rules)
	require.NoError(p.t, err)
	p.copies.SetTable(table)
}

func (p *process) do(op *route.Op) *route.Op {
	p.route.Do(context.Background(), []*route.Op{op})
	return op
}

func request(c protocol.Command, key string) *route.Op {
	return &route.Op{Request: protocol.Request{Command: c, Key: key}, Hash: route.HashKey(key)}
}

func getOp(key string) *route.Op {
	op := request(protocol.Get, key)
	op.Request.Meta = lineFlags
	return op
}

// lookUp is the read of somebody who would load the item.
func lookUp(key string) *route.Op {
	op := getOp(key)
	op.Request.Meta |= protocol.ReturnSize
	return op
}

func (p *process) get() string { return p.value(getOp(key)) }

// value returns what a read brings, "(miss)" for a miss.
func (p *process) value(op *route.Op) string {
	p.t.Helper()
	p.do(op)
	require.NoError(p.t, op.Err)
	if op.Reply.Status == protocol.Miss {
		return "(miss)"
	}
	require.Equal(p.t, protocol.OK, op.Reply.Status)
	require.Len(p.t, op.Value, op.Reply.Block+len(op.Dst))
	return string(op.Value)
}

func storeOp(c protocol.Command, key, value string) *route.Op {
	op := request(c, key)
	op.Request.Value = []byte(value)
	return op
}

func (p *process) set(value string) { p.succeed(storeOp(protocol.Set, key, value)) }

func (p *process) succeed(op *route.Op) *route.Op {
	p.t.Helper()
	p.do(op)
	require.NoError(p.t, op.Err)
	require.Equal(p.t, protocol.OK, op.Reply.Status)
	return op
}

// home returns the index of the node where a key lives.
func (p *process) home(key string) int {
	op := p.succeed(storeOp(protocol.Set, key, "x"))
	for i, n := range p.nodes {
		if n == op.Node {
			return i
		}
	}
	p.t.Fatal("no node has answered")
	return 0
}

var (
	keepStrict = hotkey.Action{Kind: hotkey.Keep}
	long       = strings.Repeat("long value ", 100)
)

func keepFor(d time.Duration) hotkey.Action { return hotkey.Action{Kind: hotkey.Keep, Staleness: d} }

func spreadOver(n int) hotkey.Action { return hotkey.Action{Kind: hotkey.Spread, Copies: n} }
