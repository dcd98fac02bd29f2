package route

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// stepsIn reads steps as letters: R returning, 1 entering, 2 filling, 3 settling, S serving, r recalled, a retiring, b draining, c retired.
func stepsIn(letters string) (steps []pool.Step) {
	all := map[rune]pool.Step{
		'R': pool.Returning, '1': pool.Entering, '2': pool.Filling, '3': pool.Settling, 'S': pool.Serving,
		'r': pool.Recalled, 'a': pool.Retiring, 'b': pool.Draining, 'c': pool.Retired,
	}
	for _, l := range letters {
		steps = append(steps, all[l])
	}
	return steps
}

func TestWalkPlans(t *testing.T) {
	type ranks = []int
	for steps, want := range map[string]walkPlan{
		"SS": {home: 0, next: -1},
		"1S": {home: 1, next: -1, after: ranks{0}},
		"2S": {home: 0, next: -1, sources: ranks{1}, before: ranks{1}, after: ranks{1}},
		"3S": {home: 0, next: -1, before: ranks{1}, after: ranks{1}},
		"rS": {home: 0, next: 1, before: ranks{1}, after: ranks{1}},
		"aS": {home: 0, next: 1, after: ranks{1}},
		"bS": {home: 1, next: -1, sources: ranks{0}, before: ranks{0}, after: ranks{0}},
		"cS": {home: 1, next: -1, before: ranks{0}, after: ranks{0}},
		"RS": {home: -1, next: -1, before: ranks{0, 1}, after: ranks{0, 1}},

		"22S": {home: 0, next: -1, sources: ranks{1, 2}, before: ranks{1, 2}, after: ranks{1, 2}},
		"21S": {home: 0, next: -1, sources: ranks{2}, before: ranks{1, 2}, after: ranks{1, 2}},
		"12S": {home: 1, next: -1, sources: ranks{2}, before: ranks{2}, after: ranks{0, 2}},
		"2bS": {home: 0, next: -1, sources: ranks{1, 2}, before: ranks{1, 2}, after: ranks{1, 2}},
		"2aS": {home: 0, next: -1, sources: ranks{1}, before: ranks{1, 2}, after: ranks{1, 2}},
		"1bS": {home: 2, next: -1, sources: ranks{1}, before: ranks{1}, after: ranks{0, 1}},
		"aRS": {home: 0, next: -1, after: ranks{1, 2}},
		"abS": {home: 0, next: 2, before: ranks{1}, after: ranks{1, 2}},
		"baS": {home: 1, next: -1, sources: ranks{0}, before: ranks{0}, after: ranks{0, 2}},
		"SaS": {home: 0, next: -1},
		"11":  {home: -1, next: -1, before: ranks{0, 1}, after: ranks{0, 1}},
	} {
		require.Equal(t, want, planFor(stepsIn(steps), 1), steps)
	}
	for steps, want := range map[string]walkPlan{
		"1SSS": {home: 1, next: -1, others: ranks{2}, after: ranks{0, 2}},
		"3SSS": {home: 0, next: -1, others: ranks{1}, before: ranks{1, 2}, after: ranks{1, 2}},
		"S1SS": {home: 0, next: -1, others: ranks{2}, after: ranks{1, 2}},
	} {
		require.Equal(t, want, planFor(stepsIn(steps), 2), steps)
	}
}

// Whatever the steps are: each node that takes part is the home or is written to, what is read is written to by all who are
// a step ahead or behind, and sources are cleared before the home is set.
func TestWalkPlansCoverWhatIsRead(t *testing.T) {
	const in, out = "123S", "Srabc"
	neighbours := map[byte]string{'1': "12", '2': "123r", '3': "23Sr", 'S': "3Sra", 'r': "23Sra", 'a': "Srab", 'b': "abc", 'c': "bc"}
	var walk func(letters string)
	walk = func(letters string) {
		if len(letters) < 3 {
			for _, l := range in + out[1:] {
				walk(letters + string(l))
			}
			return
		}
		p := planFor(stepsIn(letters), 1)
		for i := range letters {
			for _, l := range neighbours[letters[i]] {
				other := planFor(stepsIn(letters[:i]+string(l)+letters[i+1:]), 1)
				for _, read := range append(other.sources, other.home) {
					if read >= 0 && read != p.home {
						require.Contains(t, p.after, read, "%s does not write what is read at step %c of %d", letters, l, i)
					}
				}
				for _, source := range other.sources {
					if source != p.home && other.home == p.home {
						require.Contains(t, p.before, source, "%s sets before it clears what is filled from at step %c of %d", letters, l, i)
					}
				}
			}
		}
		for _, s := range p.sources {
			require.Contains(t, p.before, s, letters)
		}
	}
	walk("")
}

