package pool

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// stepsOf returns the steps that a node is at, and for how long, until it has been at one for a minute.
func stepsOf(n *Node) (steps []Step, lasted []time.Duration) {
	const pause = 100 * time.Millisecond
	for len(lasted) == 0 || lasted[len(lasted)-1] < 2*time.Minute {
		if s := n.Step(); len(steps) == 0 || s != steps[len(steps)-1] {
			steps, lasted = append(steps, s), append(lasted, 0)
		}
		lasted[len(lasted)-1] += pause
		time.Sleep(pause)
	}
	return steps, lasted
}

// The way in is the same for all processes, within the second that a node's clock counts, whenever they have started.
func TestStepsIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		first := process(t, s, nil)
		require.Equal(t, Unmet, first.Step())
		_, known := first.ServingSince()
		require.False(t, known)
		meetNode(t, first)
		all := []*Node{first}
		for range 20 {
			time.Sleep(700 * time.Millisecond)
			n := process(t, s, nil)
			meetNode(t, n)
			all = append(all, n)
			for _, n := range all {
				require.InDelta(t, int(first.Step()), int(n.Step()), 1)
				since, ok := n.ServingSince()
				require.Equal(t, !n.Joining(), ok)
				if want, _ := first.ServingSince(); ok && !first.Joining() {
					require.LessOrEqual(t, since.Sub(want).Abs(), 1100*time.Millisecond)
				}
			}
		}
		n := process(t, startFake(t, memcachetest.WithPipe()), nil)
		meetNode(t, n)
		steps, lasted := stepsOf(n)
		require.Equal(t, []Step{Entering, Filling, Settling, Serving}, steps)
		for _, d := range lasted {
			require.Greater(t, d, quarantineTime+time.Second)
		}
		n = process(t, startFake(t, memcachetest.WithPipe()), func(c *Config) { c.WarmUp = 0 })
		meetNode(t, n)
		steps, lasted = stepsOf(n)
		require.Equal(t, []Step{Entering, Filling}, steps[:2])
		require.GreaterOrEqual(t, lasted[1], DefaultWarmUp)
		plain := newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext})
		require.Equal(t, Serving, plain.Step())
	})
}

// The way out begins with a step in which the node is used as ever, and is over for one that restarts.
func TestStepsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		n := process(t, s, nil)
		meetNode(t, n)
		time.Sleep(time.Minute)
		require.Equal(t, Serving, n.Step())
		takes := n.Retire()
		require.Equal(t, takes, n.Retire())
		mustSet(t, n, "k", "v")
		steps, lasted := stepsOf(n)
		require.Equal(t, []Step{Retiring, Draining, Retired}, steps)
		require.Equal(t, takes, lasted[0]+lasted[1]+n.cfg.stepTime())
		requireHit(t, get(t.Context(), n, "k"), "v")

		n = process(t, s, nil)
		meetNode(t, n)
		require.Equal(t, takes, n.Retire())
		s.Kill()
		s.Start()
		meetNode(t, n)
		require.Equal(t, Retired, n.Step())
	})
}

// A node that leaves before its way in is over may still be filled by others, so it is Recalled first.
func TestStepsOutOfANodeThatWasOnItsWayIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, at := range []Step{Filling, Settling} {
			s := startFake(t, memcachetest.WithPipe())
			n := process(t, s, nil)
			meetNode(t, n)
			for n.Step() != at {
				time.Sleep(100 * time.Millisecond)
			}
			takes := n.Retire()
			steps, lasted := stepsOf(n)
			require.Equal(t, []Step{Recalled, Retiring, Draining, Retired}, steps)
			require.Equal(t, n.cfg.stepTime(), lasted[0])
			require.Equal(t, takes, lasted[0]+lasted[1]+lasted[2]+n.cfg.stepTime())
		}
	})
}

// A restart begins the way in again.
func TestStepsAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		n := process(t, s, nil)
		meetNode(t, n)
		time.Sleep(time.Minute + time.Second)
		require.Equal(t, Serving, n.Step())
		s.Kill()
		s.Start()
		meetNode(t, n)
		require.Equal(t, Entering, n.Step())
		time.Sleep(time.Minute + time.Second)
		require.Equal(t, Serving, n.Step())
	})
}

// A node that has lost its mark is marked anew by who connects next, and those that are connected still use it. They learn
// of the mark before the other stores anything in its place.
func TestALostMarkIsNoticedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		user, plain := process(t, s, nil), newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext})
		meetNode(t, user)
		time.Sleep(time.Minute + time.Second)
		require.NoError(t, do(t.Context(), plain, protocol.Request{Command: protocol.FlushAll}).Err)
		time.Sleep(time.Millisecond)
		other := process(t, s, nil)
		meetNode(t, other)
		require.Equal(t, Returning, other.Step())
		require.Equal(t, Serving, user.Step())
		for user.Step() == Serving {
			require.Equal(t, Returning, other.Step())
			time.Sleep(10 * time.Millisecond)
		}
		require.Equal(t, Returning, user.Step())
		g, _ := user.Generation()
		require.Equal(t, g, other.Stats().Generation)
		time.Sleep(time.Minute)
		require.Equal(t, Serving, user.Step())

		// Where nobody new comes, the mark is written again, and nothing happens; who flushes does so at once.
		require.NoError(t, do(t.Context(), plain, protocol.Request{Command: protocol.FlushAll}).Err)
		time.Sleep(2 * quarantineTime)
		late := process(t, s, nil)
		meetNode(t, late)
		require.Equal(t, Serving, late.Step())
		require.NoError(t, do(t.Context(), user, protocol.Request{Command: protocol.FlushAll}).Err)
		synctest.Wait()
		late = process(t, s, nil)
		meetNode(t, late)
		require.Equal(t, Serving, late.Step())
	})
}

// A process that connects after a flush takes the node for new. If its mark is lost by another flush, before those who are connected
// have seen it, they write the old one again and go on using the node: then it must not wait, and store elsewhere, by itself.
func TestANewMarkThatIsLostEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startFake(t, memcachetest.WithPipe())
		connected := process(t, s, nil)
		meetNode(t, connected)
		time.Sleep(time.Minute + time.Second) // between two looks at the mark
		plain := newTestNode(t, Config{Addr: s.Addr(), Dial: s.DialContext})
		mustSet(t, plain, "k", "v") // it is in use
		flush := func() { require.NoError(t, do(t.Context(), plain, protocol.Request{Command: protocol.FlushAll}).Err) }
		flush()
		late := process(t, s, nil)
		meetNode(t, late)
		require.Equal(t, Returning, late.Step())
		flush()
		time.Sleep(2 * quarantineTime)
		synctest.Wait()
		require.Equal(t, Serving, connected.Step())
		require.Equal(t, Serving, late.Step())
		require.False(t, late.Joining())
		want, _ := connected.Generation()
		got, _ := late.Generation()
		require.Equal(t, want, got)
	})
}
