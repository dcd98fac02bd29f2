package route

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// coherentAt returns the route of a process that reads the replica at read first.
func coherentAt(t *testing.T, read int, routes ...Route) Route {
	t.Helper()
	b := NewBackground(10)
	r, err := Coherent(readingAt(read, routes), NewLateClears(b))
	require.NoError(t, err)
	return r
}

// done serves op, and requires that it does not fail.
func done(t *testing.T, r Route, op *Op) *Op {
	t.Helper()
	do(r, op)
	require.NoError(t, op.Err)
	return op
}

func value(t *testing.T, r Route, key string) string {
	t.Helper()
	return string(done(t, r, get(key)).Value)
}

// eachThree runs a test over three nodes in process, and over three of memcached.
func eachThree(t *testing.T, test func(t *testing.T, nodes []*pool.Node, routes []Route)) {
	t.Run("in process", func(t *testing.T) {
		_, nodes, routes := realNodes(t, 3)
		test(t, nodes, routes)
	})
	t.Run("memcached", func(t *testing.T) {
		_, nodes, routes := memcacheds(t, 3)
		test(t, nodes, routes)
	})
}

// forgetAll removes what an earlier test has left.
func forgetAll(routes []Route) {
	for _, r := range routes {
		do(r, asks(protocol.Delete, "k"))
	}
}

func TestCoherentNeedsParts(t *testing.T) {
	_, err := Coherent(nil, NewLateClears(NewBackground(1)))
	require.ErrorIs(t, err, ErrNoPart)
	_, err = Coherent(Fixed(Null()), nil)
	require.ErrorIs(t, err, ErrNoPart)
}

// Every write takes effect at the home, and the copies that others have are gone when it returns.
func TestCoherentWrites(t *testing.T) {
	eachThree(t, testCoherentWrites)
}

func testCoherentWrites(t *testing.T, nodes []*pool.Node, routes []Route) {
	type row struct {
		name string
		op   func(home Route) *Op
		want string // at the home
		keep bool   // nothing was changed: the copies stay
	}
	with := func(c protocol.Command, value string) func(Route) *Op {
		return func(Route) *Op { return store(c, "k", value) }
	}
	touching := func(c protocol.Command, meta protocol.MetaFlags) func(Route) *Op {
		return func(Route) *Op {
			op := &Op{Request: protocol.Request{Command: c, Key: "k", Meta: meta, Exptime: 100}, Hash: HashKey("k")}
			return op
		}
	}
	swap := func(better uint64) func(Route) *Op {
		return func(home Route) *Op {
			read := get("k")
			do(home, read)
			op := asks(CompareAndSwap, "k")
			op.Request.Value, op.Request.CAS, op.Token = []byte("3"), read.Reply.CAS+better, read.Token
			return op
		}
	}
	rows := []row{
		{"set", with(protocol.Set, "2"), "2", false},
		{"delete", func(Route) *Op { return asks(protocol.Delete, "k") }, "", false},
		{"append", with(protocol.Append, "2"), "12", false},
		{"replace", with(protocol.Replace, "2"), "2", false},
		{"add", with(protocol.Add, "2"), "1", true},
		{"increment", func(Route) *Op {
			op := asks(protocol.Increment, "k")
			op.Request.Value, op.Request.Delta = nil, 4
			return op
		}, "5", false},
		{"compare-and-swap", swap(0), "3", false},
		{"compare-and-swap of what has changed", swap(7), "1", true},
		{"touch", touching(protocol.Touch, 0), "1", false},
		{"get-and-touch", touching(protocol.GetAndTouch, readFlags), "1", false},
		{"get that touches", touching(protocol.Get, readFlags|protocol.UpdateTTL), "1", false},
		{"flush", func(Route) *Op { return &Op{Request: protocol.Request{Command: protocol.FlushAll}} }, "", false},
	}
	for _, c := range rows {
		t.Run(c.name, func(t *testing.T) {
			forgetAll(routes)
			tree := coherentAt(t, 1, routes...)
			done(t, tree, store(protocol.Set, "k", "1"))
			for i := range routes {
				require.Equal(t, "1", value(t, coherentAt(t, i, routes...), "k"))
			}
			require.Equal(t, []string{"1", "1", "1"}, valuesAt(routes, "k"))

			op := done(t, tree, c.op(routes[0]))
			require.Same(t, nodes[0], op.Node)
			if c.keep {
				require.Equal(t, []string{c.want, "1", "1"}, valuesAt(routes, "k"))
			} else {
				require.Equal(t, []string{c.want, "", ""}, valuesAt(routes, "k"))
			}
			for i := range routes {
				require.Equal(t, c.want, value(t, coherentAt(t, i, routes...), "k"), i)
			}
		})
	}
}

