package route

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// joiningNodes are three of which those named are joining.
func joiningNodes(t *testing.T, joining ...int) (nodes []*pool.Node, routes []Route) {
	_, nodes, routes = bubbleNodes(t, 3, func(c *pool.Config) { c.Quarantine = 2 * time.Second })
	Broadcast(t.Context(), nodes, protocol.Request{Command: protocol.Noop})
	time.Sleep(10 * time.Second)
	for _, i := range joining {
		nodes[i].Leave() // the same, for longer
	}
	return nodes, routes
}

// The first replica that serves decides, reads and clears go by it, and the others are written to.
func TestHomeIsNotJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, routes := joiningNodes(t, 0)
		for read := range routes {
			p := readingAt(read, routes)
			set := store(protocol.Set, "k", "v")
			do(AllSync(p), set)
			require.NoError(t, set.Err)
			require.Same(t, nodes[1], set.Node, "the answer is that of a node that has stored it")

			op := store(protocol.Append, "k", "!")
			do(AtHome(p), op)
			require.NoError(t, op.Err)
			require.Same(t, nodes[1], op.Node)
			for _, r := range []Route{Failover(p), Hash(p)} {
				op = get("k")
				do(r, op)
				require.NoError(t, op.Err)
				require.Equal(t, "v!", string(op.Value), "read %d", read)
			}
			op = asks(GetForUpdate, "k")
			op.Request.Value, op.Request.Meta = nil, readFlags
			do(Failover(p), op)
			require.Same(t, nodes[1], op.Node)
			cas := asks(CompareAndSwap, "k")
			cas.Request.CAS, cas.Token = op.Reply.CAS, op.Token
			do(AllSync(Fixed(routes[2], routes[1])), cas)
			require.ErrorIs(t, cas.Err, pool.ErrForeignCAS)
			do(AllSync(p), cas)
			require.NoError(t, cas.Err)
			require.Equal(t, protocol.OK, cas.Reply.Status)

			touch := asks(protocol.Touch, "k")
			touch.Request.Exptime = 100
			do(AllSync(p), touch)
			require.NoError(t, touch.Err)
			require.Equal(t, protocol.OK, touch.Reply.Status)
			require.Equal(t, "at home", Explain(AtHome(p), op).Route)
			require.Equal(t, nodes[1].Name(), Explain(AtHome(p), op).Next[0].Name)
		}
		for _, n := range nodes {
			require.Zero(t, n.Stats().Missed, "a node that is joining has missed nothing")
		}
	})
}

// Where all replicas are joining nothing is stored: reads and touches miss, whole writes are done, others fail. If one is
// down instead, it may have the item.
func TestAllReplicasJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, routes := joiningNodes(t, 0, 1, 2)
		p := Fixed(routes...)
		for _, op := range []*Op{get("k"), asks(GetForUpdate, "k"), asks(protocol.GetAndTouch, "k")} {
			op.Request.Value, op.Request.Meta = nil, readFlags
			do(Failover(p), op)
			require.NoError(t, op.Err)
			require.Equal(t, protocol.Miss, op.Reply.Status)
		}
		op := asks(protocol.Touch, "k")
		do(AllSync(p), op)
		require.NoError(t, op.Err)
		require.Equal(t, protocol.Miss, op.Reply.Status)
		op = store(protocol.Set, "k", "v")
		do(AllSync(p), op)
		require.NoError(t, op.Err)
		require.Equal(t, protocol.OK, op.Reply.Status)
		op = store(protocol.Add, "k", "v")
		do(AtHome(p), op)
		require.ErrorIs(t, op.Err, pool.ErrJoining)

		_, down := fakes(down)
		for _, p := range []Placement{Fixed(down[0], routes[0]), Fixed(routes[0], down[0])} {
			op = get("k")
			do(Failover(p), op)
			require.ErrorIs(t, op.Err, pool.ErrNodeDown)
		}
		nodes[0].Close()
	})
}

// Before its first connection a node is not known to be joining. Its answer says so, and the next replica decides.
func TestHomeThatTurnsOutToBeJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, serving, _ := bubbleNodes(t, 1, nil)
		_, nodes, _ := bubbleNodes(t, 4, func(c *pool.Config) { c.Quarantine = 2 * time.Second })
		add := store(protocol.Add, "k", "v")
		do(AtHome(Fixed(nodes[0], serving[0])), add)
		require.NoError(t, add.Err)
		require.Same(t, serving[0], add.Node)
		batch := []*Op{store(protocol.Append, "k", "!"), store(protocol.Add, "k2", "w")}
		do(AllSync(Fixed(nodes[1], nodes[2], serving[0])), batch...)
		for _, op := range batch {
			require.NoError(t, op.Err)
			require.Equal(t, protocol.OK, op.Reply.Status)
			require.Same(t, serving[0], op.Node)
		}
		op := get("k")
		do(Failover(Fixed(nodes[3], serving[0])), op)
		require.NoError(t, op.Err)
		require.Equal(t, "v!", string(op.Value))
	})
}
