package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// A stampede: three processes with 200 callers each want one key that nobody has. It is loaded once.
func TestAStampedeLoadsOnce(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		var loads atomic.Int64
		load := func(context.Context) (*memcache.Item, error) {
			loads.Add(1)
			time.Sleep(50 * time.Millisecond) // a slow query
			return item("", "v"), nil
		}
		var wg sync.WaitGroup
		errs := make(chan error, 600)
		for i := range servers {
			c := replicated(t, servers, i)
			for range 200 {
				wg.Go(func() {
					it, err := c.GetOrLoad(t.Context(), "k", load, memcache.WithWait(time.Minute), memcache.WithLease(time.Minute))
					if err == nil && string(it.Value) != "v" {
						err = fmt.Errorf("read %q", it.Value)
					}
					errs <- err
				})
			}
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			require.NoError(t, err)
		}
		require.Equal(t, int64(1), loads.Load())
	})
}

// The steps of a lease, as each kind of server takes them: released after an error, filled, marked stale, won again, given
// back, and won because the item soon expires.
func TestLeasesAtEachKindOfServer(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c, failed := replicated(t, servers, 1), errors.New("no database")
		load := func(value string, err error, opts ...memcache.LoadOption) (string, error) {
			it, err := c.GetOrLoad(t.Context(), "k", func(context.Context) (*memcache.Item, error) {
				return &memcache.Item{Value: []byte(value), TTL: time.Minute}, err
			}, append(opts, memcache.WithErrBusy(), memcache.WithWait(0))...)
			if err != nil {
				return "", err
			}
			return string(it.Value), nil
		}
		for i, step := range []struct {
			stale bool
			value string
			err   error
			want  string
			opts  []memcache.LoadOption
		}{
			{err: failed},
			{value: "v1", want: "v1"},
			{value: "v2", want: "v1"},
			{value: "v2", want: "v1", opts: []memcache.LoadOption{memcache.WithEarlyRecache(time.Second)}},
			{stale: true, err: failed},
			{value: "v3", want: "v3"},
			{value: "v4", want: "v3"},
			{err: failed, opts: []memcache.LoadOption{memcache.WithEarlyRecache(time.Hour)}},
			{value: "v5", want: "v5", opts: []memcache.LoadOption{memcache.WithEarlyRecache(time.Hour)}},
			{stale: true, value: "v6", want: "v6"},
			{value: "v7", want: "v6"},
		} {
			if step.stale {
				require.NoError(t, c.Invalidate(t.Context(), "k", time.Minute))
			}
			got, err := load(step.value, step.err, step.opts...)
			require.Equal(t, step.err, err, "step %d", i)
			require.Equal(t, step.want, got, "step %d", i)
		}
	})
}

// database holds the version of each key. A transaction commits the next version and then deletes the key from the cache.
type database struct {
	committed [8]atomic.Int64
	deleted   [8]atomic.Int64 // the newest version whose Delete was acknowledged
	writing   [8]sync.Mutex
}

func (d *database) key(i int) string { return fmt.Sprint("row", i) }

// update is one transaction on row i.
func (d *database) update(ctx context.Context, c *memcache.Client, i int) error {
	d.writing[i].Lock()
	defer d.writing[i].Unlock()
	version := d.committed[i].Add(1)
	if err := c.Delete(ctx, d.key(i)); err != nil && !errors.Is(err, memcache.ErrCacheMiss) {
		return err
	}
	d.deleted[i].Store(version)
	return nil
}

// read returns the version of row i that a client sees. Loading takes a while, after the row was read.
func (d *database) read(ctx context.Context, c *memcache.Client, i int) (int64, error) {
	return memcache.Load(ctx, c, d.key(i), memcache.JSON[int64]{}, 0, func(context.Context) (int64, error) {
		version := d.committed[i].Load()
		time.Sleep(rand.N(500 * time.Microsecond))
		return version, nil
	})
}

