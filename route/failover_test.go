package route

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

const testTimeout = 2 * time.Second

// An answer of each replica in the order of the list, home first; who is asked, in what order; what the caller gets.
func TestFailoverOfOneOp(t *testing.T) {
	refused := failsWith("c", pool.Refused, &protocol.ServerError{Kind: protocol.KindServerError, Text: "SERVER_ERROR busy"})
	for name, c := range map[string]struct {
		read    int
		answers []func(*Op)
		asked   string // names of the fakes, in the order of calls
		value   string
		status  protocol.Status
		err     error
	}{
		"home answers":                          {0, []func(*Op){hit("A"), hit("B")}, "a", "A", protocol.OK, nil},
		"home misses, next has it":              {0, []func(*Op){miss, hit("B"), hit("C")}, "ab", "B", protocol.OK, nil},
		"home misses, next misses":              {0, []func(*Op){miss, miss, hit("C")}, "ab", "", protocol.Miss, nil},
		"home misses, next fails":               {0, []func(*Op){miss, timeout, hit("C")}, "abc", "C", protocol.OK, nil},
		"home misses, others fail: a miss":      {0, []func(*Op){miss, timeout, down}, "abc", "", protocol.Miss, nil},
		"home down":                             {0, []func(*Op){down, hit("B"), hit("C")}, "ab", "B", protocol.OK, nil},
		"home hangs, next down":                 {0, []func(*Op){timeout, down, hit("C")}, "abc", "C", protocol.OK, nil},
		"all fail: the last error":              {0, []func(*Op){timeout, down, refused}, "abc", "", 0, &protocol.ServerError{}},
		"home down, next misses":                {0, []func(*Op){down, miss, hit("C")}, "abc", "C", protocol.OK, nil},
		"home down, two miss":                   {0, []func(*Op){down, miss, miss, hit("D")}, "abc", "", protocol.Miss, nil},
		"a miss after a failure is an answer":   {0, []func(*Op){down, miss, timeout}, "abc", "", protocol.Miss, nil},
		"local answers":                         {2, []func(*Op){hit("A"), hit("B"), hit("C")}, "c", "C", protocol.OK, nil},
		"local fails: home, then the others":    {1, []func(*Op){down, down, hit("C")}, "bac", "C", protocol.OK, nil},
		"local misses, home has it":             {2, []func(*Op){hit("A"), hit("B"), miss}, "ca", "A", protocol.OK, nil},
		"local misses, home misses":             {1, []func(*Op){miss, miss, hit("C")}, "ba", "", protocol.Miss, nil},
		"local misses, home fails":              {1, []func(*Op){timeout, miss, hit("C")}, "bac", "C", protocol.OK, nil},
		"local misses, home fails: a miss":      {1, []func(*Op){timeout, miss}, "ba", "", protocol.Miss, nil},
		"local fails, home misses":              {1, []func(*Op){miss, down, hit("C")}, "bac", "C", protocol.OK, nil},
		"local fails, home misses, no others":   {1, []func(*Op){miss, down}, "ba", "", protocol.Miss, nil},
		"local is the home":                     {0, []func(*Op){miss}, "a", "", protocol.Miss, nil},
		"the only replica fails":                {0, []func(*Op){timeout}, "a", "", 0, pool.ErrTimeout},
		"a node that left the view":             {0, []func(*Op){failsWith("a", pool.NotSent, pool.ErrClosed), hit("B")}, "ab", "B", protocol.OK, nil},
		"a node too old for the request":        {0, []func(*Op){failsWith("a", pool.NotSent, protocol.ErrUnsupported), hit("B")}, "ab", "B", protocol.OK, nil},
		"a malformed key is nobody's fault":     {0, []func(*Op){failsWith("a", pool.NotSent, protocol.ErrKeyEmpty), hit("B")}, "a", "", 0, protocol.ErrMalformedKey},
		"an invalid request is nobody's fault":  {0, []func(*Op){failsWith("a", pool.NotSent, protocol.ErrInvalidRequest), hit("B")}, "a", "", 0, protocol.ErrInvalidRequest},
		"an invalid TTL is nobody's fault":      {0, []func(*Op){failsWith("a", pool.NotSent, protocol.ErrInvalidTTL), hit("B")}, "a", "", 0, protocol.ErrInvalidTTL},
		"a value too large is the same at each": {0, []func(*Op){failsWith("a", pool.Ambiguous, pool.ErrTooLarge), hit("B")}, "a", "", 0, pool.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			list, routes := fakes(c.answers...)
			asked := ""
			for _, f := range list {
				answer := f.answer
				f.answer = func(op *Op) {
					asked += f.name
					answer(op)
				}
			}
			op := get("k")
			do(Failover(readingAt(c.read, routes)), op)
			require.Equal(t, c.asked, asked)
			if c.err != nil {
				if server, ok := c.err.(*protocol.ServerError); ok {
					require.ErrorAs(t, op.Err, &server)
					return
				}
				require.ErrorIs(t, op.Err, c.err)
				return
			}
			require.NoError(t, op.Err)
			require.Equal(t, c.status, op.Reply.Status)
			if c.status == protocol.OK {
				require.Equal(t, c.value, string(op.Value))
			}
		})
	}
}

