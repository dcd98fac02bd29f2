package discovery

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

var errDown = errors.New("the resolver is down")

// script is a source that answers what a test has set last, after a delay.
type script struct {
	mu    sync.Mutex
	nodes []Node
	err   error
	delay time.Duration
	asked []time.Time
}

func (s *script) Nodes(ctx context.Context) ([]Node, error) {
	s.mu.Lock()
	s.asked = append(s.asked, time.Now())
	nodes, err, delay := s.nodes, s.err, s.delay
	s.mu.Unlock()
	if delay > 0 && !sleep(ctx, delay) {
		return nil, ctx.Err()
	}
	return nodes, err
}

func (s *script) set(err error, addrs ...string) { s.say(StaticAddrs(addrs...), err) }

func (s *script) say(nodes []Node, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodes, s.err = nodes, err
}

// times returns when the source was asked since the last call.
func (s *script) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// following is a Follower at work, with what it has said.
type following struct {
	*Follower
	cancel context.CancelFunc
	ended  chan error

	mu     sync.Mutex
	lists  [][]string
	events []Event
}

func follow(t *testing.T, cfg Config) *following {
	f := &following{ended: make(chan error, 1)}
	cfg.OnEvent = func(e Event) { f.note(nil, &e) }
	var err error
	f.Follower, err = NewFollower(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	go func() { f.ended <- f.Run(ctx, func(list []Node) { f.note(summary(list), nil) }) }()
	return f
}

func (f *following) note(list []string, e *Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e != nil {
		f.events = append(f.events, *e)
		return
	}
	f.lists = append(f.lists, list)
}

// after lets d pass and returns the lists and events of that time.
func (f *following) after(d time.Duration) ([][]string, []Event) {
	time.Sleep(d)
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	lists, events := f.lists, f.events
	f.lists, f.events = nil, nil
	return lists, events
}

func (f *following) stop(t *testing.T) {
	t.Helper()
	start := time.Now()
	f.cancel()
	require.ErrorIs(t, <-f.ended, context.Canceled)
	require.Zero(t, time.Since(start), "Run returns at once")
}

func TestFollowerHandsOnChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{}
		src.set(nil, "b", "a", "b:11211")
		f := follow(t, Config{Source: src})
		lists, events := f.after(0)
		require.Equal(t, [][]string{{"a:11211", "b:11211"}}, lists, "sorted, and each node once")
		require.Empty(t, events)

		src.set(nil, "a", "b")
		lists, _ = f.after(10 * time.Second)
		require.Empty(t, lists, "the order means nothing")
		require.InDelta(t, 10, len(src.times())-1, 2, "asked once a second, more or less")

		src.set(nil, "a", "c")
		lists, _ = f.after(1300 * time.Millisecond)
		require.Equal(t, [][]string{{"a:11211", "c:11211"}}, lists)
		src.say([]Node{{Addr: "a", Zone: "z"}, {Addr: "c", Meta: map[string]string{"rack": "7"}}}, nil)
		lists, _ = f.after(1300 * time.Millisecond)
		require.Len(t, lists, 1, "what is known of a node counts too")
		require.Equal(t, uint64(3), f.Status().Changes)
		f.stop(t)
		src.times()
		f.after(time.Minute)
		require.Empty(t, src.times(), "nobody asks afterwards")
	})
}

// What the caller does with a list, or the source with its own, changes nothing for the other.
func TestFollowerSharesNoList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{nodes: []Node{{Addr: "b"}, {Addr: "a"}}}
		f, err := NewFollower(Config{Source: src})
		require.NoError(t, err)
		calls := 0
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		require.ErrorIs(t, f.Run(ctx, func(list []Node) { calls++; list[0].Addr = "spoilt" }), context.DeadlineExceeded)
		require.Equal(t, 1, calls)
		require.Equal(t, "b", src.nodes[0].Addr)
		f.Nodes()[0].Addr = "spoilt"
		require.Equal(t, []string{"a:11211", "b:11211"}, summary(f.Nodes()))
	})
}