func TestFormerReplicas(t *testing.T) {
	const s, day = time.Second, 24 * time.Hour
	for _, c := range []struct {
		ages     []time.Duration
		replicas int
		memory   time.Duration
		want     bool
	}{
		{[]time.Duration{10 * s, 20 * s}, 1, 0, true},
		{[]time.Duration{20 * s, 10 * s}, 1, 0, false},
		{[]time.Duration{10 * s, 10 * s}, 1, 0, true}, // nobody knows to the second
		{[]time.Duration{10 * s, 0}, 1, 0, false},     // not used, so it has nothing
		{[]time.Duration{20 * s, 10 * s, 15 * s}, 1, 0, false},
		{[]time.Duration{10 * s, 10 * s, 30 * s}, 2, 0, true},
		{[]time.Duration{30 * s, 10 * s, 20 * s}, 2, 0, true},
		{[]time.Duration{30 * s, 25 * s, 20 * s}, 2, 0, false},
		{[]time.Duration{10 * s}, 1, 0, false},
		{[]time.Duration{10 * s, day}, 1, 20 * s, true},
		{[]time.Duration{30 * s, day}, 1, 20 * s, false}, // all of then has expired
	} {
		require.Equal(t, c.want, isFormer(c.ages, c.replicas, c.memory), "%v", c)
	}
}

// moving are two nodes of one order, the first of which is at a step that a test waits for, with what a test may look into.
type moving struct {
	servers []*memcachetest.Server
	nodes   []*pool.Node
	plain   []Route // the same servers, by clients that know nothing of steps
	route   *Moving
}

// newMoving has G join where H serves.
func newMoving(t *testing.T) *moving {
	m := &moving{}
	var plain []*pool.Node
	var dialers []func(*pool.Config)
	for range 2 {
		s := memcachetest.NewServer(memcachetest.WithPipe())
		n := pool.NewNode(pool.Config{Addr: s.Addr(), Dial: s.DialContext, Timeout: testTimeout})
		plain = append(plain, n)
		t.Cleanup(func() { n.Close(); s.Close() })
		m.servers, m.plain = append(m.servers, s), append(m.plain, n)
		dialers = append(dialers, func(c *pool.Config) { c.Addr, c.Dial = s.Addr(), s.DialContext })
	}
	for i := range dialers {
		cfg := pool.Config{Timeout: testTimeout, Quarantine: 2 * time.Second, WarmUp: time.Second}
		dialers[i](&cfg)
		n := pool.NewNode(cfg)
		t.Cleanup(func() { n.Close() })
		m.nodes = append(m.nodes, n)
	}
	Broadcast(t.Context(), m.nodes[1:], protocol.Request{Command: protocol.Noop})
	time.Sleep(time.Minute)
	Broadcast(t.Context(), m.nodes, protocol.Request{Command: protocol.Noop})
	m.route = &Moving{nodes: m.nodes, replicas: 1}
	return m
}

// until waits until G is at a step.
func (m *moving) until(s pool.Step) {
	for m.nodes[0].Step() != s {
		time.Sleep(100 * time.Millisecond)
	}
}

func (m *moving) at(t *testing.T, key string) string {
	return strings.Join(valuesAt(m.plain, key), "|")
}

