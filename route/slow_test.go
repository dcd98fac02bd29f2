package route

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// slowSet is three nodes that hold "k", some of which a test makes slow.
type slowSet struct {
	servers []*memcachetest.Server
	nodes   []*pool.Node
	routes  []Route
	set     *pool.NodeSet
}

// withSlow runs f in a bubble in which these nodes are slow.
func withSlow(t *testing.T, slow []int, f func(t *testing.T, s *slowSet)) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowSet{set: pool.NewNodeSet(pool.NodeSetConfig{})}
		for range 3 {
			server := memcachetest.NewServer(memcachetest.WithPipe())
			n := pool.NewNode(pool.Config{Addr: server.Addr(), Dial: server.DialContext, Timeout: time.Second, NodeSet: s.set})
			t.Cleanup(func() {
				n.Close()
				server.Close()
			})
			s.servers, s.nodes, s.routes = append(s.servers, server), append(s.nodes, n), append(s.routes, n)
		}
		s.set.Replace(s.nodes)
		do(AllSync(Fixed(s.routes...)), store(protocol.Set, "k", "v"))
		s.slowDown(t, slow)
		f(t, s)
	})
}

func (s *slowSet) slowDown(t *testing.T, slow []int) {
	for i, server := range s.servers {
		delay := time.Millisecond
		if slices.Contains(slow, i) {
			delay = 200 * time.Millisecond
		}
		server.Inject(memcachetest.Delay(delay))
	}
	for range 100 {
		for _, r := range s.routes {
			do(r, get("k"))
		}
	}
	for i, n := range s.nodes {
		s.servers[i].Heal()
		require.Equal(t, slices.Contains(slow, i), s.set.Slow().Has(n))
	}
}

// order returns the nodes in the order in which a tree says it would ask them.
func (s *slowSet) order(tree Route) (asked []int) {
	for _, next := range Explain(tree, get("k")).Next {
		asked = append(asked, slices.IndexFunc(s.nodes, func(n *pool.Node) bool { return n.Name() == next.Name }))
	}
	return asked
}

func TestSlowReplicasAreReadLast(t *testing.T) {
	for _, row := range []struct {
		slow  []int
		read  int
		order []int
	}{
		{nil, 0, []int{0, 1, 2}},
		{nil, 2, []int{2, 0, 1}},
		{[]int{0}, 0, []int{1, 2, 0}},
		{[]int{1}, 0, []int{0, 2, 1}},
		{[]int{1}, 1, []int{0, 2, 1}},
		{[]int{0}, 2, []int{2, 1, 0}},
		{[]int{2}, 2, []int{0, 1, 2}},
	} {
		withSlow(t, row.slow, func(t *testing.T, s *slowSet) {
			tree := SlowLast(readingAt(row.read, s.routes), s.set)
			require.Equal(t, row.order, s.order(tree))
			for _, i := range row.order {
				op := asked(tree, get("k"))
				require.Equal(t, "v", string(op.Value))
				require.Same(t, s.nodes[i], op.Node)
				s.servers[i].Kill() // the next in order answers
			}
			op := asked(tree, get("k"))
			require.ErrorIs(t, op.Err, pool.ErrNodeDown)
			require.Same(t, s.nodes[row.order[2]], op.Node, "all were asked, each once")
			require.Equal(t, 2, op.Failovers)
		})
	}
}

// With one replica, and for what only the home decides and for writes, it makes no difference that the node is slow.
func TestASlowNodeIsUsedWhereThereIsNoOther(t *testing.T) {
	withSlow(t, []int{0}, func(t *testing.T, s *slowSet) {
		alone := SlowLast(Fixed(s.routes[0]), s.set)
		require.Same(t, s.nodes[0], asked(alone, get("k")).Node)
		tree := SlowLast(Fixed(s.routes...), s.set)
		require.Same(t, s.nodes[0], asked(tree, asks(GetForUpdate, "k")).Node)
		require.Same(t, s.nodes[1], asked(tree, get("k")).Node)
		before := s.nodes[0].Stats().Requests
		do(AllSync(Fixed(s.routes...)), store(protocol.Set, "k", "new"))
		require.Equal(t, before+1, s.nodes[0].Stats().Requests)
	})
}

// A miss at another replica than the home is asked again at the home, slow or not; one of the home at the next that is not slow.
func TestAMissIsAskedAgainAtASlowHome(t *testing.T) {
	withSlow(t, []int{0}, func(t *testing.T, s *slowSet) {
		do(s.routes[1], asks(protocol.Delete, "k"))
		op := asked(SlowLast(Fixed(s.routes...), s.set), get("k"))
		require.Equal(t, "v", string(op.Value))
		require.Same(t, s.nodes[0], op.Node)
	})
	withSlow(t, []int{1}, func(t *testing.T, s *slowSet) {
		do(s.routes[0], asks(protocol.Delete, "k"))
		op := asked(SlowLast(readingAt(1, s.routes), s.set), get("k"))
		require.Equal(t, "v", string(op.Value))
		require.Same(t, s.nodes[2], op.Node)
	})
}

// Below a replica that is a route of its own, the node counts that serves the key.
func TestASlowNodeOfAZone(t *testing.T) {
	withSlow(t, []int{0}, func(t *testing.T, s *slowSet) {
		zones := Fixed(Hash(Fixed(s.routes[0])), Hash(Fixed(s.routes[1])))
		tree := SlowLast(zones, s.set)
		ops := gets("k", "k")
		do(tree, ops...)
		for _, op := range ops {
			require.Same(t, s.nodes[1], op.Node)
		}
		require.Same(t, s.nodes[0], asked(Failover(zones), get("k")).Node, "without the set")
		require.Contains(t, Explain(tree, get("k")).String(), "(up, slow)")
	})
}
