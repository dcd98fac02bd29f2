package route

import (
	"fmt"
	"testing"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// What it costs to look up a key whose nodes all serve, beside nodes that never come or go.
func BenchmarkWalk(b *testing.B) {
	var members []Member
	for i := range 4 {
		n := pool.NewNode(pool.Config{Addr: fmt.Sprint("10.0.0.", i)})
		defer n.Close()
		members = append(members, Member{Route: n, Name: n.Name()})
	}
	for _, replicas := range []int{1, 2} {
		slots, err := NewSlots(members, replicas, "")
		if err != nil {
			b.Fatal(err)
		}
		walk, err := NewWalk(members, replicas, "", 0, nil)
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range []Placement{slots, walk} {
			for _, op := range []*Op{get("key:1"), store(protocol.Set, "key:1", "v")} {
				b.Run(fmt.Sprintf("%T/%d/%s", p, replicas, op.Request.Command), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						p.Replicas(op)
					}
				})
			}
		}
	}
}

// What it costs to look up a key that is pinned for good, and one beside it that is not.
func BenchmarkPinned(b *testing.B) {
	nodes := make([]*pool.Node, 2)
	for i := range nodes {
		nodes[i] = pool.NewNode(pool.Config{Addr: fmt.Sprint("10.0.0.", i)})
		defer nodes[i].Close()
	}
	pin := &Pin{}
	rules := NewPinned(Fixed(nodes[0]), []PinnedKey{{Key: "key:1", Pin: pin, Nodes: nodes[1:]}}, nil)
	for _, key := range []string{"key:1", "key:2"} {
		b.Run(key, func(b *testing.B) {
			b.ReportAllocs()
			op := get(key)
			for b.Loop() {
				rules.Replicas(op)
			}
		})
	}
}
