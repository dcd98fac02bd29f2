package route

import (
	"context"
	"fmt"
	"testing"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
)

// leaf is a node that answers at once, so that what is measured is routing alone.
type leaf struct{ _ byte } // of some size, so that leaves differ

func (*leaf) Do(_ context.Context, ops []*Op) {
	for _, op := range ops {
		op.Reply.Status, op.Err = protocol.OK, nil
	}
}

// BenchmarkRoute is what routing adds to a request: compare the trees with bare, which calls the leaf itself, and with
// BenchmarkNode, which is a whole exchange.
func BenchmarkRoute(b *testing.B) {
	b.Run("bare", func(b *testing.B) { benchRoute(b, &leaf{}, get("key:1")) })
	for _, n := range []int{3, 3000} {
		var leaves []Member
		for i := range n {
			leaves = append(leaves, Member{Route: &leaf{}, Name: fmt.Sprint("node", i)})
		}
		one, err := NewSlots(leaves, 1, "")
		if err != nil {
			b.Fatal(err)
		}
		three, err := NewSlots(leaves, 3, "node1")
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("get/sharded/%d", n), func(b *testing.B) { benchRoute(b, treeOver(one, nil), get("key:1")) })
		b.Run(fmt.Sprintf("get/replicas=3/%d", n), func(b *testing.B) { benchRoute(b, treeOver(three, nil), get("key:1")) })
		b.Run(fmt.Sprintf("get/rules/%d", n), func(b *testing.B) {
			rules := map[string]Replicas{}
			for _, k := range keys(1000) {
				rules["ruled"+k] = three.Replicas(get(k))
			}
			benchRoute(b, treeOver(three, rules), get("key:1"))
		})
		b.Run(fmt.Sprintf("set/sharded/%d", n), func(b *testing.B) { benchRoute(b, treeOver(one, nil), store(protocol.Set, "key:1", "v")) })
		b.Run(fmt.Sprintf("getmulti100/%d", n), func(b *testing.B) { benchRoute(b, treeOver(one, nil), gets(keys(100)...)...) })
	}
}

// treeOver is the tree of a client.
func treeOver(p Placement, rules map[string]Replicas) Route {
	p = NewRules(p, rules)
	return ByOperation(AllSync(p), map[protocol.Command]Route{protocol.Get: Failover(p), protocol.Add: AtHome(p)})
}

// BenchmarkRouteSelect is what a route that only selects adds to a request.
func BenchmarkRouteSelect(b *testing.B) {
	var leaves []Route
	var members []Member
	for i := range 10 {
		l := &leaf{}
		leaves, members = append(leaves, l), append(members, Member{Route: l, Name: fmt.Sprint("node", i)})
	}
	slots, err := NewSlots(members, 1, "")
	if err != nil {
		b.Fatal(err)
	}
	positions, err := Positions(leaves, 1, func(key string) int { return len(key) % 10 })
	if err != nil {
		b.Fatal(err)
	}
	for _, tree := range []struct {
		name  string
		route Route
	}{
		{"bare", leaves[0]},
		{"hash", Hash(slots)},
		{"positions", Hash(positions)},
		{"operation", ByOperation(leaves[0], map[protocol.Command]Route{protocol.Get: leaves[1]})},
		{"prefix", ByPrefix(leaves[0], map[string]Route{"user:": leaves[1], "session:": leaves[2], "key:": leaves[3]})},
		{"keypart", ByKeyPart(func(key string) string { return key[:4] }, Hash(slots))},
		{"shard", ByShard(func(key string) (int, bool) { return len(key), true }, leaves, leaves[0])},
	} {
		b.Run(tree.name, func(b *testing.B) { benchRoute(b, tree.route, get("key:1")) })
	}
}

func benchRoute(b *testing.B, r Route, ops ...*Op) {
	b.ReportAllocs()
	ctx := context.Background()
	for b.Loop() {
		r.Do(ctx, ops)
	}
}

// Routing allocates nothing, whatever the tree.
func TestRoutingDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	var leaves []Member
	for i := range 20 {
		leaves = append(leaves, Member{Route: &leaf{}, Name: fmt.Sprint("node", i)})
	}
	p := slots(t, leaves, 1, "")
	tree := treeOver(p, map[string]Replicas{"other": p.Replicas(get("other"))})
	for _, op := range []*Op{get("k"), store(protocol.Set, "k", "v"), store(protocol.Add, "k", "v")} {
		ops := []*Op{op}
		if n := testing.AllocsPerRun(100, func() { tree.Do(t.Context(), ops) }); n != 0 {
			t.Errorf("%s: %v allocations", op.Request.Command, n)
		}
	}
}

// BenchmarkNode is a get from a server in this process, with and without a tree above the node.
func BenchmarkNode(b *testing.B) {
	_, nodes, _ := realNodes(b, 1)
	p, err := NewSlots([]Member{{Route: nodes[0], Name: "node"}}, 1, "")
	if err != nil {
		b.Fatal(err)
	}
	var bare Route = (*pool.Node)(nodes[0])
	b.Run("bare", func(b *testing.B) { benchRoute(b, bare, get("k")) })
	b.Run("tree", func(b *testing.B) { benchRoute(b, treeOver(p, nil), get("k")) })
}

// BenchmarkRouteFailover is a get whose first replica is down: what each read costs more while a node is away.
func BenchmarkRouteFailover(b *testing.B) {
	servers, nodes, _ := realNodes(b, 1)
	servers[0].Close()
	tree := Failover(Fixed(nodes[0], &leaf{}))
	for op := get("key:1"); op.Failovers == 0; {
		tree.Do(b.Context(), []*Op{op})
	}
	b.Run("alone", func(b *testing.B) { benchRoute(b, tree, get("key:1")) })
	b.Run("parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			ctx, ops := context.Background(), []*Op{get("key:1")}
			for pb.Next() {
				tree.Do(ctx, ops)
			}
		})
	})
}