// Where the nearest replicas fail, in the order in which they are read, the next one that misses is not believed alone: the
// home, which comes last here, has what a read-modify-write has left there alone.
func TestFailoverAsksTheHomeBehindOthers(t *testing.T) {
	for name, local := range map[string]func(*Op){"dead": down, "hung": timeout, "empty": miss} {
		t.Run(name, func(t *testing.T) {
			list, routes := fakes(hit("home"), local, miss, miss)
			p := &fixed{Replicas{All: routes, Read: 1, Then: []int32{2, 3, 0}}}
			single, ops := get("k"), gets("k1", "k2")
			do(Failover(p), single)
			do(Failover(p), ops...)
			for _, op := range append(ops, single) {
				require.NoError(t, op.Err)
				require.Equal(t, "home", string(op.Value))
			}
			require.Empty(t, list[3].calls)
		})
	}
}

// A miss that stands, because the home fails, must not carry anything of the home's.
func TestFailoverKeepsAPlainMiss(t *testing.T) {
	_, routes := fakes(down, miss)
	op := get("k")
	do(Failover(readingAt(1, routes)), op)
	require.Equal(t, protocol.Reply{Status: protocol.Miss, Block: -1}, op.Reply)
	require.NoError(t, op.Err)
}

func TestFailoverAppendsToDst(t *testing.T) {
	_, routes := fakes(hit("home"), miss)
	op := get("k")
	op.Dst = []byte("before ")
	do(Failover(readingAt(1, routes)), op)
	require.Equal(t, "before home", string(op.Value))
}

// Of a batch only the ops that failed move on, together.
func TestFailoverOfABatch(t *testing.T) {
	some := func(op *Op) {
		if op.Request.Key < "k3" {
			hit("a")(op)
		} else {
			timeout(op)
		}
	}
	onlyK4 := func(op *Op) {
		if op.Request.Key == "k4" {
			miss(op)
		} else {
			down(op)
		}
	}
	list, routes := fakes(some, onlyK4, func(op *Op) {
		if op.Request.Key == "k4" {
			miss(op)
		} else {
			hit("c")(op)
		}
	})
	ops := gets("k1", "k2", "k3", "k4", "k5")
	do(Failover(Fixed(routes...)), ops...)
	require.Equal(t, [][]string{{"k1", "k2", "k3", "k4", "k5"}}, list[0].calls)
	require.Equal(t, [][]string{{"k3", "k4", "k5"}}, list[1].calls)
	require.Equal(t, [][]string{{"k3", "k4", "k5"}}, list[2].calls, "a miss is confirmed")
	require.Equal(t, "a", string(ops[1].Value))
	require.Equal(t, protocol.Miss, ops[3].Reply.Status)
	require.Equal(t, "c", string(ops[4].Value))
}

// Of a batch only the misses ask the home.
func TestFailoverOfABatchAsksHomeForMisses(t *testing.T) {
	local := func(op *Op) {
		if op.Request.Key == "k2" {
			hit("local")(op)
		} else {
			miss(op)
		}
	}
	list, routes := fakes(hit("home"), local)
	ops := gets("k1", "k2", "k3")
	do(Failover(readingAt(1, routes)), ops...)
	require.Equal(t, []string{"k1", "k3"}, list[0].asked())
	require.Equal(t, "home", string(ops[0].Value))
	require.Equal(t, "local", string(ops[1].Value))
}

