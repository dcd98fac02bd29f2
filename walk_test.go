package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// fleet are processes that work on the same keys, one request after the other, so that what is true of a key is known: the
// last write. A read may miss, and must not find anything else.
type fleet struct {
	t         *testing.T
	random    *rand.Rand
	processes []process
	last      map[string]string // what is there, unless it was evicted; "": nothing

	reads, misses, stale, refusals int
}

func newFleet(t *testing.T, seed uint64, hosts []string, opts ...memcache.Option) *fleet {
	f := &fleet{t: t, random: rand.New(rand.NewPCG(seed, seed)), last: map[string]string{}}
	for range 2 {
		p := startProcess(t, hosts, opts...)
		t.Cleanup(func() { p.Close() })
		f.processes = append(f.processes, p)
	}
	return f
}

func (f *fleet) someone() process { return f.processes[f.random.IntN(len(f.processes))] }
func (f *fleet) key() string      { return fmt.Sprint("k", f.random.IntN(20)) }

func (f *fleet) get(p process, key string) {
	f.reads++
	f.found(key, p.read(f.t, key))
}

// found compares what was found with what is true.
func (f *fleet) found(key, value string) {
	switch {
	case value == f.last[key]:
	case value == "":
		f.misses++ // for this process; another one may find it
	default:
		f.stale++
	}
}

func (f *fleet) set(p process, key string) {
	value := strconv.Itoa(f.random.IntN(1 << 30))
	p.set(f.t, key, value)
	f.last[key] = value
}

func (f *fleet) delete(p process, key string) {
	err := p.Delete(f.t.Context(), key)
	if !errors.Is(err, memcache.ErrCacheMiss) {
		require.NoError(f.t, err)
	}
	f.last[key] = ""
}

func (f *fleet) increment(p process, key string) {
	n, err := p.Increment(f.t.Context(), key, 1)
	if errors.Is(err, memcache.ErrCacheMiss) {
		f.found(key, "")
		return
	}
	if f.refused(err) {
		return
	}
	f.found(key, strconv.FormatUint(n-1, 10))
	f.last[key] = strconv.FormatUint(n, 10)
}

// change takes what is there and puts something else in its place, if nobody else does at the same time.
func (f *fleet) change(p process, key string) {
	it, err := p.GetForUpdate(f.t.Context(), key)
	if errors.Is(err, memcache.ErrCacheMiss) {
		f.found(key, "")
		return
	}
	if f.refused(err) {
		return
	}
	f.found(key, string(it.Value))
	it.Value = []byte(strconv.Itoa(f.random.IntN(1 << 30)))
	if f.refused(p.CompareAndSwap(f.t.Context(), it)) {
		return
	}
	f.last[key] = string(it.Value)
}

// refused reports whether a request was not done because nobody stores the key now, as while it is not known who does.
func (f *fleet) refused(err error) bool {
	if errors.Is(err, memcache.ErrNodeDown) {
		f.refusals++
		return true
	}
	require.NoError(f.t, err)
	return false
}

func (f *fleet) add(p process, key string) {
	value := strconv.Itoa(f.random.IntN(1 << 30))
	err := p.Add(f.t.Context(), item(key, value))
	if errors.Is(err, memcache.ErrNotStored) {
		require.NotEmpty(f.t, f.last[key])
		return
	}
	if f.refused(err) {
		return
	}
	f.found(key, "") // so there was nothing
	f.last[key] = value
}

func (f *fleet) getAndTouch(p process, key string) {
	it, err := p.GetAndTouch(f.t.Context(), key, time.Hour)
	if errors.Is(err, memcache.ErrCacheMiss) {
		f.found(key, "")
		return
	}
	require.NoError(f.t, err)
	f.found(key, string(it.Value))
}

// load reads a key and loads it where it is not there. What it loads counts as written, if it was loaded.
func (f *fleet) load(p process, key string) {
	value := ""
	it, err := p.GetOrLoad(f.t.Context(), key, func(context.Context) (*memcache.Item, error) {
		value = strconv.Itoa(f.random.IntN(1 << 30))
		return item(key, value), nil
	})
	if f.refused(err) {
		return
	}
	if value == "" {
		f.found(key, string(it.Value))
		return
	}
	f.found(key, "")
	if f.last[key] == "" || p.read(f.t, key) == value { // where nobody stores the key, nothing was
		f.last[key] = value
	}
}

