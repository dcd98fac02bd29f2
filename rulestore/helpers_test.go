package rulestore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

var errDown = errors.New("the store is down")

// table returns a table with an epoch and a keep rule for each key.
func table(t testing.TB, epoch uint64, keys ...string) *hotkey.Table {
	t.Helper()
	return tableOf(t, hotkey.Header{Epoch: epoch, Controller: "tester"}, keep(keys...)...)
}

func keep(keys ...string) (rules []hotkey.Rule) {
	for _, k := range keys {
		rules = append(rules, hotkey.Rule{Key: k, Action: hotkey.Action{Kind: hotkey.Keep}})
	}
	return rules
}

func pin(key string, nodes ...string) hotkey.Rule {
	return hotkey.Rule{Key: key, Action: hotkey.Action{Kind: hotkey.Pin, Nodes: nodes}}
}

func tableOf(t testing.TB, h hotkey.Header, rules ...hotkey.Rule) *hotkey.Table {
	t.Helper()
	table, err := hotkey.NewTable(h, rules)
	require.NoError(t, err)
	return table
}

// keysOf returns the keys and prefixes of a table's rules.
func keysOf(t *hotkey.Table) []string {
	keys := []string{}
	for r := range t.Rules() {
		keys = append(keys, r.Key+r.Prefix)
	}
	return keys
}

// memory is a store whose contents a test sets.
type memory struct {
	mu    sync.Mutex
	table *hotkey.Table
	err   error
	delay time.Duration
	looks []time.Time
}

func (m *memory) Load(ctx context.Context) (*hotkey.Table, error) {
	m.mu.Lock()
	m.looks = append(m.looks, time.Now())
	table, err, delay := m.table, m.err, m.delay
	m.mu.Unlock()
	if delay > 0 && !sleep(ctx, delay) {
		return nil, ctx.Err()
	}
	if table == nil && err == nil {
		err = ErrNoTable
	}
	return table, err
}

func (m *memory) Publish(_ context.Context, base hotkey.Header, t *hotkey.Table) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	if err := mayReplace(m.table.Header(), base, t); err != nil {
		return err
	}
	m.table = t
	return nil
}

func (m *memory) Interval() time.Duration { return time.Second }

func (m *memory) set(t *hotkey.Table, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.table, m.err = t, err
}

// holds returns the table.
func (m *memory) holds() *hotkey.Table {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.table
}

// following is a Follower at work, with what it has said.
type following struct {
	*Follower
	mu     sync.Mutex
	tables []*hotkey.Table
	events []Event
}

func follow(t *testing.T, cfg Config) *following {
	f := &following{}
	cfg.OnEvent = func(e Event) { f.mu.Lock(); f.events = append(f.events, e); f.mu.Unlock() }
	var err error
	f.Follower, err = NewFollower(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- f.Run(ctx, func(t *hotkey.Table) { f.mu.Lock(); f.tables = append(f.tables, t); f.mu.Unlock() })
	}()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	return f
}

// said returns what was handed on and told since the last call.
func (f *following) said() (tables []*hotkey.Table, events []Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	tables, events = f.tables, f.events
	f.tables, f.events = nil, nil
	return tables, events
}

func wait(d time.Duration) {
	time.Sleep(d) // of the bubble's clock
	synctest.Wait()
}

// servers are memcacheds, and the nodes that reach them.
type servers struct {
	nodes []*pool.Node
	fakes []*memcachetest.Server
	reals []*realnode.Node
}

// fakeServers returns n servers in memory, for a synctest bubble.
func fakeServers(t testing.TB, n int, opts ...memcachetest.Option) *servers {
	s := &servers{}
	for i := range n {
		fake := memcachetest.NewServer(append(opts, memcachetest.WithPipeAddr(fmt.Sprintf("node%d:11211", i)))...)
		t.Cleanup(fake.Close)
		s.fakes = append(s.fakes, fake)
		s.add(t, pool.Config{Name: nodeName(i), Addr: fake.Addr(), Dial: fake.DialContext})
	}
	return s
}

// realServers returns n memcacheds.
func realServers(t testing.TB, n int, args ...string) *servers {
	s := &servers{}
	for i := range n {
		real := realnode.Start(t, args...)
		s.reals = append(s.reals, real)
		s.add(t, pool.Config{Name: nodeName(i), Addr: real.Addr, Timeout: 5 * time.Second, DialTimeout: 5 * time.Second})
	}
	return s
}

func nodeName(i int) string { return fmt.Sprintf("n%d", i) }

func (s *servers) add(t testing.TB, cfg pool.Config) {
	n := pool.NewNode(cfg)
	t.Cleanup(func() { n.Close() })
	s.nodes = append(s.nodes, n)
}

func (s *servers) names() (names []string) {
	for _, n := range s.nodes {
		names = append(names, n.Name())
	}
	return names
}

// order is the same for all keys.
func (s *servers) order(_ string, n int) (nodes []Node) {
	for _, node := range s.nodes[:min(n, len(s.nodes))] {
		nodes = append(nodes, node)
	}
	return nodes
}

// spread is another order for each key.
func (s *servers) spread(key string, n int) (nodes []Node) {
	first := int(newOp(protocol.Request{Key: key}).Hash % uint64(len(s.nodes)))
	for i := range min(n, len(s.nodes)) {
		nodes = append(nodes, s.nodes[(first+i)%len(s.nodes)])
	}
	return nodes
}

// set stores a value as any client might.
func (s *servers) set(t testing.TB, node int, key, value string) {
	t.Helper()
	op, err := ask(t.Context(), s.nodes[node], protocol.Request{Command: protocol.Set, Key: key, Value: []byte(value)})
	require.NoError(t, err)
	require.Equal(t, protocol.OK, op.Reply.Status)
}

// get returns a value, "" if there is none.
func (s *servers) get(t testing.TB, node int, key string) string {
	t.Helper()
	op, err := ask(t.Context(), s.nodes[node], protocol.Request{Command: protocol.Get, Key: key})
	require.NoError(t, err)
	return string(op.Value)
}

func (s *servers) delete(t testing.TB, node int, key string) {
	t.Helper()
	_, err := ask(t.Context(), s.nodes[node], protocol.Request{Command: protocol.Delete, Key: key})
	require.NoError(t, err)
}
