package route

import (
	"testing"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func TestAvailable(t *testing.T) {
	for name, row := range map[string]struct {
		answers []func(*Op)
		ok      bool
	}{
		"all":       {[]func(*Op){says(protocol.OK), says(protocol.OK)}, true},
		"home down": {[]func(*Op){down, says(protocol.OK)}, true},
		"one":       {[]func(*Op){says(protocol.OK), timeout}, true},
		"none":      {[]func(*Op){down, timeout}, false},
	} {
		for _, c := range []protocol.Command{protocol.Set, protocol.Delete, protocol.Touch} {
			_, routes := fakes(row.answers...)
			op := asks(c, "k")
			do(Available(AllSync(Fixed(routes...))), op)
			require.Equal(t, row.ok, op.Err == nil, "%s %v: %v", name, c, op.Err)
			if row.ok {
				require.Equal(t, protocol.OK, op.Reply.Status)
			}
		}
	}
	_, routes := fakes(says(protocol.NotStored), down)
	op := asks(protocol.Add, "k")
	do(Available(AllSync(Fixed(routes...))), op)
	require.NoError(t, op.Err)
	require.Equal(t, protocol.NotStored, op.Reply.Status, "what the home says stands")
	require.Contains(t, Explain(Available(AllSync(Fixed(routes...))), op).String(), "available")
}

// The node that missed a write is not read for the key until it has deleted it, and then the others serve it.
func TestANodeThatMissedAWriteIsNotRead(t *testing.T) {
	servers, nodes, routes := realNodes(t, 3)
	p := readingAt(2, routes)
	tree := ByOperation(Available(AllSync(p)), map[protocol.Command]Route{protocol.Get: Failover(p)})
	do(tree, store(protocol.Set, "k", "old"))
	servers[2].Inject(memcachetest.Hang())
	write := store(protocol.Set, "k", "new")
	do(tree, write) // timed out at one node: ambiguous
	require.NoError(t, write.Err)
	require.Eventually(t, func() bool { return nodes[2].Stats().State == pool.Suspect }, 10*time.Second, time.Millisecond)
	again := store(protocol.Set, "k", "newer")
	do(tree, again) // not sent there: the node is suspect
	require.NoError(t, again.Err)
	require.Equal(t, 1, nodes[2].Stats().Missed)
	servers[2].Heal()
	require.Eventually(t, func() bool {
		op := get("k")
		do(tree, op)
		require.NoError(t, op.Err)
		require.Equal(t, "newer", string(op.Value))
		return nodes[2].Stats().Missed == 0
	}, 10*time.Second, time.Millisecond)
	op := get("k")
	do(nodes[2], op)
	require.Equal(t, protocol.Miss, op.Reply.Status)
	require.NotErrorIs(t, op.Err, pool.ErrMissedWrite)
}
