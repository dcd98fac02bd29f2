package pool

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// pipeNodes returns servers and nodes that are a set.
func pipeNodes(t *testing.T, count int, cfg NodeSetConfig) (servers []*memcachetest.Server, nodes []*Node, set *NodeSet) {
	set = NewNodeSet(cfg)
	for range count {
		s, n := pipeNode(t, Config{Timeout: testTimeout, NodeSet: set})
		servers, nodes = append(servers, s), append(nodes, n)
	}
	set.Replace(nodes)
	return servers, nodes, set
}

// ejected returns how many nodes refuse requests, by their word and by what callers meet.
func ejected(t *testing.T, nodes []*Node) (count int) {
	for _, n := range nodes {
		start := time.Now()
		op := get(t.Context(), n, "small")
		atOnce := op.Err != nil && time.Since(start) == 0
		require.Equal(t, atOnce, n.Stats().Ejected, "%v", op.Err)
		if atOnce {
			requireFailed(t, op, NotSent, ErrNodeDown)
			count++
		}
	}
	return count
}

func TestMaxEjected(t *testing.T) {
	for _, row := range []struct {
		nodes int
		share float64
		most  int64
	}{
		{0, 0, 1}, {1, 0, 1}, {2, 0, 1}, {3, 0, 2}, {100, 0, 99},
		{1, 0.1, 1}, {10, 0.1, 1}, {10, 0.3, 3}, {10, 0.39, 3}, {3, 1, 3}, {30, 0.5, 15},
	} {
		require.Equal(t, row.most, maxEjected(row.nodes, row.share), "%v", row)
	}
}

// However many nodes are silent, no more than the limit are refused: the others are tried. All are back when they answer.
func TestNoMoreNodesAreEjectedThanTheLimit(t *testing.T) {
	for _, row := range []struct {
		share  float64
		silent int
		most   int
	}{{0, 1, 1}, {0, 3, 3}, {0, 4, 3}, {0.5, 4, 2}, {0.5, 2, 2}, {1, 4, 4}, {0.01, 4, 1}} {
		synctest.Test(t, func(t *testing.T) {
			servers, nodes, set := pipeNodes(t, 4, NodeSetConfig{MaxEjected: row.share})
			for i, n := range nodes {
				requireHit(t, get(t.Context(), n, "small"), "x")
				if i < row.silent {
					servers[i].Pause()
				}
			}
			together(t, row.silent, func(i int) error { get(t.Context(), nodes[i], "small"); return nil })
			for i := range row.silent {
				require.Equal(t, Suspect, nodes[i].Stats().State)
			}
			require.Equal(t, row.most, ejected(t, nodes))
			require.Equal(t, int64(row.most), set.ejected.Load())
			for i := range row.silent {
				servers[i].Resume()
			}
			time.Sleep(tick)
			synctest.Wait()
			require.Zero(t, ejected(t, nodes))
			require.Zero(t, set.ejected.Load())
		})
	}
}

// A node that found no room in the limit is ejected as soon as there is.
func TestTheNextNodeIsEjectedWhenOneIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, nodes, _ := pipeNodes(t, 2, NodeSetConfig{})
		for i, n := range nodes {
			requireHit(t, get(t.Context(), n, "small"), "x")
			servers[i].Pause()
			require.Error(t, get(t.Context(), n, "small").Err)
		}
		require.True(t, nodes[0].Stats().Ejected)
		require.False(t, nodes[1].Stats().Ejected)
		requireAfter(t, testTimeout, func() { requireFailed(t, get(t.Context(), nodes[1], "small"), Ambiguous, ErrTimeout) })
		servers[0].Resume()
		time.Sleep(tick)
		requireAfter(t, 0, func() { requireFailed(t, get(t.Context(), nodes[1], "small"), NotSent, ErrNodeDown) })
		servers[1].Resume()
		time.Sleep(tick)
		requireHit(t, get(t.Context(), nodes[1], "small"), "x")
	})
}

// Neither an answer nor a dial leaves a node counted as ejected.
func TestANodeThatIsBackMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, nodes, set := pipeNodes(t, 2, NodeSetConfig{})
		servers[0].Kill()
		require.Error(t, get(t.Context(), nodes[0], "small").Err)
		requireFailed(t, get(t.Context(), nodes[0], "small"), NotSent, ErrNodeDown)
		require.Equal(t, int64(1), set.ejected.Load())
		servers[0].Start()
		time.Sleep(maxBackoff)
		get(t.Context(), nodes[0], "small")
		synctest.Wait()
		requireMiss(t, get(t.Context(), nodes[0], "small"))
		require.Zero(t, set.ejected.Load())
	})
}

// Nodes that are down take the places of those that are suspect, and are themselves refused whatever the limit.
func TestNodesThatAreDownCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, nodes, set := pipeNodes(t, 3, NodeSetConfig{})
		requireHit(t, get(t.Context(), nodes[2], "small"), "x")
		for i, n := range nodes[:2] {
			servers[i].Kill()
			require.Error(t, get(t.Context(), n, "small").Err)
			requireAfter(t, 0, func() { requireFailed(t, get(t.Context(), n, "small"), NotSent, ErrNodeDown) })
		}
		servers[2].Pause()
		for range 2 {
			requireAfter(t, testTimeout, func() { requireFailed(t, get(t.Context(), nodes[2], "small"), Ambiguous, ErrTimeout) })
		}
		require.Equal(t, Suspect, nodes[2].Stats().State)
		require.Equal(t, 2, ejected(t, nodes))
		servers[2].Kill()
		time.Sleep(time.Second)
		for range 2 {
			require.Error(t, get(t.Context(), nodes[2], "small").Err)
		}
		require.Equal(t, 3, ejected(t, nodes))
		require.Equal(t, int64(2), set.ejected.Load())
		nodes[0].Close()
		require.Equal(t, int64(1), set.ejected.Load(), "a node that is closed leaves its place to others")
	})
}

// TestPlacesAreNotLost races callers that meet a suspicion with the answer that ends it.
func TestPlacesAreNotLost(t *testing.T) {
	set := NewNodeSet(NodeSetConfig{})
	n := newTestNode(t, Config{NodeSet: set})
	client, server := net.Pipe()
	defer server.Close()
	c := newConn(n, &greeting{nc: client, dialect: protocol.Meta}, 1)
	for range 20_000 {
		together(t, 3, func(i int) error {
			switch i {
			case 0:
				n.suspect(c, ErrTimeout)
			case 1:
				n.alive()
			default:
				n.refusal()
			}
			return nil
		})
		n.alive()
		require.Zero(t, set.ejected.Load())
		require.False(t, n.health.ejected.Load())
	}
}
