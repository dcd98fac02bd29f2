package route

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

func newMovingLate(t *testing.T) *moving {
	m := newMoving(t)
	b := NewBackground(1)
	t.Cleanup(func() { b.Close() })
	m.route.late = NewLateClears(b)
	m.route.late.Follow(Fixed(m.route))
	return m
}

// newMissedDelete has a key deleted that moves, which the node that had it before has missed.
func newMissedDelete(t *testing.T) *moving {
	m := newMovingLate(t)
	m.until(pool.Filling)
	do(m.plain[1], store(protocol.Set, "k", "old"))
	m.servers[1].Inject(memcachetest.Hang())
	remove := &Op{Request: protocol.Request{Command: protocol.Delete, Key: "k"}, Hash: HashKey("k")}
	do(m.route, remove)
	require.ErrorIs(t, remove.Err, ErrPartialWrite)
	return m
}

// What another process, which reaches that node, has filled the home with is not read, and does not stay.
func TestMovingReadsNothingThatMissedADelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMissedDelete(t)
		do(m.plain[0], store(protocol.Set, "k", "old"))
		for _, read := range []*Op{get("k"), {Request: protocol.Request{Command: protocol.GetAndTouch, Key: "k", Exptime: 50, Meta: protocol.ReturnValue}}} {
			read.Hash = HashKey("k")
			do(m.route, read)
			require.True(t, isMiss(read), "%v %s", read.Err, read.Value)
		}
		m.servers[1].Heal()
		time.Sleep(time.Second)
		require.Equal(t, "|", m.at(t, "k"))
		do(m.plain[0], store(protocol.Set, "k", "new"))
		require.Equal(t, "new", value(t, m.route, "k"), "nothing is waited for any more")
	})
}

// What this process has stored itself is read, as long as the home has that and nothing else, and stays.
func TestMovingReadsWhatIsStoredAfterAMissedDelete(t *testing.T) {
	for name, write := range map[string]*Op{
		"set": store(protocol.Set, "k", "7"), "add": store(protocol.Add, "k", "7"),
		"increment": {Request: protocol.Request{Command: protocol.Increment, Key: "k", Delta: 1, Initial: 7, Meta: protocol.WithInitial | protocol.Vivify}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMissedDelete(t)
				write.Hash = HashKey("k")
				do(m.route, write)
				require.ErrorIs(t, write.Err, ErrPartialWrite)
				require.Equal(t, "7", value(t, m.route, "k"))
				m.servers[1].Heal()
				time.Sleep(time.Second)
				require.Equal(t, "7|", m.at(t, "k"))
			})
		})
	}
}

// An item that the home has lost is filled by another process with what that node still has.
func TestMovingReadsNothingOldForWhatItsHomeLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMissedDelete(t)
		do(m.route, store(protocol.Set, "k", "new"))
		do(m.plain[0], store(protocol.Set, "k", "old"))
		read := get("k")
		do(m.route, read)
		require.True(t, isMiss(read), "%v %s", read.Err, read.Value)
		m.servers[1].Heal()
		time.Sleep(time.Second)
		require.Equal(t, "|", m.at(t, "k"))
		do(m.plain[0], store(protocol.Set, "k", "newer"))
		require.Equal(t, "newer", value(t, m.route, "k"), "nothing is waited for any more")
	})
}

// Who has not been told where keys are clears where they were.
func TestLateClearsWithoutAPlacement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMissedDelete(t)
		m.route.late.Follow(nil)
		do(m.plain[0], store(protocol.Set, "k", "old"))
		m.servers[1].Heal()
		time.Sleep(time.Second)
		require.Equal(t, "|", m.at(t, "k"))
	})
}

// A write that reaches all ends the wait.
func TestMovingWaitsForNobodyWhoHasTheNextWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMissedDelete(t)
		m.servers[1].Heal()
		synctest.Wait()
		write := store(protocol.Set, "k", "new")
		do(m.route, write)
		require.NoError(t, write.Err)
		require.Empty(t, m.route.late.waiting)
		require.Empty(t, m.route.late.keys)
	})
}

