package route

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// The zones of a key, home first; the one at read is local. The first four rows are routelib's zfailover, whose miss is not
// good enough. There, far zones that all fail give no answer at all, and forget that the near one had: ours keeps its miss.
func TestZoneFailover(t *testing.T) {
	for name, c := range map[string]struct {
		read    int
		zones   []replica
		options ZoneOptions
		atOnce  bool
		asked   string // the zones, in order
		want    string
		after   time.Duration
	}{
		"near hit":                     {0, []replica{{hit("near"), 1}, {hit("b"), 1}, {hit("c"), 1}}, ZoneOptions{MissIsNotGood: true}, true, "a", "near", 1},
		"near EN":                      {0, []replica{{miss, 1}, {hit("b"), 5}, {hit("c"), 3}}, ZoneOptions{MissIsNotGood: true}, true, "abc", "c", 4},
		"near EN, one far EN":          {0, []replica{{miss, 1}, {miss, 1}, {hit("c"), 3}}, ZoneOptions{MissIsNotGood: true}, true, "abc", "c", 4},
		"near EN, far errors":          {0, []replica{{miss, 1}, {down, 1}, {timeout, 3}}, ZoneOptions{MissIsNotGood: true}, true, "abc", "miss", 4},
		"near error, far errors":       {0, []replica{{down, 1}, {down, 1}, {timeout, 3}}, ZoneOptions{MissIsNotGood: true}, true, "abc", "at hung", 4},
		"near error, far misses":       {0, []replica{{down, 1}, {miss, 1}, {timeout, 3}}, ZoneOptions{}, true, "abc", "miss", 4},
		"near error, fastest far":      {1, []replica{{hit("a"), 9}, {down, 1}, {hit("c"), 3}}, ZoneOptions{}, true, "abc", "c", 4},
		"in order: near hit":           {1, []replica{{hit("a"), 1}, {hit("near"), 1}}, ZoneOptions{}, false, "b", "near", 1},
		"in order: near error":         {1, []replica{{hit("a"), 1}, {down, 1}, {hit("c"), 1}}, ZoneOptions{}, false, "ba", "a", 2},
		"in order: two errors":         {1, []replica{{timeout, 1}, {down, 1}, {hit("c"), 1}}, ZoneOptions{}, false, "bac", "c", 3},
		"in order: all errors":         {1, []replica{{down, 1}, {down, 1}, {timeout, 1}}, ZoneOptions{}, false, "bac", "at hung", 3},
		"in order: home's miss":        {0, []replica{{miss, 1}, {hit("b"), 1}}, ZoneOptions{}, false, "a", "miss", 1},
		"miss asked again at the home": {2, []replica{{hit("a"), 1}, {hit("b"), 1}, {miss, 1}}, ZoneOptions{}, false, "ca", "a", 2},
		"the same, at once":            {2, []replica{{hit("a"), 1}, {hit("b"), 1}, {miss, 1}}, ZoneOptions{}, true, "ca", "a", 2},
		"the home fails: a miss":       {2, []replica{{down, 1}, {hit("b"), 1}, {miss, 1}}, ZoneOptions{}, false, "ca", "miss", 2},
		"misses go on":                 {2, []replica{{miss, 1}, {hit("b"), 1}, {miss, 1}}, ZoneOptions{MissIsNotGood: true}, false, "cab", "b", 3},
		"a miss is better than errors": {2, []replica{{miss, 1}, {down, 1}, {down, 1}}, ZoneOptions{MissIsNotGood: true}, false, "cab", "miss", 3},
		"a client error is an answer":  {0, []replica{{clientError, 1}, {hit("b"), 1}}, ZoneOptions{MissIsNotGood: true}, false, "a", "CLIENT_ERROR", 1},
		"one zone":                     {0, []replica{{down, 1}}, ZoneOptions{}, false, "a", "at dead", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBackground(10)
				if c.atOnce {
					c.options.AtOnce = b
				}
				list, routes := replicas(c.zones...)
				order := make(chan string, 10)
				for i, f := range list {
					name := string(rune('a' + i))
					f.answer = func(*Op) { order <- name }
				}
				start := time.Now()
				op := asked(built(t)(ZoneFailover(readingAt(c.read, routes), c.options)), get("k"))
				require.Contains(t, outcome(op), c.want)
				require.Equal(t, c.after, time.Since(start))
				b.Close()
				close(order)
				got := ""
				for zone := range order {
					got += zone
				}
				if c.atOnce {
					require.ElementsMatch(t, []byte(c.asked), []byte(got))
				} else {
					require.Equal(t, c.asked, got)
				}
			})
		})
	}
}

// Writes go to all zones, read-modify-writes and reads for update to the home, whichever zone is local.
func TestZoneFailoverWrites(t *testing.T) {
	list, routes := fakes(nil, nil, nil)
	tree := built(t)(ZoneFailover(readingAt(2, routes), ZoneOptions{}))
	do(tree, asks(protocol.Set, "set"), asks(protocol.Delete, "delete"), asks(GetForUpdate, "read"), asks(protocol.Add, "add"))
	require.ElementsMatch(t, []string{"set", "delete", "read", "add"}, list[0].asked())
	require.ElementsMatch(t, []string{"set", "delete", "add"}, list[2].asked(), "add: the clear")
	require.Contains(t, list[2].commands(), protocol.Delete)
}

// Of a batch only what the local zone has not served leaves it, together.
func TestZoneFailoverOfABatch(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		b, wait := background(t)
		local := func(op *Op) {
			switch op.Request.Key {
			case "here":
				hit("near")(op)
			case "lost":
				down(op)
			default:
				miss(op)
			}
		}
		list, routes := fakes(local, hit("far"))
		o := ZoneOptions{MissIsNotGood: true}
		if atOnce {
			o.AtOnce = b
		}
		ops := gets("here", "lost", "here", "missing")
		do(built(t)(ZoneFailover(Fixed(routes...), o)), ops...)
		wait()
		require.Equal(t, [][]string{{"lost", "missing"}}, list[1].calls)
		require.Equal(t, []string{"near", "far", "near", "far"}, []string{outcome(ops[0]), outcome(ops[1]), outcome(ops[2]), outcome(ops[3])})
	}
}

// A caller that is gone asks no further zones.
func TestZoneFailoverStopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	list, routes := fakes(func(op *Op) {
		cancel()
		failsWith("a", pool.Ambiguous, context.Canceled)(op)
	}, hit("b"))
	op := get("k")
	built(t)(ZoneFailover(Fixed(routes...), ZoneOptions{})).Do(ctx, []*Op{op})
	require.ErrorIs(t, op.Err, context.Canceled)
	require.Empty(t, list[1].calls)
}