func TestFollowerKeepsTheLastGoodList(t *testing.T) {
	for name, bad := range map[string]struct {
		nodes []Node
		err   error
		want  error
	}{
		"error":                    {nil, errDown, errDown},
		"error beside a list":      {StaticAddrs("x"), errDown, errDown},
		"empty":                    {nil, nil, ErrNoNodes},
		"no such name":             {nil, noRecord("x"), ErrNoNodes},
		"too many":                 {StaticAddrs("a", "b", "c", "d"), nil, ErrTooManyNodes},
		"bad address":              {StaticAddrs("a", "a:b:c"), nil, ErrBadAddr},
		"one name, two addresses":  {[]Node{{Name: "n", Addr: "a"}, {Name: "n", Addr: "b"}}, nil, ErrDuplicateName},
		"two names, one address":   {[]Node{{Name: "n", Addr: "a"}, {Name: "m", Addr: "a"}}, nil, ErrDuplicateAddr},
		"weight under nothing":     {[]Node{{Addr: "a", Weight: -1}}, nil, ErrBadWeight},
		"an answer after too long": {nil, context.DeadlineExceeded, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &script{}
				src.set(nil, "a", "b")
				f := follow(t, Config{Source: src, MaxNodes: 3})
				f.after(0)
				src.say(bad.nodes, bad.err)
				lists, events := f.after(time.Minute)
				require.Empty(t, lists)
				require.Equal(t, []string{"a:11211", "b:11211"}, summary(f.Nodes()))
				require.NotEmpty(t, events)
				last := events[len(events)-1]
				require.ErrorIs(t, last.Err, bad.want)
				require.Equal(t, len(events), last.Failures)
				require.Equal(t, 2, last.Nodes)
				require.Greater(t, last.Age, 45*time.Second)
				status := f.Status()
				require.ErrorIs(t, status.LastErr, bad.want)
				require.Equal(t, time.Minute, status.Age)
				require.Equal(t, len(events), status.Failures)
				require.Equal(t, uint64(len(events)), status.Failed)

				src.set(nil, "a", "b")
				lists, events = f.after(15 * time.Second)
				require.Empty(t, lists, "it is the same list")
				require.Len(t, events, 1, "one event tells of the end of it")
				require.NoError(t, events[0].Err)
				require.Greater(t, events[0].Age, time.Minute)
				status = f.Status()
				require.Zero(t, status.Age)
				require.Zero(t, status.Failures)
				require.ErrorIs(t, status.LastErr, bad.want)
				f.stop(t)
			})
		})
	}
}

// A source that never answers makes no list, and says so from the first time on.
func TestFollowerWithoutAnyList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, Config{Source: &script{err: errDown}})
		lists, events := f.after(0)
		require.Empty(t, lists)
		require.Equal(t, []Event{{Err: errDown, Failures: 1}}, events)
		f.after(time.Minute)
		require.Equal(t, time.Minute, f.Status().Age)
		require.Empty(t, f.Nodes())
		f.stop(t)
	})
}

// A source that does not answer is asked less and less often, but never less than MaxBackoff says.
func TestFollowerBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{err: errDown}
		f := follow(t, Config{Source: Every(100*time.Millisecond, src), MaxBackoff: 5 * time.Second})
		f.after(5 * time.Minute)
		asked := src.times()
		for i := 1; i < len(asked); i++ {
			pause := asked[i].Sub(asked[i-1])
			full := min(100*time.Millisecond<<min(i-1, 10), 5*time.Second)
			require.GreaterOrEqual(t, pause, full/2, i)
			require.LessOrEqual(t, pause, full, i)
		}
		require.InDelta(t, 80, len(asked), 20)
		src.set(nil, "a")
		lists, _ := f.after(5 * time.Second)
		require.Len(t, lists, 1)
		src.times()
		f.after(10 * time.Second)
		require.InDelta(t, 100, len(src.times()), 20, "back at the interval")
		f.stop(t)
	})
}

// A source that answers that there is nobody is asked as often as ever: the first node should not have to wait.
func TestFollowerDoesNotBackOffFromEmptyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, src := range []*script{{}, {err: noRecord("x")}} {
			f := follow(t, Config{Source: src})
			f.after(100 * time.Second)
			require.InDelta(t, 100, len(src.times()), 20)
			f.stop(t)
		}
	})
}

// Intervals differ, so that processes that start together do not ask together for ever.
func TestFollowerJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{}
		src.set(nil, "a")
		f := follow(t, Config{Source: src})
		f.after(time.Hour)
		asked, pauses := src.times(), map[time.Duration]bool{}
		for i := 1; i < len(asked); i++ {
			pause := asked[i].Sub(asked[i-1])
			require.GreaterOrEqual(t, pause, 800*time.Millisecond)
			require.LessOrEqual(t, pause, 1200*time.Millisecond)
			pauses[pause] = true
		}
		require.Greater(t, len(pauses), 1000)
		f.stop(t)
	})
}

func TestFollowerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{delay: time.Hour}
		f := follow(t, Config{Source: src, Timeout: 3 * time.Second})
		_, events := f.after(3 * time.Second)
		require.Len(t, events, 1)
		require.ErrorIs(t, events[0].Err, context.DeadlineExceeded)
		f.after(1500 * time.Millisecond) // in the middle of the next look-up
		f.stop(t)
		require.Equal(t, uint64(1), f.Status().LookUps, "the end of Run is no failure")
	})
}

// pusher is a watcher whose watch runs a function.
type pusher struct {
	script
	watch func(ctx context.Context, yield func([]Node, error)) error
	began atomic.Int64
}

func (p *pusher) Watch(ctx context.Context, yield func([]Node, error)) error {
	p.began.Add(1)
	return p.watch(ctx, yield)
}

func TestFollowerTakesWhatIsPushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		push := make(chan func(yield func([]Node, error)))
		src := &pusher{watch: func(ctx context.Context, yield func([]Node, error)) error {
			for {
				select {
				case say := <-push:
					say(yield)
				case <-ctx.Done():
					yield(StaticAddrs("late"), nil)
					return ctx.Err()
				}
			}
		}}
		f := follow(t, Config{Source: src})
		push <- func(yield func([]Node, error)) { yield(StaticAddrs("b", "a"), nil); yield(StaticAddrs("a", "b"), nil) }
		lists, events := f.after(0)
		require.Equal(t, [][]string{{"a:11211", "b:11211"}}, lists)
		require.Empty(t, events)
		lists, _ = f.after(time.Hour)
		require.Empty(t, lists)
		require.Zero(t, f.Status().Age, "a watch that is well says nothing")

		push <- func(yield func([]Node, error)) {
			yield(nil, errDown)
			yield(nil, nil)
			yield(StaticAddrs("a"), errDown)
		}
		lists, events = f.after(0)
		require.Equal(t, [][]string{{"a:11211"}}, lists, "a list beside an error counts")
		require.Len(t, events, 3)
		require.ErrorIs(t, events[0].Err, errDown)
		require.ErrorIs(t, events[1].Err, ErrNoNodes)
		require.Equal(t, Event{Err: errDown, Failures: 3, Age: time.Hour, Nodes: 1}, events[2])
		push <- func(yield func([]Node, error)) { yield(StaticAddrs("a"), nil) }
		_, events = f.after(0)
		require.Equal(t, []Event{{Failures: 3, Age: time.Hour, Nodes: 1}}, events)
		f.stop(t)
		require.Equal(t, []string{"a:11211"}, summary(f.Nodes()), "nothing counts after the end")
		require.Empty(t, src.times(), "a watcher is not asked")
	})
}

// A watch that ends is begun again: soon if it has brought a list, else less and less often.
func TestFollowerWatchesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var works atomic.Bool
		src := &pusher{watch: func(_ context.Context, yield func([]Node, error)) error {
			if !works.Load() {
				return errDown
			}
			yield(StaticAddrs("a"), nil)
			return nil
		}}
		f := follow(t, Config{Source: src})
		_, events := f.after(5 * time.Minute)
		require.Len(t, events, int(src.began.Load()))
		require.InDelta(t, 42, len(events), 12)

		works.Store(true)
		f.after(10 * time.Second)
		src.began.Store(0)
		_, events = f.after(100 * time.Second)
		require.InDelta(t, 100, src.began.Load(), 20)
		require.ErrorIs(t, events[len(events)-1].Err, ErrWatchEnded)
		f.stop(t)
	})
}

func TestNewFollowerRefusesBadConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no source":        {},
		"negative timeout": {Source: Static{}, Timeout: -1},
		"negative backoff": {Source: Static{}, MaxBackoff: -1},
		"negative bound":   {Source: Static{}, MaxNodes: -1},
	} {
		_, err := NewFollower(cfg)
		require.ErrorIs(t, err, ErrBadConfig, name)
	}
}

// Status and Nodes can be read while lists come.
func TestFollowerIsSafeForConcurrentUse(t *testing.T) {
	src := &script{}
	src.set(nil, "a")
	f, err := NewFollower(Config{Source: Every(time.Microsecond, src)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- f.Run(ctx, func([]Node) {}) }()
	for f.Status().LookUps < 100 {
		require.LessOrEqual(t, len(f.Nodes()), 1)
	}
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestPaceStaysInBounds(t *testing.T) {
	for _, most := range []time.Duration{0, time.Second, 1<<63 - 1} {
		p := pace{interval: time.Second, most: most}
		for range 200 {
			pause := p.next(errDown)
			require.GreaterOrEqual(t, pause, time.Second/2)
			require.LessOrEqual(t, pause, max(time.Second, most))
		}
		require.InDelta(t, time.Second, p.next(nil), float64(time.Second/5))
	}
}
