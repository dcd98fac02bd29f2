package route

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// wayOf collects the steps of a pin, a second apart, as letters of stepsIn, each once in a row.
func wayOf(p *Pin, seconds int) (way string) {
	letters := map[pool.Step]string{
		pool.Returning: "R", pool.Entering: "1", pool.Filling: "2", pool.Settling: "3", pool.Serving: "S",
		pool.Retiring: "a", pool.Draining: "b", pool.Retired: "c",
	}
	for range seconds {
		if l := letters[p.Step()]; way == "" || way[len(way)-1:] != l {
			way += l
		}
		time.Sleep(time.Second)
	}
	return way
}

func TestStepsOfAPin(t *testing.T) {
	const d = 3 * time.Second // so steps of 5 s
	for name, c := range map[string]struct {
		seen  PinSeen
		after time.Duration // from when on it ends
		want  string
	}{
		"comes and goes":             {PinComes, 30 * time.Second, "123Sabc"},
		"goes while it comes":        {PinComes, time.Second, "123abc"},
		"found":                      {PinFound, 60 * time.Second, "3Sabc"},
		"found young":                {PinFoundYoung, 60 * time.Second, "R3Sabc"},
		"found, and goes soon":       {PinFound, time.Second, "3Rc"},
		"found young, and goes soon": {PinFoundYoung, time.Second, "Rc"},
		"found ending":               {PinFoundEnding, time.Second, "Rc"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPin(c.seen, d)
				require.Equal(t, c.seen == PinFoundEnding, p.Ends())
				go func() { time.Sleep(c.after); p.End(); p.End() }()
				require.Equal(t, c.want, wayOf(p, 120))
				require.True(t, p.Over())
			})
		})
	}
}

// Where the node is on its way as well, neither is overtaken; where one comes and the other goes, nobody stores the key.
func TestPinnedSteps(t *testing.T) {
	pins := "R123Sabc"
	for node, want := range map[string]string{
		"S": pins,
		"R": "RRRRRRRc",
		"1": "R1111RRc",
		"2": "R1222RRc",
		"3": "R1233RRc",
		"a": "R123aabc",
		"b": "RRRRbbbc",
		"c": "RRRRcccc",
	} {
		for i := range pins {
			require.Equal(t, stepsIn(want)[i], pinnedStep(stepsIn(node)[0], stepsIn(pins)[i]), "node %s, pin %s", node, pins[i:i+1])
		}
		require.Equal(t, stepsIn(pins)[2], pinnedStep(pool.Unmet, stepsIn(pins)[2]))
	}
}

// pinFixture are three nodes that never come or go, and a key of the first one that is pinned to the second, with the third as
// its replica or not.
type pinFixture struct {
	nodes []*pool.Node
	pin   *Pin
	rules *Rules
}

func newPinFixture(t *testing.T, to ...int) *pinFixture {
	f := &pinFixture{}
	for range 3 {
		s := memcachetest.NewServer(memcachetest.WithPipe())
		n := pool.NewNode(pool.Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout})
		t.Cleanup(func() { n.Close(); s.Close() })
		f.nodes = append(f.nodes, n)
	}
	f.pin = NewPin(PinComes, time.Second)
	key := PinnedKey{Key: "k", Pin: f.pin}
	for _, i := range to {
		key.Nodes = append(key.Nodes, f.nodes[i])
	}
	f.rules = NewPinned(Fixed(f.nodes[0]), []PinnedKey{key}, nil)
	return f
}

// at returns what the nodes hold of the key.
func (f *pinFixture) at() string {
	all := ""
	for i, n := range f.nodes {
		op := get("k")
		do(n, op)
		if i > 0 {
			all += "|"
		}
		all += string(op.Value)
	}
	return all
}

func (f *pinFixture) until(t *testing.T, s pool.Step) {
	for f.pin.Step() != s {
		f.rules.Tend(t.Context())
		time.Sleep(100 * time.Millisecond)
	}
}

// At each step, a write reaches all who may read the key, and is found.
func TestAPinnedKeyAtEachStep(t *testing.T) {
	for _, c := range []struct {
		to   []int
		want []string // at the nodes after a write at each step
	}{
		{[]int{1}, []string{"v||", "|v|", "|v|", "old|v|", "|v|", "v||", "v||"}},
		{[]int{1, 2}, []string{"v||", "|v|", "|v|", "old|v|v", "|v|", "v||", "v||"}},
		{[]int{0, 1}, []string{"v||", "v||", "v||", "v|v|", "v||", "v||", "v||"}}, // its home is where it was
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newPinFixture(t, c.to...)
			for i, s := range stepsIn("123Sabc") {
				if s == pool.Retiring {
					f.pin.End()
				}
				f.until(t, s)
				if s == pool.Serving {
					do(f.nodes[0], store(protocol.Set, "k", "old")) // it is not deleted at any more
				}
				write := store(protocol.Set, "k", "v")
				do(AllSync(f.rules), write)
				require.NoError(t, write.Err)
				require.Equal(t, c.want[i], f.at(), "%v: %s", c.to, s)
				read := get("k")
				do(Failover(f.rules), read)
				require.Equal(t, "v", string(read.Value), s)
			}
			time.Sleep(time.Minute)
			f.rules.Tend(t.Context())
			require.Equal(t, []Route{f.nodes[0]}, f.rules.Replicas(get("k")).All[:1])
			require.Equal(t, "a pin that is over", Why(f.rules, get("k")))
		})
	}
}

// The key comes along though nobody reads it, and what is left of it is deleted.
func TestTendingAPin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newPinFixture(t, 1)
		do(f.nodes[0], store(protocol.Set, "k", "v"))
		do(f.nodes[1], store(protocol.Set, "k", "ancient"))
		for _, c := range []struct{ step, after string }{{"2", "v||"}, {"3", "v|v|"}, {"S", "|v|"}, {"b", "|v|"}, {"c", "v|v|"}} {
			if c.step == "b" {
				f.pin.End()
			}
			f.until(t, stepsIn(c.step)[0])
			require.Equal(t, c.after, f.at(), "before "+c.step)
		}
		var changes []PinChange
		for range 10 {
			changes = append(changes, f.rules.Tend(t.Context())...)
			time.Sleep(time.Second)
		}
		require.Equal(t, "v||", f.at())
		require.Len(t, changes, 2)
		require.Equal(t, "retired", changes[0].String())
		require.Equal(t, "over", changes[1].String())
	})
}