// The home comes first, and only then all others together.
func TestCoherentOrder(t *testing.T) {
	var log []string
	logging := func(name string) *fake {
		return &fake{answer: func(op *Op) {
			log = append(log, fmt.Sprint(name, " ", op.Request.Command))
			says(protocol.OK)(op)
		}}
	}
	home := logging("home")
	one := &fake{}
	done(t, coherentAt(t, 1, home, logging("replica")), store(protocol.Set, "k", "v"))
	require.Equal(t, []string{"home set", "replica delete"}, log)

	done(t, coherentAt(t, 0, one), store(protocol.Set, "k", "v"))
	require.Equal(t, []protocol.Command{protocol.Set}, one.commands(), "a single replica")
}

// A reader asks its replica, fills it from the home, and then needs the home no more.
func TestCoherentReads(t *testing.T) {
	eachThree(t, func(t *testing.T, nodes []*pool.Node, routes []Route) {
		tree := coherentAt(t, 2, routes...)
		done(t, tree, setting("k", "v", 7, 100))
		require.Same(t, nodes[0], done(t, tree, get("k")).Node)
		op := done(t, tree, get("k"))
		require.Same(t, nodes[2], op.Node)
		require.Equal(t, uint32(7), op.Reply.Flags)
		require.Equal(t, []string{"v", "", "v"}, valuesAt(routes, "k"), "only the reader's replica is filled")

		update := asks(GetForUpdate, "k")
		update.Request.Value, update.Request.Meta = nil, readFlags
		require.Same(t, nodes[0], done(t, tree, update).Node)
		leasing := get("other")
		leasing.Request.Meta |= protocol.Vivify
		leasing.Request.VivifyTTL = 30
		require.Same(t, nodes[0], done(t, tree, leasing).Node)
		require.True(t, leasing.Reply.Has(protocol.Won))
		lease(t, nodes[2], "stub")
		exists := get("stub")
		exists.Request.Meta = protocol.ReturnTTL
		require.True(t, isMiss(done(t, tree, exists)))

		require.True(t, isMiss(done(t, tree, get("absent"))))
		isAbsent(t, nodes[2], "absent")
	})
}

// What a replica has though the home has lost it is the last value, and a delete removes it.
func TestCoherentHomeEvicts(t *testing.T) {
	eachThree(t, func(t *testing.T, nodes []*pool.Node, routes []Route) {
		tree := coherentAt(t, 1, routes...)
		done(t, tree, store(protocol.Set, "k", "v"))
		value(t, tree, "k")
		do(nodes[0], asks(protocol.Delete, "k"))
		require.Equal(t, "v", value(t, tree, "k"))

		require.Equal(t, protocol.OK, done(t, tree, asks(protocol.Delete, "k")).Reply.Status, "a replica had it")
		require.Equal(t, protocol.Miss, done(t, tree, asks(protocol.Delete, "k")).Reply.Status)
		require.Equal(t, []string{"", "", ""}, valuesAt(routes, "k"))
	})
}

// A value that is too large removes the one that was there, so no copy of it may stay.
func TestCoherentTooLarge(t *testing.T) {
	eachThree(t, func(t *testing.T, _ []*pool.Node, routes []Route) {
		tree := coherentAt(t, 1, routes...)
		done(t, tree, store(protocol.Set, "k", "v"))
		value(t, tree, "k")
		op := store(protocol.Set, "k", string(make([]byte, 1<<20)))
		do(Available(tree), op)
		var refused *protocol.ServerError
		require.ErrorAs(t, op.Err, &refused)
		require.Equal(t, []string{"", "", ""}, valuesAt(routes, "k"))
	})
}

// The schedules of a fill and a write that meet: the write begins at a moment of the fill, or the fill at one of the write.
func TestCoherentFillMeetsWrite(t *testing.T) {
	eachThree(t, func(t *testing.T, _ []*pool.Node, routes []Route) { testFillMeetsWrite(t, routes) })
}