// work makes requests until that much time has passed.
func (f *fleet) work(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		requests := []func(process, string){f.get, f.get, f.get, f.set, f.set, f.delete, f.increment, f.change, f.add, f.getAndTouch, f.load}
		requests[f.random.IntN(len(requests))](f.someone(), f.key())
		time.Sleep(time.Duration(f.random.IntN(int(60 * time.Millisecond))))
	}
}

// learn tells all processes of other hosts, at moments up to D apart, in either order, while they work.
func (f *fleet) learn(hosts ...string) {
	for i, p := range f.random.Perm(len(f.processes)) {
		if i > 0 {
			f.work(time.Duration(f.random.Int64N(int64(propagation))))
		}
		f.processes[p].learns(hosts...)
	}
}

var fivePods = []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"}

const wholeWalk = 25 * time.Second // for D of 2 s, with time to spare

// A node joins, and leaves, and one takes the place of another. Nobody ever reads what is old, nothing is lost that is used, and what depends on
// the item that is there finds it. Without the walk, the same requests do.
func TestHomesMove(t *testing.T) {
	for name, opts := range map[string][]memcache.Option{
		"one replica":    nil,
		"two replicas":   {memcache.WithSharded(2)},
		"three, nearest": {memcache.WithSharded(3), memcache.WithLocal("10.0.0.2")},
		"one zone":       {memcache.WithZoned()},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(3) {
				walk := moveHomes(t, seed, opts...)
				t.Logf("seed %d: %d of %d reads stale, %d lost", seed, walk.stale, walk.reads, walk.misses)
				require.Zero(t, walk.stale+walk.refusals, "seed %d", seed)
				require.LessOrEqual(t, walk.misses, walk.reads/100, "seed %d", seed)
			}
			plain := moveHomes(t, 1, append(opts, memcache.WithPropagation(0))...)
			t.Logf("without the walk: %d of %d reads stale, %d lost", plain.stale, plain.reads, plain.misses)
			require.NotZero(t, plain.stale+plain.misses, "this test would show nothing")
		})
	}
}

func moveHomes(t *testing.T, seed uint64, opts ...memcache.Option) (f *fleet) {
	inPods(t, fivePods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
		f = newFleet(t, seed, fivePods[:3], append([]memcache.Option{dialer}, opts...)...)
		for _, p := range f.processes {
			require.NoError(t, p.Ping(t.Context()))
		}
		time.Sleep(wholeWalk)
		f.work(5 * time.Second)
		for _, hosts := range [][]string{fivePods[:4], fivePods[:3], {fivePods[0], fivePods[4], fivePods[2]}} {
			f.learn(hosts...)
			f.work(wholeWalk)
		}
		for _, p := range f.processes {
			p.Close()
		}
	})
	return f
}

// A node leaves the list and comes back, so soon that some process may not see it go, or later. It must not have what it had,
// and nobody may take over its keys while another still uses it.
func TestANodeThatFlapsIsNotStale(t *testing.T) {
	for name, opts := range map[string][]memcache.Option{"one replica": nil, "two replicas": {memcache.WithSharded(2)}} {
		for _, away := range []time.Duration{100 * time.Millisecond, propagation / 2, 2 * propagation, 6 * time.Second, 20 * time.Second} {
			for seed := range uint64(3) {
				inPods(t, fivePods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
					f := newFleet(t, seed, fivePods[:4], append([]memcache.Option{dialer}, opts...)...)
					for _, p := range f.processes {
						require.NoError(t, p.Ping(t.Context()))
					}
					time.Sleep(wholeWalk)
					f.work(2 * time.Second)
					f.processes[0].learns(fivePods[:3]...)
					if away >= propagation {
						f.work(propagation / 2)
						f.processes[1].learns(fivePods[:3]...)
					}
					f.work(away)
					f.learn(fivePods[:4]...)
					f.work(2 * wholeWalk)
					require.Zero(t, f.stale, "%s, away for %v, seed %d", name, away, seed)
					f.misses, f.refusals = 0, 0
					f.work(5 * time.Second)
					require.Zero(t, f.misses+f.refusals, "all is as before")
					for _, p := range f.processes {
						p.Close()
					}
				})
			}
		}
	}
}

