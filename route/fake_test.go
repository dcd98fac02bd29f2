package route

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// fake is a route that answers from a script and records what it was asked.
type fake struct {
	name   string
	answer func(op *Op) // nil: OK

	mu    sync.Mutex
	calls [][]string // the keys of each batch
	seen  []protocol.Request
}

func (f *fake) Do(_ context.Context, ops []*Op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var keys []string
	for _, op := range ops {
		keys = append(keys, op.Request.Key)
		f.seen = append(f.seen, op.Request)
		if f.answer == nil {
			says(protocol.OK)(op)
		} else {
			f.answer(op)
		}
	}
	f.calls = append(f.calls, keys)
}

// asked returns all keys that the route was asked for, in their order.
func (f *fake) asked() []string { return slices.Concat(f.calls...) }

func (f *fake) commands() (list []protocol.Command) {
	for _, r := range f.seen {
		list = append(list, r.Command)
	}
	return list
}

// says answers with a status.
func says(s protocol.Status) func(*Op) {
	return func(op *Op) {
		op.Err, op.Reply = nil, protocol.Reply{Status: s, Block: -1}
	}
}

// hit answers with a value.
func hit(value string) func(*Op) {
	return func(op *Op) {
		op.Err, op.Reply = nil, protocol.Reply{Status: protocol.OK, Block: len(value)}
		op.Value = append(op.Dst, value...)
	}
}

// failsWith answers with an error of a node.
func failsWith(node string, o pool.Outcome, cause error) func(*Op) {
	return func(op *Op) {
		op.Err = &pool.Error{Node: node, Command: op.Request.Command, Outcome: o, Err: cause}
	}
}

var (
	miss    = says(protocol.Miss)
	timeout = failsWith("hung", pool.Ambiguous, pool.ErrTimeout)
	down    = failsWith("dead", pool.NotSent, pool.ErrNodeDown)
)

// fakes returns a fake for each answer, named a, b, c …
func fakes(answers ...func(*Op)) (list []*fake, routes []Route) {
	for i, a := range answers {
		f := &fake{name: string(rune('a' + i)), answer: a}
		list, routes = append(list, f), append(routes, f)
	}
	return list, routes
}

// readingAt is a placement that reads the route at read first.
func readingAt(read int, routes []Route) Placement {
	return &fixed{Replicas{All: routes, Read: read}}
}

func get(key string) *Op {
	return &Op{Request: protocol.Request{Command: protocol.Get, Key: key, Meta: readFlags}, Hash: HashKey(key)}
}

func gets(keys ...string) (ops []*Op) {
	for _, k := range keys {
		ops = append(ops, get(k))
	}
	return ops
}

func store(c protocol.Command, key, value string) *Op {
	return &Op{Request: protocol.Request{Command: c, Key: key, Value: []byte(value)}, Hash: HashKey(key)}
}

// asks returns an op for an operation, as OperationOf tells it.
func asks(operation protocol.Command, key string) *Op {
	op := store(operation, key, "v")
	switch operation {
	case CompareAndSwap:
		op.Request.Command, op.Request.Meta = protocol.Set, protocol.Compare
	case GetForUpdate:
		op.Request.Command, op.ForUpdate = protocol.Get, true
	}
	return op
}

func do(r Route, ops ...*Op) { r.Do(context.Background(), ops) }

// realNodes returns nodes over started servers.
func realNodes(t testing.TB, n int) (servers []*memcachetest.Server, nodes []*pool.Node, routes []Route) {
	for range n {
		s := memcachetest.NewServer()
		node := pool.NewNode(pool.Config{Addr: s.Addr(), Timeout: testTimeout})
		t.Cleanup(func() {
			node.Close()
			s.Close()
		})
		servers, nodes, routes = append(servers, s), append(nodes, node), append(routes, node)
	}
	return servers, nodes, routes
}

// keys returns n keys.
func keys(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprint("key:", i)
	}
	return list
}

// The fake is no use unless it does what the tests believe.
func TestFake(t *testing.T) {
	f := &fake{answer: hit("v")}
	op := get("k")
	op.Dst = []byte("<")
	do(f, op)
	require.Equal(t, "<v", string(op.Value))
	require.Equal(t, []string{"k"}, f.asked())
	f.answer = down
	do(f, op)
	require.ErrorIs(t, op.Err, pool.ErrNodeDown)
	var e *pool.Error
	require.True(t, errors.As(op.Err, &e))
	require.Equal(t, pool.NotSent, e.Outcome)
}
