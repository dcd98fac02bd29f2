package hotcopy

import (
	"context"
	"testing"
	"time"

	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// still is a tree that answers without a network: checks with a version, and reads with nothing.
type still struct{ token pool.Token }

func (s *still) Do(_ context.Context, ops []*route.Op) {
	for _, op := range ops {
		if op.Request.Meta == checkFlags {
			op.Reply = protocol.Reply{Status: protocol.OK, Meta: checkFlags, CAS: 7, Size: 5, Block: -1}
			op.Token = s.token
		}
	}
}

// costs returns a route over such a tree, with the key's value kept and, with a staleness, fresh.
func costs(t testing.TB, a *hotkey.Action) *Route {
	server := memcachetest.NewServer(memcachetest.WithPipe())
	t.Cleanup(server.Close)
	n := pool.NewNode(pool.Config{Addr: server.Addr(), Dial: server.DialContext})
	p := newProcess(t, []*pool.Node{n}, func(c *Config) { c.Observe = nil })
	p.set("value")
	read := p.succeed(getOp(key))
	tree := &still{read.Token}
	r := p.copies.Route(tree, n)
	if a == nil {
		return r
	}
	p.rule(*a)
	e := p.copies.shelf.add(read.Hash, key, 1, func() bool { return true })
	e.born = 1 - int64(time.Hour)
	h := &held{version: version{7, read.Token}, home: n, asked: p.copies.now(), size: 5, kept: true, value: []byte("value")}
	p.copies.shelf.keep(e, h, 0, evicting)
	return r
}

var (
	fresh     = keepFor(time.Hour)
	costCases = []struct {
		name   string
		action *hotkey.Action
		key    string
	}{
		{"no table", nil, key},
		{"no rule", &keepStrict, "cold"},
		{"strict", &keepStrict, key},
		{"fresh", &fresh, key},
	}
)

func TestNothingIsAllocated(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, c := range costCases {
		r := costs(t, c.action)
		op := getOp(c.key)
		op.Dst = make([]byte, 0, 100)
		ops := []*route.Op{op}
		require.Zero(t, testing.AllocsPerRun(1000, func() { r.Do(context.Background(), ops) }), c.name)
		if c.name == "strict" || c.name == "fresh" {
			require.Equal(t, "value", string(op.Value))
			require.Greater(t, r.copies.Stats().Kept, uint64(1000))
		}
	}
}

// BenchmarkRead is what a read costs besides the tree: "tree" is the tree alone.
func BenchmarkRead(b *testing.B) {
	for _, c := range costCases {
		b.Run(c.name, func(b *testing.B) {
			r := costs(b, c.action)
			op := getOp(c.key)
			op.Dst = make([]byte, 0, 100)
			ops := []*route.Op{op}
			b.ReportAllocs()
			for b.Loop() {
				r.Do(context.Background(), ops)
			}
		})
	}
	b.Run("tree", func(b *testing.B) {
		tree := route.Route(&still{})
		ops := []*route.Op{getOp(key)}
		for b.Loop() {
			tree.Do(context.Background(), ops)
		}
	})
}