// What happens to a key that moves is explained.
func TestExplainAKeyThatMoves(t *testing.T) {
	for _, topology := range []memcache.Option{memcache.WithSharded(1), memcache.WithSharded(2), memcache.WithZoned()} {
		inPods(t, fivePods, func(t *testing.T, _ map[string]*memcachetest.Server, dialer memcache.Option) {
			p := startProcess(t, fivePods[:1], dialer, topology)
			defer p.Close()
			require.NoError(t, p.Ping(t.Context()))
			time.Sleep(wholeWalk)
			p.learns(fivePods[:2]...)
			require.NoError(t, p.Ping(t.Context()))
			var steps []string
			for range 20 {
				for _, k := range manyKeys(20) {
					e, err := p.Explain(k)
					require.NoError(t, err)
					text := e.String()
					for _, s := range []string{"entering", "filling", "settling"} {
						if strings.Contains(text, "10.0.0.2:11211 is "+s) && !slices.Contains(steps, s) {
							steps = append(steps, s)
							require.Equal(t, s == "entering", e.Home == "10.0.0.1:11211", text)
							require.Equal(t, s == "filling", strings.Contains(text, "filled from"), text)
							require.Len(t, e.Replicas, 2)
						}
					}
				}
				time.Sleep(time.Second)
			}
			require.Equal(t, []string{"entering", "filling", "settling"}, steps)
		})
	}
}

// Keys that nobody uses while they move stay behind. What is left of them is not read when they come back, whatever it is
// that brings them back.
func TestWhatStaysBehindIsNotReadLater(t *testing.T) {
	for name, opts := range map[string][]memcache.Option{
		"one replica":  nil,
		"two replicas": {memcache.WithSharded(2)},
		"one zone":     {memcache.WithZoned()},
	} {
		for _, back := range []string{"leaves", "restarts", "is gone"} {
			for _, write := range []string{"set", "delete", "append", "change"} {
				t.Run(name+" "+back+" "+write, func(t *testing.T) {
					inPods(t, fivePods, func(t *testing.T, servers map[string]*memcachetest.Server, dialer memcache.Option) {
						p := startProcess(t, fivePods[:3], append([]memcache.Option{dialer}, opts...)...)
						defer p.Close()
						require.NoError(t, p.Ping(t.Context()))
						time.Sleep(wholeWalk)
						for _, k := range manyKeys(40) {
							p.set(t, k, "old")
						}
						p.learns(fivePods[:4]...)
						time.Sleep(wholeWalk)
						var changed []string
						for _, k := range manyKeys(40) {
							if p.overwrite(t, write, k) {
								changed = append(changed, k)
							}
						}
						require.NotEmpty(t, changed)
						switch back {
						case "leaves":
							p.learns(fivePods[:3]...)
						case "restarts":
							servers[fivePods[3]].Kill()
							servers[fivePods[3]].Start()
						case "is gone":
							servers[fivePods[3]].Kill()
							p.learns(fivePods[:3]...)
						}
						for range 3 {
							for _, k := range changed {
								require.NotEqual(t, "old", p.read(t, k))
							}
							time.Sleep(wholeWalk / 3)
						}
						fresh := startProcess(t, fivePods[:3], append([]memcache.Option{dialer}, opts...)...)
						defer fresh.Close()
						for _, k := range changed {
							require.NotEqual(t, "old", fresh.read(t, k))
						}
					})
				})
			}
		}
	}
}

// overwrite changes what a key is, or removes it, and reports whether it did: what has stayed behind cannot be appended to.
func (p process) overwrite(t *testing.T, how, key string) bool {
	ctx := t.Context()
	var err error
	switch how {
	case "set":
		err = p.Set(ctx, item(key, "new"))
	case "delete":
		err = p.Delete(ctx, key)
	case "append":
		err = p.Append(ctx, item(key, "new"))
	case "change":
		var it *memcache.Item
		if it, err = p.GetForUpdate(ctx, key); err == nil {
			it.Value = []byte("new")
			err = p.CompareAndSwap(ctx, it)
		} else {
			err = p.Add(ctx, item(key, "new"))
		}
	}
	if errors.Is(err, memcache.ErrNotStored) {
		return false
	}
	if !errors.Is(err, memcache.ErrCacheMiss) {
		require.NoError(t, err)
	}
	return true
}
