package route

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/stretchr/testify/require"
)

// A child that fails at once has nothing under way. It must not look idle, nor be given up for good.
func TestLoadBalancerAvoidsAChildThatFails(t *testing.T) {
	for _, balance := range []Balance{TwoChoices, LeastOutstanding} {
		synctest.Test(t, func(t *testing.T) {
			list, routes := children("D F:b F:c")
			tree, err := LoadBalancer(routes, balance)
			require.NoError(t, err)
			tree.(*loadBalancer).pick = func(int) int { return 0 } // the first two
			do(tree, gets(keys(10)...)...)                         // the first of equals is the one that is down
			before := len(list[0].asked())
			require.NotZero(t, before)
			for range 20 {
				op := get("k")
				do(tree, op)
				require.NoError(t, op.Err)
			}
			require.Len(t, list[0].asked(), before)
			require.Contains(t, Explain(tree, get("k")).String(), "has just failed")

			time.Sleep(2 * failedFor) // of the bubble
			do(tree, get("k"))
			require.Len(t, list[0].asked(), before+1, "it has another chance")
			list[0].answer = hit("a")
			time.Sleep(2 * failedFor)
			for range 3 {
				op := get("k")
				do(tree, op)
				require.Equal(t, "a", said(op), "it is as good as any again")
			}
			require.NotContains(t, Explain(tree, get("k")).String(), "has just failed")
		})
	}
}

// A malformed key, or a caller that is gone, says nothing of the child.
func TestLoadBalancerDoesNotBlameTheChildForTheRequest(t *testing.T) {
	list, routes := fakes(failsWith("a", pool.NotSent, pool.ErrTooLarge), hit("b"))
	tree, err := LoadBalancer(routes, LeastOutstanding)
	require.NoError(t, err)
	for range 5 {
		do(tree, get("k"))
	}
	require.Len(t, list[0].asked(), 5)
}

// What others have under way at a node counts.
func TestLoadBalancerSeesTheTrafficOfOthers(t *testing.T) {
	servers, nodes, routes := realNodes(t, 2)
	do(nodes[0], get("k")) // connected
	do(nodes[1], get("k"))
	tree, err := LoadBalancer(routes, LeastOutstanding)
	require.NoError(t, err)
	op := get("k")
	do(tree, op)
	require.Same(t, nodes[0], op.Node)

	servers[0].Pause()
	done := make(chan struct{})
	go func() {
		do(nodes[0], gets(keys(3)...)...)
		close(done)
	}()
	require.Eventually(t, func() bool { return nodes[0].Owed() == 3 }, 10*time.Second, time.Millisecond)
	op = get("k")
	do(tree, op)
	require.NoError(t, op.Err)
	require.Same(t, nodes[1], op.Node)
	servers[0].Resume()
	<-done
	require.Zero(t, nodes[0].Owed())
}