// While G is filled, everything that depends on an item finds it, at G, with its flags and about its time; and H has
// nothing after what has changed it.
func TestMovingFindsWhatIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		op    *Op
		reply protocol.Status
		after string // at G|H
	}{
		"get":            {get("k"), protocol.OK, "7|7"},
		"get for update": {asks(GetForUpdate, "k"), protocol.OK, "7|7"},
		"increment":      {&Op{Request: protocol.Request{Command: protocol.Increment, Key: "k", Delta: 1}}, protocol.OK, "8|"},
		"append":         {store(protocol.Append, "k", "!"), protocol.OK, "7!|"},
		"replace":        {store(protocol.Replace, "k", "new"), protocol.OK, "new|"},
		"add":            {store(protocol.Add, "k", "new"), protocol.NotStored, "7|"},
		"set":            {store(protocol.Set, "k", "new"), protocol.OK, "new|"},
		"delete":         {&Op{Request: protocol.Request{Command: protocol.Delete, Key: "k"}}, protocol.OK, "|"},
		"touch":          {&Op{Request: protocol.Request{Command: protocol.Touch, Key: "k", Exptime: 50}}, protocol.OK, "7|"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMoving(t)
				m.until(pool.Filling)
				put := store(protocol.Set, "k", "7")
				put.Request.Flags, put.Request.Exptime = 5, 1000
				do(m.plain[1], put)
				c.op.Hash = HashKey("k")
				do(m.route, c.op)
				require.NoError(t, c.op.Err)
				require.Equal(t, c.reply, c.op.Reply.Status)
				require.Equal(t, c.after, m.at(t, "k"))
				if name == "get" {
					found := get("k")
					found.Request.Meta |= protocol.ReturnTTL
					do(m.plain[0], found)
					require.Equal(t, uint32(5), found.Reply.Flags)
					require.InDelta(t, 1000, found.Reply.TTL, 3)
				}
			})
		})
	}
}

// At each step a write reaches both, and is where reads look for it.
func TestMovingAtEachStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoving(t)
		for _, c := range []struct {
			step  pool.Step
			after string
		}{{pool.Entering, "|new"}, {pool.Filling, "new|"}, {pool.Settling, "new|"}, {pool.Serving, "new|"}} {
			m.until(c.step)
			require.Equal(t, c.step == pool.Entering, Explain(m.route, get("k")).Next[0].Name == m.nodes[1].Name(), c.step)
			for _, r := range m.plain {
				if c.step != pool.Entering || r == m.plain[0] {
					do(r, store(protocol.Set, "k", "old"))
				}
			}
			write := store(protocol.Set, "k", "new")
			do(m.route, write)
			require.NoError(t, write.Err)
			require.Equal(t, c.after, m.at(t, "k"), c.step)
			read := get("k")
			do(m.route, read)
			require.Equal(t, "new", string(read.Value), c.step)
		}
		takes := m.nodes[0].Retire()
		for range int(takes / time.Second) {
			write := store(protocol.Set, "k", "newer")
			do(m.route, write)
			read := get("k")
			do(m.route, read)
			require.NoError(t, read.Err)
			require.Equal(t, "newer", string(read.Value), m.nodes[0].Step())
			time.Sleep(time.Second)
		}
		require.Equal(t, "|newer", m.at(t, "k"))
	})
}

// A stub that somebody has left at the new home is in nobody's way.
func TestMovingTakesOverAStub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoving(t)
		m.until(pool.Filling)
		do(m.plain[1], store(protocol.Set, "k", "7"))
		lease := get("k")
		lease.Request.Meta |= protocol.Vivify | protocol.ReturnCAS
		lease.Request.VivifyTTL = 100
		do(m.plain[0], lease)
		require.True(t, lease.Reply.Has(protocol.Won))
		read := get("k")
		do(m.route, read)
		require.Equal(t, "7", string(read.Value))
		add := store(protocol.Add, "k", "new")
		do(m.route, add)
		require.NoError(t, add.Err)
		require.Equal(t, protocol.NotStored, add.Reply.Status)
		require.Equal(t, "7|", m.at(t, "k"))
	})
}

// A node that is gone leaves its keys to the next one at once, and a source that is gone is a miss.
func TestMovingFromANodeThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoving(t)
		m.until(pool.Serving)
		m.nodes[0].Retire()
		m.servers[0].Kill()
		m.storesNothingYet(t)
		for _, c := range []protocol.Command{protocol.Set, protocol.Append, protocol.Delete, protocol.Add} {
			op := store(c, "k", "v")
			do(Available(AllSync(Fixed(m.route))), op)
			require.NoError(t, op.Err, c)
			require.Equal(t, protocol.OK, op.Reply.Status, c)
		}
		for range 20 {
			op := get("k")
			do(m.route, op)
			require.NoError(t, op.Err)
			require.Equal(t, "v", string(op.Value))
			op = get("other")
			do(m.route, op)
			require.NoError(t, op.Err)
			require.True(t, isMiss(op))
			time.Sleep(time.Second)
		}

		m = newMoving(t)
		m.until(pool.Filling)
		m.servers[1].Kill()
		op := get("k")
		do(m.route, op)
		require.NoError(t, op.Err)
		require.True(t, isMiss(op))
		write := store(protocol.Set, "k", "v")
		do(m.route, write)
		require.ErrorIs(t, write.Err, ErrPartialWrite, "the old home may be read by others")
	})
}

