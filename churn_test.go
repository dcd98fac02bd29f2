package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/stretchr/testify/require"
)

// churns is how often the view changes, 100 times a second; NOHOP_CHURN=10000 for the full length.
func churns(t *testing.T) int {
	text := os.Getenv("NOHOP_CHURN")
	if text == "" {
		return 200
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// While nodes join, leave and move to other addresses 100 times a second, under load, no request fails: one node is always
// there, and keeps its one connection all the time, as memcached itself counts them. In between the source fails, answers
// with nothing and answers nonsense, which changes nothing. What left is closed: descriptors do not pile up.
func TestViewChangesLoseNoRequest(t *testing.T) {
	var addrs []string
	anchor := realnode.Start(t)
	for range 5 {
		addrs = append(addrs, realnode.Start(t).Addr)
	}
	always := discovery.Node{Name: "always", Addr: anchor.Addr}
	random := rand.New(rand.NewPCG(1, 2))
	src := newByHand(always)
	atOnce := memcache.WithPropagation(0)
	for name, c := range map[string]struct {
		opts    []memcache.Option
		changes int
	}{
		"replicated":           {[]memcache.Option{memcache.WithReplicated(), atOnce}, churns(t)},
		"sharded":              {[]memcache.Option{memcache.WithSharded(3), atOnce}, churns(t)},
		"replicated, in steps": {[]memcache.Option{memcache.WithReplicated()}, 20},
		"sharded, in steps":    {[]memcache.Option{memcache.WithSharded(3)}, 20},
	} {
		changes, opts := c.changes, c.opts
		t.Run(name, func(t *testing.T) {
			descriptors := openDescriptors(t)
			asked := 1 // the connections of this test to ask for counters
			connections := total(t, anchor)
			c := newClient(t, append(opts, memcache.WithDiscovery(src), memcache.WithTimeout(500*time.Millisecond))...)
			require.NoError(t, c.Set(t.Context(), item("k", "v")))
			var requests, slow atomic.Int64
			most := 0
			load := func(c *memcache.Client, i int) error {
				err := someRequest(c, i+int(requests.Add(1)))
				if isSlow(err) {
					slow.Add(1)
					return nil
				}
				return err
			}
			require.NoError(t, underLoad(c, load, func(wait func(n int)) {
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for i := range changes {
					passUntil(wait, tick.C)
					src.say(nil, append(somePods(random, addrs, i), always)...)
					if i%10 == 0 {
						saysNothingUseful(src, i, always)
					}
					most = max(most, openDescriptors(t))
				}
			}))
			status := c.Stats().Discovery
			require.Equal(t, uint64(changes)+1, status.Changes)
			require.Equal(t, uint64((changes+9)/10), status.Failed)
			kept := 0
			for _, n := range c.Stats().Nodes {
				if n.Name == "always" {
					kept = n.Conns
					require.Equal(t, uint64(n.Conns), n.Dials)
					require.Zero(t, n.Broken)
				}
			}
			require.Equal(t, kept, total(t, anchor)-connections-asked, "connections made to the node that stayed")
			t.Logf("%d requests during %d changes of the view, %d for which a busy machine was too slow; "+
				"at most %d descriptors over those before", requests.Load(), changes, slow.Load(), most-descriptors)
			require.LessOrEqual(t, slow.Load(), requests.Load()/100)
			// A node that left is closed after a grace of 4 s, so there are those of 400 changes, 2 or 3 of each.
			require.Less(t, most-descriptors, 1400)
			require.NoError(t, c.Close())
			require.Equal(t, descriptors, openDescriptors(t))
		})
	}
}

// passUntil lets requests go on until the next tick.
func passUntil(wait func(n int), tick <-chan time.Time) {
	for {
		select {
		case <-tick:
			return
		default:
			wait(1)
		}
	}
}

// somePods is a list of pods that differs from the last: some of five names, each at one of two addresses.
func somePods(random *rand.Rand, addrs []string, i int) []discovery.Node {
	list := []discovery.Node{{Name: fmt.Sprint("new", i), Addr: addrs[i%len(addrs)]}}
	for at, addr := range addrs {
		if at != i%len(addrs) && random.IntN(2) == 0 {
			list = append(list, discovery.Node{Name: fmt.Sprint("pod", (at+i/50)%5), Addr: addr})
		}
	}
	return list
}

// saysNothingUseful has the source fail, in one way or another.
func saysNothingUseful(src *byHand, i int, n discovery.Node) {
	switch i / 10 % 3 {
	case 0:
		src.say(errors.New("no such host"))
	case 1:
		src.say(nil)
	case 2:
		src.say(nil, n, discovery.Node{Name: "twin", Addr: n.Addr})
	}
}

// someRequest reads, mostly, and writes. Nodes that join are empty, so a read may miss.
func someRequest(c *memcache.Client, i int) error {
	ctx := context.Background()
	key := fmt.Sprint("k", i%100)
	switch i % 8 {
	case 0:
		return c.Set(ctx, item(key, "v"))
	case 1:
		_, err := c.GetMulti(ctx, []string{"k1", "k2", "k3", "k4", "k5", "k6"})
		return err
	case 2:
		return missOrNil(c.Delete(ctx, key))
	}
	_, err := c.Get(ctx, key)
	return missOrNil(err)
}

// isSlow reports whether a request has failed because a node, mostly one that has just joined, did not answer in time. On a
// machine that does something else at the same time that happens, and has nothing to do with views: a view that changes
// would close a connection.
func isSlow(err error) bool {
	return !errors.Is(err, memcache.ErrClosed) &&
		(errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, memcache.ErrTimeout))
}

func missOrNil(err error) error {
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil
	}
	return err
}

// total returns how many connections a node has accepted in its life, the one that asks included.
func total(t *testing.T, n *realnode.Node) int {
	t.Helper()
	count, err := strconv.Atoi(n.Stats(t)["total_connections"])
	require.NoError(t, err)
	return count
}

// openDescriptors returns how many this process has.
func openDescriptors(t *testing.T) int {
	t.Helper()
	if runtime.GOOS != "linux" {
		return 0
	}
	list, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(list)
}