// An op whose caller is gone does not move on.
func TestFailoverStopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	list, routes := fakes(func(op *Op) {
		cancel()
		failsWith("a", pool.Ambiguous, context.Canceled)(op)
	}, hit("B"))
	ops := gets("k1", "k2")
	Failover(Fixed(routes...)).Do(ctx, ops)
	require.ErrorIs(t, ops[0].Err, context.Canceled)
	require.Empty(t, list[1].calls)
}

// The error is the last one's, and names its node.
func TestFailoverErrorNamesTheLastNode(t *testing.T) {
	_, routes := fakes(timeout, down)
	op := get("secret")
	do(Failover(Fixed(routes...)), op)
	var e *pool.Error
	require.ErrorAs(t, op.Err, &e)
	require.Equal(t, "dead", e.Node)
	require.NotContains(t, op.Err.Error(), "secret")
}

// Over nodes: one that is gone costs no read.
func TestFailoverOverNodes(t *testing.T) {
	servers, nodes, routes := realNodes(t, 3)
	op := store(protocol.Set, "k", "v")
	do(AllSync(Fixed(routes...)), op)
	require.NoError(t, op.Err)
	servers[1].Kill()
	tree := Failover(readingAt(1, routes))
	for range 3 {
		op := get("k")
		do(tree, op)
		require.NoError(t, op.Err)
		require.Equal(t, "v", string(op.Value))
		require.Same(t, nodes[0], op.Node)
	}
}

// TestReadsPassNodesThatAreAway: a read alone does not ask them, and they count it as one that moved on; a batch does. If all
// are away, the error says why.
func TestReadsPassNodesThatAreAway(t *testing.T) {
	servers, nodes, routes := realNodes(t, 3)
	for _, key := range []string{"k", "a", "b"} {
		do(AllSync(Fixed(routes...)), store(protocol.Set, key, "v"))
	}
	f := Failover(Fixed(routes...))
	awayFrom := func(n *pool.Node) {
		require.Eventually(t, func() bool {
			op := get("k")
			f.Do(t.Context(), []*Op{op})
			return n.Refuses(op)
		}, 5*time.Second, time.Millisecond)
	}
	for away, s := range servers {
		for _, ops := range [][]*Op{{get("k")}, {get("a"), get("b")}} {
			before := nodes[0].Stats().Failovers
			f.Do(t.Context(), ops)
			for _, op := range ops {
				require.NoError(t, op.Err)
				require.Equal(t, away, op.Failovers)
				require.Equal(t, nodes[away].Name(), op.Node.Name())
			}
			require.EqualValues(t, min(away, 1)*len(ops), nodes[0].Stats().Failovers-before)
		}
		s.Close()
		awayFrom(nodes[away])
	}
	op := get("k")
	f.Do(t.Context(), []*Op{op})
	require.ErrorIs(t, op.Err, pool.ErrNodeDown)
}

// TestReadsPassNodesThatWereDown when nobody has asked for them for so long that they are not dialed any more: they are then
// dialed, and a read that another replica answers does not wait for that.
func TestReadsPassNodesThatWereDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := memcachetest.NewServer(memcachetest.WithPipe())
		defer other.Close()
		var dials atomic.Int64
		hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials.Add(1)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		nodes := []*pool.Node{
			pool.NewNode(pool.Config{Addr: "lost:1", Timeout: testTimeout, Dial: hang}),
			pool.NewNode(pool.Config{Addr: other.Addr(), Timeout: testTimeout, Dial: other.DialContext}),
		}
		defer nodes[0].Close()
		defer nodes[1].Close()
		f := Failover(Fixed(nodes[0], nodes[1]))
		do(f, get("k"))
		time.Sleep(time.Hour)
		before := dials.Load()
		for range 3 {
			op, start := get("k"), time.Now()
			do(f, op)
			require.NoError(t, op.Err)
			require.Equal(t, nodes[1].Name(), op.Node.Name())
			require.Zero(t, time.Since(start))
		}
		synctest.Wait()
		require.Equal(t, before+1, dials.Load())
	})
}