// The same when the home has missed it: who is a step ahead may have filled the next home from there.
func TestMovingReadsNothingWhenTheHomeMissedADelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMovingLate(t)
		m.until(pool.Entering)
		do(m.plain[1], store(protocol.Set, "k", "old"))
		m.servers[1].Inject(memcachetest.Hang())
		remove := &Op{Request: protocol.Request{Command: protocol.Delete, Key: "k"}, Hash: HashKey("k")}
		do(m.route, remove)
		require.Error(t, remove.Err)
		do(m.plain[0], store(protocol.Set, "k", "old"))
		m.servers[1].Heal()
		time.Sleep(time.Second)
		require.Equal(t, "|", m.at(t, "k"))
	})
}

// beginning places a key on two nodes until its home has been asked; then it moves between them.
type beginning struct {
	*moving
	moves bool
}

func (b *beginning) Replicas(*Op) Replicas {
	if b.moves {
		return Replicas{All: []Route{b.route, nobody}}
	}
	return Replicas{All: []Route{startsToMove{b}, b.nodes[1]}}
}

// startsToMove is the first node, which begins to leave while it is asked.
type startsToMove struct{ b *beginning }

func (s startsToMove) Do(ctx context.Context, ops []*Op) {
	s.b.nodes[0].Do(ctx, ops)
	s.b.nodes[0].Retire()
	s.b.moves = true
}

// homeTrees are the routes that write at a key's home and clear the rest; nobody waits for a home there.
func homeTrees(t *testing.T) map[string]func(Placement) Route {
	return map[string]func(Placement) Route{
		"at home": AtHome,
		"coherent": func(p Placement) Route {
			b := NewBackground(1)
			b.Close()
			r, err := Coherent(p, NewLateClears(b))
			require.NoError(t, err)
			return r
		},
	}
}

// A write at its key's home clears the replicas that it began with, though they are replicas no more when the home has answered.
func TestAWriteDuringWhichItsKeyBeginsToMove(t *testing.T) {
	for name, tree := range homeTrees(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMoving(t)
				m.until(pool.Serving)
				for _, r := range m.plain {
					do(r, store(protocol.Set, "k", "old"))
				}
				require.True(t, isHit(done(t, tree(&beginning{moving: m}), store(protocol.Append, "k", "er"))))
				require.Equal(t, "older|", m.at(t, "k"))
			})
		})
	}
}

// The same where the nodes that it moves between were no replicas yet.
func TestAWriteClearsNodesThatItsKeyBeginsToMoveBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoving(t)
		m.until(pool.Serving)
		do(m.plain[1], store(protocol.Set, "k", "old"))
		begins := &beginning{moving: m}
		at := placed{all: []Route{startsToMove{begins}}}
		op := get("k")
		require.Empty(t, at.begun(begins, op))
		startsToMove{begins}.Do(t.Context(), []*Op{op})
		require.Equal(t, m.nodes[1:], at.begun(begins, op))
	})
}

// Where the home cannot be reached, the places of replicas that are not used have not done the write.
func TestNobodyAcknowledgesAWriteThatItsHomeHasNot(t *testing.T) {
	for name, tree := range homeTrees(t) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMoving(t)
				m.until(pool.Entering)
				m.servers[1].Kill()
				synctest.Wait()
				op := store(protocol.Add, "k", "v")
				if name == "coherent" {
					op = store(protocol.Set, "k", "v")
				}
				do(Available(tree(Fixed(m.route, nobody))), op)
				require.ErrorIs(t, op.Err, pool.ErrNodeDown)
				require.NotErrorIs(t, op.Err, ErrPartialWrite)
			})
		})
	}
}

// Whoever wants to know the CAS of what he stores is told it while the key moves, also where nothing is cleared late.
func TestMovingTellsTheCASThatIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMoving(t)
		m.until(pool.Filling)
		write := store(protocol.Set, "k", "v")
		write.WantCAS = true
		do(m.route, write)
		require.NoError(t, write.Err)
		require.NotZero(t, write.Reply.CAS)
	})
}
