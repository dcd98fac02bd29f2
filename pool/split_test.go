package pool

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// pieces is a connection whose reads end where a test wants them to.
type pieces struct {
	net.Conn
	most *atomic.Int64 // bytes of one read
	cut  *atomic.Int64 // a read ends after so many more bytes; below 0: none does
	came *atomic.Int64 // bytes in all
}

func (p *pieces) Read(b []byte) (int, error) {
	limit := min(int64(len(b)), p.most.Load())
	if cut := p.cut.Load(); cut > 0 {
		limit = min(limit, cut)
	}
	n, err := p.Conn.Read(b[:limit])
	p.cut.Add(-int64(n))
	p.came.Add(int64(n))
	return n, err
}

// pieceNode returns a node at a fake server, and the connection that it will have.
func pieceNode(t *testing.T, cfg Config) (*Node, *pieces) {
	s := startFake(t, memcachetest.WithPipe())
	p := &pieces{most: new(atomic.Int64), cut: new(atomic.Int64), came: new(atomic.Int64)}
	p.most.Store(1 << 30)
	cfg.Addr, cfg.Timeout = s.Addr(), 20*time.Second
	cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := s.DialContext(ctx, network, addr)
		p.Conn = nc
		return p, err
	}
	return newTestNode(t, cfg), p
}

// splitBatches are batches whose replies are cut at every byte.
func splitBatches() map[string]func() []*Op {
	gets := func(list ...string) func() []*Op { return func() []*Op { return getOps(list...) } }
	hundred := slices.Repeat([]string{"a", "none", "b", "empty"}, 26)
	return map[string]func() []*Op{
		"a hit":                  gets("a"),
		"a miss":                 gets("none"),
		"hits":                   gets("a", "b", "c"),
		"miss first":             gets("none", "a", "b"),
		"miss in the middle":     gets("a", "none", "b"),
		"miss last":              gets("a", "b", "none"),
		"all miss":               gets("none", "none2", "none"),
		"duplicates":             gets("a", "b", "a", "a", "none", "b", "none"),
		"empty values":           gets("empty", "a", "empty"),
		"lines in a value":       gets("lines", "a", "lines"),
		"more than one line":     gets(hundred...),
		"a value in one block":   gets("large"),
		"large between small":    gets("a", "large", "b", "none", "large"),
		"all kinds of commands":  mixedBatch,
		"stats between the gets": statsBatch,
	}
}

func mixedBatch() []*Op {
	ops := getOps("a", "none", "b")
	for _, c := range []protocol.Command{protocol.Set, protocol.Delete, protocol.Touch, protocol.GetAndTouch,
		protocol.Noop, protocol.Version} {
		ops = append(ops, &Op{Request: protocol.Request{Command: c, Key: "other", Exptime: 100}})
	}
	ops = append(ops, &Op{Request: protocol.Request{Command: protocol.Increment, Key: "number", Meta: protocol.ReturnValue}})
	return append(ops, getOps("b", "other", "a")...)
}

func statsBatch() []*Op {
	stats := &Op{Request: protocol.Request{Command: protocol.Stats}}
	return append(append(getOps("a"), stats), getOps("b")...)
}

// fixtures are what the batches find.
var fixtures = map[string]string{
	"a": "1", "b": "value of b", "c": "c\r\n", "empty": "", "number": "7", "other": "o",
	"lines": "END\r\nVALUE a 0 1 1\r\n2\r\nEND\r\n", "large": strings.Repeat("0123456789", 1500),
}

// TestRepliesMayBeCutAnywhere has every reply end a read at every byte, and come a byte at a time.
func TestRepliesMayBeCutAnywhere(t *testing.T) {
	for name, batch := range splitBatches() {
		for _, d := range []protocol.Dialect{protocol.Unknown, protocol.Text} {
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { cutEverywhere(t, d, batch) })
			})
		}
	}
}

func cutEverywhere(t *testing.T, d protocol.Dialect, batch func() []*Op) {
	n, p := pieceNode(t, Config{Dialect: d})
	for key, value := range fixtures {
		mustSet(t, n, key, value)
	}
	start := p.came.Load()
	n.Do(t.Context(), batch())
	length := p.came.Load() - start
	stride := 1 + length/120
	for cut := int64(1); cut < length; cut += stride {
		p.cut.Store(cut)
		checkFixtures(t, n, batch())
	}
	p.most.Store(1)
	checkFixtures(t, n, batch())
	p.most.Store(7)
	checkFixtures(t, n, batch())
	require.Equal(t, uint64(1), n.Stats().Dials)
}

// checkFixtures runs ops, with memory of the caller's for every second one.
func checkFixtures(t *testing.T, n *Node, ops []*Op) {
	for i, op := range ops {
		if i%2 == 1 {
			op.Dst = make([]byte, 0, 20_000)
		}
	}
	n.Do(t.Context(), ops)
	for _, op := range ops {
		require.NoError(t, op.Err)
		want, stored := fixtures[op.Request.Key]
		switch {
		case op.Request.Command == protocol.Stats:
			require.Greater(t, len(op.Stats), 3)
		case op.Request.Command != protocol.Get || op.Request.Key == "other":
		case stored:
			requireHit(t, op, want)
		default:
			requireMiss(t, op)
		}
	}
}

// TestPeersThatAnswerALineInTheirOwnWay covers what memcached may do if its items change while it answers.
func TestPeersThatAnswerALineInTheirOwnWay(t *testing.T) {
	tests := map[string]struct {
		keys, reply string
		values      string // "-" for a miss
		broken      bool
	}{
		"only the first of duplicates":  {keys: "a b a", reply: "a", values: "a - -"},
		"only the last of duplicates":   {keys: "a b a", reply: "b a", values: "- b a"},
		"both":                          {keys: "a b a", reply: "a b a", values: "a b a"},
		"one of three":                  {keys: "a a a", reply: "a", values: "a - -"},
		"a key nobody asked for":        {keys: "a b", reply: "x", broken: true},
		"in another order":              {keys: "a b", reply: "b a", broken: true},
		"too many of one":               {keys: "a b", reply: "a b b", broken: true},
		"a key of the next line":        {keys: "a b", reply: "next", broken: true},
		"nothing":                       {keys: "a b", reply: "", values: "- -"},
		"a prefix of the key asked for": {keys: "ab", reply: "a", broken: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer := func(p *peer) {
					if p.expect(2) {
						p.say("%s", hits(strings.Fields(test.reply), valueOf)+hits([]string{"next"}, valueOf))
						p.discard()
					}
				}
				n := newTestNode(t, Config{Dial: scripts(answer)})
				ops := getOps(append(strings.Fields(test.keys), "next")...)
				ops[len(ops)-1].Request.Command = protocol.GetAndTouch // has a line of its own
				n.cfg.Dialect = protocol.Text
				n.Do(t.Context(), ops)
				checkOwnWay(t, n, ops, strings.Fields(test.values), test.broken)
			})
		})
	}
}

func checkOwnWay(t *testing.T, n *Node, ops []*Op, values []string, broken bool) {
	for i, op := range ops[:len(ops)-1] {
		switch {
		case op.Err == nil && op.Reply.Status == protocol.OK:
			require.Equal(t, valueOf(op.Request.Key), string(op.Value))
		case !broken:
			requireMiss(t, op)
		}
		require.True(t, broken || (values[i] == "-") == (op.Value == nil), "key %d", i)
	}
	require.Equal(t, broken, n.Stats().Broken > 0)
	require.Equal(t, broken, ops[len(ops)-1].Err != nil)
}