func testFillMeetsWrite(t *testing.T, routes []Route) {
	writes := map[string]func() *Op{
		"set":    func() *Op { return store(protocol.Set, "k", "new") },
		"delete": func() *Op { return asks(protocol.Delete, "k") },
		"append": func() *Op { return store(protocol.Append, "k", "!") },
	}
	after := map[string]string{"set": "new", "delete": "", "append": "old!"}
	for name, write := range writes {
		// In run, the write meets a request of the reader's, or a read meets a request of the writer's.
		run := func(what string, reading, writing func(t *testing.T, f func(), routes []Route) []Route) {
			t.Run(name+" "+what, func(t *testing.T) {
				forgetAll(routes)
				done(t, routes[0], store(protocol.Set, "k", "old"))
				writer, reader := coherentAt(t, 2, routes...), coherentAt(t, 1, routes...)
				once := false
				if reading != nil {
					hooked := coherentAt(t, 1, reading(t, func() {
						if !once {
							once = true
							done(t, writer, write())
						}
					}, routes)...)
					done(t, hooked, get("k"))
				} else {
					hooked := coherentAt(t, 2, writing(t, func() { done(t, reader, get("k")) }, routes)...)
					done(t, hooked, write())
					once = true
				}
				require.True(t, once, "the two have met")
				for i := range routes {
					require.Equal(t, after[name], value(t, coherentAt(t, i, routes...), "k"), "read at %d", i)
				}
			})
		}
		replace := func(i int, make func(r Route, f func()) Route) func(*testing.T, func(), []Route) []Route {
			return func(_ *testing.T, f func(), routes []Route) []Route {
				list := append([]Route{}, routes...)
				list[i] = make(list[i], f)
				return list
			}
		}
		run("between the lease and the read at the home", replace(0, func(r Route, f func()) Route {
			return &between{Route: r, before: at(protocol.Get, f)}
		}), nil)
		run("between the read at the home and the fill", replace(0, func(r Route, f func()) Route {
			return &between{Route: r, after: at(protocol.Get, f)}
		}), nil)
		run("just before the fill arrives", replace(1, func(r Route, f func()) Route {
			return &between{Route: r, before: at(protocol.Set, f)}
		}), nil)
		run("just after the fill", replace(1, func(r Route, f func()) Route {
			return &between{Route: r, after: at(protocol.Set, f)}
		}), nil)
		run("met by a whole fill before it reaches the home", nil, replace(0, func(r Route, f func()) Route {
			return &between{Route: r, before: func(op *Op) { f() }}
		}))
		run("met by a whole fill between home and clears", nil, replace(0, func(r Route, f func()) Route {
			return &between{Route: r, after: func(op *Op) { f() }}
		}))
		run("met by a whole fill after the clear", nil, replace(1, func(r Route, f func()) Route {
			return &between{Route: r, after: at(protocol.Delete, f)}
		}))
	}
}

// While the first replica is joining, the next is the home: it is written after the first was cleared, which is cleared
// again, and reads fill nothing.
func TestCoherentJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes, routes := joiningNodes(t, 0)
		tree := coherentAt(t, 2, routes...)
		op := done(t, tree, store(protocol.Set, "k", "v"))
		require.Same(t, nodes[1], op.Node)
		require.False(t, op.Cleared)
		for range 2 {
			require.Same(t, nodes[1], done(t, tree, get("k")).Node, "no fill")
		}
		done(t, nodes[2], store(protocol.Set, "k", "v"))
		require.Same(t, nodes[2], done(t, tree, get("k")).Node, "a copy is as good as ever")
		do(nodes[2], asks(protocol.Delete, "k"))
		lease(t, nodes[2], "k") // of a process that still fills
		for _, flags := range []protocol.MetaFlags{readFlags, readFlags | protocol.ReturnTTL} {
			op = get("k")
			op.Request.Meta = flags
			require.Equal(t, "v", string(done(t, tree, op).Value), flags)
			require.Same(t, nodes[1], op.Node)
		}
		op = done(t, tree, store(protocol.Append, "k", "!"))
		require.Same(t, nodes[1], op.Node)
		require.Equal(t, []string{"", "v!", ""}, valuesAt(routes, "k"))
	})
}

// joining is a route that stands for a node that is, and one that is not known to be before it was asked.
type joining struct {
	Route
	now bool
}

func (j *joining) Joining() bool { return j.now }

func TestCoherentClearsBeforeHome(t *testing.T) {
	var log []string
	logging := func(name string, answer func(*Op)) *fake {
		return &fake{answer: func(op *Op) {
			log = append(log, fmt.Sprint(name, " ", op.Request.Command))
			answer(op)
		}}
	}
	ok := says(protocol.OK)
	a := &joining{logging("a", ok), true}
	done(t, coherentAt(t, 1, a, logging("b", ok)), store(protocol.Set, "k", "v"))
	require.Equal(t, []string{"a delete", "b set", "a delete"}, log)

	log = nil
	found := &joining{now: false}
	found.Route = logging("a", func(op *Op) {
		ok(op)
		if !found.now {
			found.now = true
			failsWith("a", pool.NotSent, pool.ErrJoining)(op)
		}
	})
	done(t, coherentAt(t, 1, found, logging("b", ok)), store(protocol.Set, "k", "v"))
	require.Equal(t, []string{"a set", "a delete", "b set", "a delete"}, log)

	log = nil
	first := true
	flaky := &joining{logging("a", func(op *Op) {
		ok(op)
		if first {
			first = false
			down(op)
		}
	}), true}
	op := store(protocol.Set, "k", "v")
	do(coherentAt(t, 1, flaky, logging("b", ok)), op)
	require.Equal(t, []string{"a delete", "b set", "a delete"}, log)
	var failed *WriteError
	require.ErrorAs(t, op.Err, &failed, "the clear before may have been needed")
	require.Equal(t, 1, failed.Acked)
	require.Len(t, failed.Failed, 1)
}

func TestCoherentAllJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, routes := joiningNodes(t, 0, 1, 2)
		tree := coherentAt(t, 1, routes...)
		require.True(t, done(t, tree, store(protocol.Set, "k", "v")).Cleared)
		for _, op := range []*Op{get("k"), asks(protocol.Delete, "k"), asks(protocol.Touch, "k"), asks(protocol.GetAndTouch, "k")} {
			op.Request.Value = nil
			require.True(t, isMiss(done(t, tree, op)), op.Request.Command)
		}
		add := store(protocol.Add, "k", "v")
		do(tree, add)
		require.ErrorIs(t, add.Err, pool.ErrJoining)
	})
}

// Whether an op fills is decided once, though what it depends on may change at any moment.
func TestCoherentSettlesAllWhileHomesChange(t *testing.T) {
	_, routes := fakes(hit("v"), hit("v"))
	home := &flickering{Route: routes[0]}
	tree := coherentAt(t, 1, home, routes[1])
	for range 50 {
		ops := gets(keys(7)...)
		do(tree, ops...)
		for _, op := range ops {
			require.Equal(t, "v", string(op.Value))
		}
	}
}

// flickering is joining every other time that it is asked.
type flickering struct {
	Route
	asked int
}

func (f *flickering) Joining() bool {
	f.asked++
	return f.asked%2 == 0
}

// A batch of all kinds, over keys with homes of their own.
func TestCoherentBatch(t *testing.T) {
	eachThree(t, func(t *testing.T, nodes []*pool.Node, routes []Route) {
		members := make([]Member, len(nodes))
		for i, n := range nodes {
			members[i] = Member{Route: n, Name: n.Name()}
		}
		slots, err := NewSlots(members, 3, nodes[1].Name())
		require.NoError(t, err)
		b := NewBackground(10)
		defer b.Close()
		tree, err := Coherent(slots, NewLateClears(b))
		require.NoError(t, err)
		var sets []*Op
		for _, key := range keys(600) {
			sets = append(sets, store(protocol.Set, key, "v"+key))
		}
		do(tree, sets...)
		for range 2 {
			ops := gets(keys(601)...)
			for i := 5; i < 600; i += 10 {
				ops[i] = store(protocol.Append, ops[i].Request.Key, "!")
			}
			do(tree, ops...)
			for i, op := range ops {
				require.NoError(t, op.Err)
				if op.Request.Command == protocol.Get && i < 600 {
					require.Equal(t, "v"+op.Request.Key, string(op.Value))
				}
			}
			require.True(t, isMiss(ops[600]))
		}
		last := gets(keys(600)...)
		do(tree, last...)
		for i, op := range last {
			if i%10 != 5 {
				require.Same(t, nodes[1], op.Node, "all are filled")
			}
		}
	})
}

func TestCoherentExplain(t *testing.T) {
	_, routes := fakes(nil, nil, nil)
	tree := coherentAt(t, 2, routes...)
	require.Equal(t, `coherent
  route.fake
  fill: what it does not have, under a lease
    route.fake
`, Explain(tree, get("k")).String())
	require.Equal(t, `coherent
  home
    route.fake
  clear: when the home has answered
    route.fake
    route.fake
`, Explain(tree, store(protocol.Set, "k", "v")).String())
	require.Equal(t, "route.fake", Explain(tree, asks(GetForUpdate, "k")).Next[0].Route)

	tree = coherentAt(t, 1, &joining{routes[0], true}, routes[1])
	require.Equal(t, "clear", Explain(tree, store(protocol.Set, "k", "v")).Next[0].Route)
	require.Equal(t, "failover", Explain(tree, get("k")).Next[0].Route)
}

// silent has every value.
type silent struct{}

func (*silent) Do(_ context.Context, ops []*Op) {
	for _, op := range ops {
		op.Err, op.Reply = nil, protocol.Reply{Status: protocol.OK, Block: 1}
	}
}

// A read that finds its copy allocates nothing here.
func TestCoherentAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	tree := coherentAt(t, 1, &silent{}, &silent{})
	ops := []*Op{get("k")}
	require.Zero(t, testing.AllocsPerRun(100, func() { tree.Do(t.Context(), ops) }))
}