// stress reads and updates all rows through clients until done, and returns how many reads were older than a Delete that
// had been acknowledged before they began, and how many values the nodes hold at last that are older than the database's.
func (d *database) stress(t *testing.T, servers cluster, clients []*memcache.Client, done func() bool) (oldReads int64, oldValues int) {
	var wg sync.WaitGroup
	var old atomic.Int64
	errs := make(chan error, 1)
	for n := range 12 {
		c := clients[n%len(clients)]
		wg.Go(func() {
			for round := 0; !done(); round++ {
				i := rand.IntN(len(d.committed))
				atLeast := d.deleted[i].Load()
				version, err := d.read(t.Context(), c, i)
				if err == nil && version < atLeast {
					old.Add(1)
				}
				if err == nil && round%4 == 0 {
					err = d.update(t.Context(), c, i)
				}
				if err != nil {
					select {
					case errs <- err:
					default:
					}
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	require.NoError(t, <-errs)
	for i := range d.committed {
		for _, addr := range servers.addrs() {
			v, ok := stored(t, addr, d.key(i))
			if n, err := strconv.ParseInt(v, 10, 64); ok && v != "" && (err != nil || n < d.committed[i].Load()) {
				oldValues++
			}
		}
	}
	return old.Load(), oldValues
}

// rounds is a done function.
func rounds(n int64) func() bool {
	var calls atomic.Int64
	return func() bool { return calls.Add(1) > n }
}

// I6: values that were loaded before an acknowledged Delete are neither stored nor returned to those who call after it.
func TestLoadsNeverBringBackWhatWasDeleted(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		servers.slow(t)
		var clients []*memcache.Client
		for i := range servers {
			clients = append(clients, replicated(t, servers, i))
		}
		var db database
		oldReads, oldValues := db.stress(t, servers, clients, rounds(5000))
		require.Zero(t, oldReads)
		require.Zero(t, oldValues)
		var sum memcache.LoadStats
		for _, c := range clients {
			sum.Stored += c.Stats().Loads.Stored
			sum.Void += c.Stats().Loads.Void
		}
		require.NotZero(t, sum.Stored)
		require.NotZero(t, sum.Void, "no load was overtaken: the test has tested nothing")
	})
}

// The test above can fail: it is the comparison of the CAS that keeps old values out.
func TestLoadsWithoutCompareBringBackWhatWasDeleted(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		servers.slow(t)
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout),
			memcache.WithRoute(func(n memcache.Nodes) (route.Route, error) {
				slots, err := route.NewSlots(n.Members, 1, "")
				return blind{route.Hash(slots)}, err
			}))
		var db database
		var reads int64
		var values int
		for deadline := time.Now().Add(2 * longTimeout); reads == 0 || values == 0; {
			oldReads, oldValues := db.stress(t, servers, []*memcache.Client{c}, rounds(150))
			reads, values = reads+oldReads, values+oldValues
			require.True(t, time.Now().Before(deadline), "%d old reads, %d old values", reads, values)
		}
	})
}

// blind is a route that compares nothing.
type blind struct{ route.Route }

func (b blind) Do(ctx context.Context, ops []*route.Op) {
	for _, op := range ops {
		op.Request.Meta &^= protocol.Compare
	}
	b.Route.Do(ctx, ops)
}

// A hit allocates no more than Get does.
func TestAllocationsOfAHit(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	c := newClient(t, memcache.WithServers(realnode.Start(t).Addr), memcache.WithTimeout(longTimeout))
	ctx := t.Context()
	require.NoError(t, c.Set(ctx, item("k", "v")))
	unused := func(context.Context) (*memcache.Item, error) { return nil, errors.New("loaded") }
	unusedText := func(context.Context) (string, error) { return "", errors.New("loaded") }
	cost := func(call func() error) float64 {
		require.NoError(t, call()) // connected
		return testing.AllocsPerRun(500, func() {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		})
	}
	get := cost(func() error { _, err := c.Get(ctx, "k"); return err })
	for name, call := range map[string]func() error{
		"plain": func() error { _, err := c.GetOrLoad(ctx, "k", unused); return err },
		"with options": func() error {
			_, err := c.GetOrLoad(ctx, "k", unused, memcache.WithEarlyRecache(time.Minute), memcache.WithWait(0))
			return err
		},
		"bytes": func() error {
			_, err := memcache.Load(ctx, c, "k", memcache.Raw[[]byte]{}, 0,
				func(context.Context) ([]byte, error) { return nil, errors.New("loaded") })
			return err
		},
		"a short string": func() error {
			_, err := memcache.Load(ctx, c, "k", memcache.Raw[string]{}, 0, unusedText, memcache.WithBackgroundReload())
			return err
		},
	} {
		require.LessOrEqual(t, cost(call), get, name)
	}
}
