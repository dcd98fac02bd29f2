package memcache_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotcopy"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/route"
	"github.com/nohop/memcache/rulestore"
	"github.com/stretchr/testify/require"
)

// shardedClient returns a client of a world's servers, each key on one.
func (w *world) shardedClient(opts ...memcache.Option) *memcache.Client {
	w.Helper()
	all := []memcache.Option{memcache.WithServers(w.addrs...), memcache.WithDialer(memcachetest.Dialer(w.servers...))}
	return newClient(w, append(all, opts...)...)
}

// TestAHotKeyIsRelievedByItself: soon the home sends versions and not values, and what is read is what was last written.
func TestAHotKeyIsRelievedByItself(t *testing.T) {
	inWorld(t, 5, func(w *world) {
		c := w.shardedClient()
		value := make([]byte, 50<<10)
		item := &memcache.Item{Key: "hot", Value: value}
		require.NoError(w, c.Set(w.Context(), item))
		home := w.homeOf(c, "hot")
		get := func(n int) (bytes int64) {
			before := home.Stats().BytesWritten
			for range n {
				got, err := c.Get(w.Context(), "hot")
				require.NoError(w, err)
				require.Equal(w, value, got.Value)
				time.Sleep(time.Millisecond)
			}
			return home.Stats().BytesWritten - before
		}
		require.Nil(w, c.Rules())
		get(1500)
		require.Equal(w, 1, c.Rules().Len())
		e, err := c.Explain("hot")
		require.NoError(w, err)
		require.Equal(w, "hot copies", e.Read.Route)
		require.Less(w, get(1000), int64(1000*100), "a version for each read, and no value")
		require.Equal(w, "keep", c.HotKeyReport(1).Keys[0].Remedy)

		value = slices.Clone(value)
		value[7] = 7
		w.ask(slices.Index(w.servers, home), fmt.Sprintf("set hot 0 0 %d\r\n%s", len(value), value)) // by a stranger
		get(10)
		require.NoError(w, c.Delete(w.Context(), "hot"))
		_, err = c.Get(w.Context(), "hot")
		require.ErrorIs(w, err, memcache.ErrCacheMiss)

		time.Sleep(time.Minute) // it is not hot any more
		require.Nil(w, c.Rules())
		require.NotZero(w, c.Stats().Copies.Kept)
	})
}

func (w *world) homeOf(c *memcache.Client, key string) *memcachetest.Server {
	w.Helper()
	e, err := c.Explain(key)
	require.NoError(w, err)
	return w.servers[slices.Index(w.addrs, e.Home)]
}

// TestRemediesCanBeSwitchedOff: hot keys are found all the same.
func TestRemediesCanBeSwitchedOff(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c := w.shardedClient(memcache.WithoutRemedies())
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "hot", Value: make([]byte, 50<<10)}))
		for range 2000 {
			_, err := c.Get(w.Context(), "hot")
			require.NoError(w, err)
			time.Sleep(time.Millisecond)
		}
		require.Nil(w, c.Rules())
		require.Equal(w, "hot", c.TopKeys(1)[0].Name)
	})
}

// TestKeyRules of the application: one denies a family of keys, one allows a staleness.
func TestKeyRules(t *testing.T) {
	inWorld(t, 3, func(w *world) {
		c := w.shardedClient(memcache.WithKeyRules(
			hotkey.Rule{Prefix: "session.uesr:", Action: hotkey.Action{Kind: hotkey.Deny}},
			hotkey.Rule{Key: "config", Action: hotkey.Action{Kind: hotkey.Keep, Staleness: time.Second}},
		))
		_, err := c.Get(w.Context(), "session.uesr:7")
		require.ErrorIs(w, err, hotcopy.ErrDenied)
		require.NoError(w, c.Set(w.Context(), &memcache.Item{Key: "config", Value: []byte("1")}))
		require.Equal(w, 2, c.Rules().Len())
		for range 3 {
			_, err = c.Get(w.Context(), "config")
			require.NoError(w, err)
			time.Sleep(5 * time.Second) // a rule with a staleness begins strictly with each key
		}
		_, err = c.Get(w.Context(), "config")
		require.NoError(w, err)
		home := w.homeOf(c, "config")
		before := home.Stats().Gets
		for range 100 {
			_, err = c.Get(w.Context(), "config")
			require.NoError(w, err)
		}
		require.Equal(w, before, home.Stats().Gets, "not asked each time")
	})
	_, err := memcache.New(memcache.WithServers("a"), memcache.WithKeyRules(hotkey.Rule{}))
	require.ErrorIs(t, err, memcache.ErrBadOption)
	require.ErrorIs(t, err, hotkey.ErrBadTable)
	_, err = memcache.New(memcache.WithServers("a"), memcache.WithSharedRules(), memcache.WithSharedRules())
	require.ErrorIs(t, err, memcache.ErrBadOption)
}

// TestRulesNeedAPreset: in other trees nothing of them would apply, not even what is denied.
func TestRulesNeedAPreset(t *testing.T) {
	tree := func(memcache.Nodes) (route.Route, error) { return route.Null(), nil }
	for name, opt := range map[string]memcache.Option{
		"WithKeyRules":  ruled(hotkey.Action{Kind: hotkey.Deny}),
		"WithRuleStore": memcache.WithRuleStore(&rulestore.File{Path: "rules.json"}), "WithSharedRules": memcache.WithSharedRules(),
		"WithHotKeyPolicy": memcache.WithHotKeyPolicy(hotkey.Policy{}),
	} {
		_, err := memcache.New(memcache.WithServers("10.0.0.1"), opt, memcache.WithRoute(tree))
		require.ErrorIs(t, err, memcache.ErrBadOption)
		require.ErrorContains(t, err, name+" has no meaning beside WithRoute:")
		_, err = memcache.New(opt, memcache.WithMcrouterConfig("file"))
		require.ErrorIs(t, err, memcache.ErrBadOption)
		require.ErrorContains(t, err, name+" has no meaning beside WithMcrouterConfig:")
	}
	c := newClient(t, memcache.WithServers("10.0.0.1"), memcache.WithRoute(tree), memcache.WithKeyRules())
	require.Nil(t, c.Rules())
}