// storesNothingYet: until all know that G leaves, nothing is stored elsewhere while it is away. Who does not know may store at G
// when it is back, and leave what is elsewhere. Deletes and reads go on. It returns when all know.
func (m *moving) storesNothingYet(t *testing.T) {
	for !m.nodes[0].KnownToLeave() {
		for _, c := range []protocol.Command{protocol.Set, protocol.Add} {
			op := store(c, "k", "v")
			do(Available(AllSync(Fixed(m.route))), op)
			require.ErrorIs(t, op.Err, pool.ErrNodeDown, c)
		}
		op := store(protocol.Delete, "k", "")
		do(Available(AllSync(Fixed(m.route))), op)
		require.NoError(t, op.Err)
		op = get("k")
		do(m.route, op)
		require.NoError(t, op.Err)
		require.True(t, isMiss(op))
		time.Sleep(500 * time.Millisecond)
	}
}

// A write that no node has taken is none: those in the place of replicas that are not used have no say.
func TestNobodyAcknowledgesNothing(t *testing.T) {
	for _, c := range []protocol.Command{protocol.Set, protocol.Delete, protocol.Touch} {
		home := &fake{answer: down}
		op := store(c, "k", "v")
		do(Available(AllSync(Fixed(home, nobody))), op)
		require.ErrorIs(t, op.Err, pool.ErrNodeDown, c)
		require.NotErrorIs(t, op.Err, ErrPartialWrite, c)

		home.answer = hit("")
		do(Available(AllSync(Fixed(home, nobody))), op)
		require.NoError(t, op.Err, c)
		require.Equal(t, protocol.OK, op.Reply.Status, c)
	}
}

// A write at a node on its way out that may have been done, or may be done yet, is not said not to have been.
func TestMovingFromANodeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoving(t)
		m.until(pool.Serving)
		m.nodes[0].Retire()
		time.Sleep(3 * time.Second)
		require.True(t, m.nodes[0].KnownToLeave())
		require.Equal(t, pool.Retiring, m.nodes[0].Step())
		m.servers[0].Pause()
		m.servers[1].Kill()
		op := store(protocol.Set, "k", "v")
		do(m.route, op)
		var failed *pool.Error
		require.ErrorAs(t, op.Err, &failed)
		require.Equal(t, pool.Ambiguous, failed.Outcome)
		m.servers[0].Resume()
	})
}

// The same of a node that leaves before its way in was over. A write that depends on the item may find none: what the next
// node had was cleared before.
func TestMovingFromARecalledNodeThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, at := range []pool.Step{pool.Filling, pool.Settling} {
			m := newMoving(t)
			m.until(at)
			m.nodes[0].Retire()
			m.servers[0].Kill()
			require.Equal(t, pool.Recalled, m.nodes[0].Step())
			m.storesNothingYet(t)
			for range 20 {
				for _, c := range []protocol.Command{protocol.Delete, protocol.Add, protocol.Set} {
					op := store(c, "k", "v")
					do(Available(AllSync(Fixed(m.route))), op)
					require.NoError(t, op.Err, "%s, %s", c, m.nodes[0].Step())
				}
				op := get("k")
				do(m.route, op)
				require.NoError(t, op.Err)
				require.Equal(t, "v", string(op.Value))
				time.Sleep(time.Second)
			}
		}
	})
}

func TestNewWalkRefuses(t *testing.T) {
	n := pool.NewNode(pool.Config{Addr: "10.0.0.1"})
	defer n.Close()
	_, err := NewWalk(nil, 1, "", 0, nil)
	require.ErrorIs(t, err, ErrNoMembers)
	_, err = NewWalk([]Member{{Route: n, Name: "n"}}, 0, "", 0, nil)
	require.ErrorIs(t, err, ErrBadReplica)
	_, err = NewWalk([]Member{{Route: &fake{}, Name: "n"}}, 1, "", 0, nil)
	require.ErrorIs(t, err, ErrNotNode)
	_, err = NewWalk([]Member{{Route: n, Name: "n"}, {Route: n, Name: "n"}}, 1, "", 0, nil)
	require.ErrorIs(t, err, ErrSameName)
	_, err = NewWalk([]Member{{Route: n, Name: "n"}, {Route: n, Name: "n", Leaving: true}}, 1, "", 0, nil)
	require.NoError(t, err)
}