// TestRulesOfAFile are followed; a file that is not valid changes nothing and is told of.
func TestRulesOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules.json")
	write := func(text string) {
		require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	write(`{"epoch": 1, "rules": [{"prefix": "bad:", "do": "deny"}]}`)
	s := memcachetest.NewServer()
	t.Cleanup(s.Close)
	c := newClient(t, memcache.WithServers(s.Addr()), memcache.WithTimeout(longTimeout), memcache.WithRuleStore(&rulestore.File{Path: path}))
	isDenied := func(key string) func() bool {
		return func() bool { _, err := c.Get(t.Context(), key); return memcache.ErrorClass(err) == "denied" }
	}
	require.Eventually(t, isDenied("bad:1"), longTimeout, time.Millisecond)
	write(`{"epoch": 2, "rules": [{"prefix": ""`)
	refused := func() bool {
		return slices.ContainsFunc(c.Events(), func(e memcache.Event) bool { return e.Kind == memcache.RulesRefused })
	}
	require.Eventually(t, refused, longTimeout, time.Millisecond)
	require.True(t, isDenied("bad:1")(), "the last good rules stay")
	write(`{"epoch": 3, "rules": [{"prefix": "worse:", "do": "deny"}]}`)
	require.Eventually(t, isDenied("worse:1"), longTimeout, time.Millisecond)
	require.False(t, isDenied("bad:1")())
	require.Equal(t, uint64(3), c.Stats().Rules.Header.Epoch)
}

// TestSharedRules: what one process puts in force, another one obeys, and nothing else runs. That is so in every preset, and
// where nobody looks for hot keys.
func TestSharedRules(t *testing.T) {
	t.Run("sharded", func(t *testing.T) { testSharedRules(t) })
	t.Run("replicated", func(t *testing.T) { testSharedRules(t, memcache.WithReplicated()) })
	t.Run("without hot keys", func(t *testing.T) { testSharedRules(t, memcache.WithoutHotKeys()) })
}

func testSharedRules(t *testing.T, more ...memcache.Option) {
	var opts []memcache.Option
	for range 4 {
		opts = append(opts, memcache.WithServers(realnode.Start(t).Addr))
	}
	opts = append(append(opts, more...), memcache.WithSharedRules(), memcache.WithTimeout(longTimeout))
	one, other := newClient(t, opts...), newClient(t, opts...)
	rule := hotkey.Rule{Key: "banned", Action: hotkey.Action{Kind: hotkey.Deny}}
	require.NoError(t, one.UpdateRules(t.Context(), "somebody", func(d *rulestore.Draft) error {
		d.Rules = append(d.Rules, rule)
		return nil
	}))
	for _, c := range []*memcache.Client{one, other} {
		require.Eventually(t, func() bool {
			_, err := c.Get(t.Context(), "banned")
			return memcache.ErrorClass(err) == "denied"
		}, 20*time.Second, 10*time.Millisecond)
	}
}

// TestOneKeyWithHalfOfTheTraffic, on five memcached: after relief the busiest node sends little more than the mean, by the
// nodes' own statistics, and nobody had to do anything.
func TestOneKeyWithHalfOfTheTraffic(t *testing.T) {
	var nodes []*realnode.Node
	var addrs []string
	for range 5 {
		n := realnode.Start(t)
		nodes, addrs = append(nodes, n), append(addrs, n.Addr)
	}
	c := newClient(t, memcache.WithServers(addrs...), memcache.WithTimeout(longTimeout))
	const keys, size = 1000, 4 << 10
	for i := range keys {
		require.NoError(t, c.Set(t.Context(), &memcache.Item{Key: fmt.Sprint("key-", i), Value: make([]byte, size)}))
	}
	load := func(c *memcache.Client, d time.Duration) (busiest float64) {
		before := bytesOut(t, nodes)
		var workers sync.WaitGroup
		end := time.Now().Add(d)
		for range 4 {
			workers.Go(func() {
				for time.Now().Before(end) {
					key := "key-0"
					if rand.IntN(2) == 0 {
						key = fmt.Sprint("key-", rand.IntN(keys))
					}
					if _, err := c.Get(t.Context(), key); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		workers.Wait()
		total, most := 0, 0
		for i, after := range bytesOut(t, nodes) {
			total, most = total+after-before[i], max(most, after-before[i])
		}
		return float64(most) * float64(len(nodes)) / float64(total)
	}
	plain := newClient(t, memcache.WithServers(addrs...), memcache.WithTimeout(longTimeout), memcache.WithoutRemedies())
	before := load(plain, time.Second)
	require.Eventually(t, func() bool { load(c, 500*time.Millisecond); return c.Rules().Len() > 0 }, 20*time.Second, time.Millisecond)
	relieved := load(c, 2*time.Second)
	t.Logf("the busiest node's bytes out: %.2f times the mean before, %.2f after", before, relieved)
	require.Greater(t, before, 2.0)
	require.LessOrEqual(t, relieved, 1.2)
}

// bytesOut returns what each node says it has sent.
func bytesOut(t *testing.T, nodes []*realnode.Node) (list []int) {
	for _, n := range nodes {
		list = append(list, counter(t, realServer{n}, "bytes_written"))
	}
	return list
}
