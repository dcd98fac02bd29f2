package memcache_test

import (
	"fmt"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	memcache "github.com/nohop/memcache/gomemcache"
	"github.com/stretchr/testify/require"
)

func TestSetAndGet(t *testing.T) {
	withEachServer(t, func(t *testing.T, c *memcache.Client) {
		_, err := c.Get("k")
		requireError(t, memcache.ErrCacheMiss, err)
		require.NoError(t, c.Set(&memcache.Item{Key: "k", Value: []byte("v"), Flags: math.MaxUint32}))
		it, err := c.Get("k")
		require.NoError(t, err)
		require.NotZero(t, it.CasID)
		it.CasID = 0
		require.Equal(t, &memcache.Item{Key: "k", Value: []byte("v"), Flags: math.MaxUint32}, it)

		long := strings.Repeat("k", 250)
		for _, value := range []string{"", "x", "END\r\n", strings.Repeat("large ", 150_000)} {
			require.NoError(t, c.Set(item(long, value)))
			requireValue(t, c, long, value)
		}
		require.NoError(t, c.Set(&memcache.Item{Key: long}))
		it, err = c.Get(long)
		require.NoError(t, err)
		require.Equal(t, []byte{}, it.Value) // and not nil
	})
}

func TestConditionalStores(t *testing.T) {
	withEachServer(t, func(t *testing.T, c *memcache.Client) {
		for _, store := range []func(*memcache.Item) error{c.Replace, c.Append, c.Prepend} {
			requireError(t, memcache.ErrNotStored, store(item("k", "x")))
		}
		require.NoError(t, c.Add(item("k", "b")))
		requireError(t, memcache.ErrNotStored, c.Add(item("k", "x")))
		requireValue(t, c, "k", "b")
		require.NoError(t, c.Append(item("k", "c")))
		require.NoError(t, c.Prepend(item("k", "a")))
		requireValue(t, c, "k", "abc")
		require.NoError(t, c.Replace(item("k", "new")))
		requireValue(t, c, "k", "new")
	})
}

func TestCompareAndSwap(t *testing.T) {
	withEachServer(t, func(t *testing.T, c *memcache.Client) {
		require.NoError(t, c.Set(item("k", "v1")))
		it, err := c.Get("k")
		require.NoError(t, err)
		stale := *it
		it.Value = []byte("v2")
		require.NoError(t, c.CompareAndSwap(it))
		requireError(t, memcache.ErrCASConflict, c.CompareAndSwap(&stale))
		requireError(t, memcache.ErrCASConflict, c.CompareAndSwap(item("k", "never read")))
		requireValue(t, c, "k", "v2")
		require.NoError(t, c.Delete("k"))
		requireError(t, memcache.ErrCacheMiss, c.CompareAndSwap(&stale))
	})
}

// The version is a plain number: it holds for another client, for an item made by hand, and over a new connection.
func TestCasIDIsAPlainNumber(t *testing.T) {
	server := newTestServer(t)
	reader, writer := newClient(t, server.Addr()), newClient(t, server.Addr())
	require.NoError(t, reader.Set(item("k", "v")))
	it, err := reader.Get("k")
	require.NoError(t, err)
	require.NoError(t, writer.CompareAndSwap(&memcache.Item{Key: "k", Value: []byte("by another"), CasID: it.CasID}))

	it, err = writer.Get("k")
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	require.NoError(t, writer.CompareAndSwap(&memcache.Item{Key: "k", Value: []byte("later"), CasID: it.CasID}))
	requireValue(t, reader, "k", "later")
}

func TestArithmetic(t *testing.T) {
	withEachServer(t, func(t *testing.T, c *memcache.Client) {
		_, err := c.Increment("n", 1)
		requireError(t, memcache.ErrCacheMiss, err)
		_, err = c.Decrement("n", 1)
		requireError(t, memcache.ErrCacheMiss, err)
		require.NoError(t, c.Set(item("n", "35")))
		for _, step := range []struct {
			change func(string, uint64) (uint64, error)
			delta  uint64
			want   uint64
		}{
			{c.Increment, 7, 42}, {c.Decrement, 2, 40}, {c.Decrement, 41, 0}, {c.Increment, math.MaxUint64, math.MaxUint64},
			{c.Increment, 2, 1}, {c.Increment, 0, 1}, {c.Decrement, 0, 1},
		} {
			n, err := step.change("n", step.delta)
			require.NoError(t, err)
			require.Equal(t, step.want, n)
		}
		require.NoError(t, c.Set(item("n", "num")))
		n, err := c.Increment("n", 1)
		require.ErrorContains(t, err, "non-numeric")
		require.Zero(t, n)
		requireValue(t, c, "n", "num")
	})
}

func TestDelete(t *testing.T) {
	withEachServer(t, func(t *testing.T, c *memcache.Client) {
		requireError(t, memcache.ErrCacheMiss, c.Delete("k"))
		require.NoError(t, c.Set(item("k", "v")))
		require.NoError(t, c.Delete("k"))
		_, err := c.Get("k")
		requireError(t, memcache.ErrCacheMiss, err)
	})
}

func TestGetMulti(t *testing.T) {
	withEachServer(t, func(t *testing.T, c *memcache.Client) {
		var keys []string
		for i := range 2000 {
			keys = append(keys, fmt.Sprint("key-", i))
			if i%2 == 0 {
				require.NoError(t, c.Set(item(keys[i], keys[i])))
			}
		}
		found, err := c.GetMulti(append(keys, keys[:10]...))
		require.NoError(t, err)
		require.Len(t, found, 1000)
		for key, it := range found {
			require.Equal(t, key, it.Key)
			require.Equal(t, key, string(it.Value))
			require.NotZero(t, it.CasID)
		}
		found, err = c.GetMulti(nil)
		require.NoError(t, err)
		require.NotNil(t, found)
		require.Empty(t, found)
	})
}

func TestExpiration(t *testing.T) {
	past, future := int32(time.Now().Unix())-1000, int32(time.Now().Unix())+1000
	withEachServer(t, func(t *testing.T, c *memcache.Client) {
		for exp, lives := range map[int32]bool{
			0: true, 100: true, 30 * 24 * 60 * 60: true, future: true, math.MaxInt32: true,
			-1: false, math.MinInt32: false, 30*24*60*60 + 1: false, past: false,
		} {
			require.NoError(t, c.Set(&memcache.Item{Key: "stored", Expiration: exp}))
			requireLives(t, c, "stored", lives, exp)

			require.NoError(t, c.Set(item("touched", "v")))
			require.NoError(t, c.Touch("touched", exp))
			requireLives(t, c, "touched", lives, exp)

			require.NoError(t, c.Set(item("read", "v")))
			it, err := c.GetAndTouch("read", exp)
			require.NoError(t, err)
			require.Equal(t, "v", string(it.Value))
			require.NotZero(t, it.CasID)
			requireLives(t, c, "read", lives, exp)
		}
		requireError(t, memcache.ErrCacheMiss, c.Touch("nothing", 10))
		_, err := c.GetAndTouch("nothing", 10)
		requireError(t, memcache.ErrCacheMiss, err)
	})
}

func requireLives(t *testing.T, c *memcache.Client, key string, lives bool, exp int32) {
	t.Helper()
	if _, err := c.Get(key); lives {
		require.NoError(t, err, exp)
	} else {
		requireError(t, memcache.ErrCacheMiss, err)
	}
}

func TestFlushAllAndDeleteAll(t *testing.T) {
	withEachServer(t, func(t *testing.T, c *memcache.Client) {
		for _, flush := range []func() error{c.FlushAll, c.DeleteAll} {
			var keys []string
			for i := range 50 { // so that each server has some
				keys = append(keys, fmt.Sprint("key-", i))
				require.NoError(t, c.Set(item(keys[i], "v")))
			}
			require.NoError(t, flush())
			found, err := c.GetMulti(keys)
			require.NoError(t, err)
			require.Empty(t, found)
		}
		require.NoError(t, c.Ping())
	})
}

// A key that memcached would take for something else is refused before anything is sent, whatever the call.
func TestMalformedKeys(t *testing.T) {
	server := newTestServer(t)
	c := newClient(t, server.Addr())
	require.NoError(t, c.Set(item("k", "v")))
	before := server.Stats()
	for _, key := range []string{"", " ", "a b", "k\r\nflush_all\r\n", "k\n", "k\x00", "k\x7f", strings.Repeat("k", 251)} {
		it := item(key, "flush_all")
		for _, store := range []func(*memcache.Item) error{c.Set, c.Add, c.Replace, c.Append, c.Prepend, c.CompareAndSwap} {
			requireError(t, memcache.ErrMalformedKey, store(it))
		}
		_, err := c.Get(key)
		requireError(t, memcache.ErrMalformedKey, err)
		_, err = c.GetAndTouch(key, 1)
		requireError(t, memcache.ErrMalformedKey, err)
		_, err = c.Increment(key, 1)
		requireError(t, memcache.ErrMalformedKey, err)
		_, err = c.Decrement(key, 1)
		requireError(t, memcache.ErrMalformedKey, err)
		requireError(t, memcache.ErrMalformedKey, c.Delete(key))
		requireError(t, memcache.ErrMalformedKey, c.Touch(key, 1))
		found, err := c.GetMulti([]string{"k", key})
		requireError(t, memcache.ErrMalformedKey, err)
		require.Nil(t, found)
	}
	require.Equal(t, before.BytesRead, server.Stats().BytesRead)
	requireValue(t, c, "k", "v")
}

// Without a selector, or with one that knows no server, every operation says so.
func TestNoServers(t *testing.T) {
	for name, c := range map[string]*memcache.Client{
		"zero": {}, "nil selector": memcache.NewFromSelector(nil), "empty list": memcache.New(),
		"address without a port": memcache.New("127.0.0.1"), "nil address": memcache.NewFromSelector(nowhere{}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.Get("k")
			requireError(t, memcache.ErrNoServers, err)
			requireError(t, memcache.ErrNoServers, c.Set(item("k", "v")))
			_, err = c.GetMulti([]string{"k", "l"})
			requireError(t, memcache.ErrNoServers, err)
			requireError(t, memcache.ErrNoServers, c.DeleteAll())
			require.NoError(t, c.Ping())
			require.NoError(t, c.FlushAll())
			require.NoError(t, c.Close())
		})
	}
}

// nowhere is a selector that does not keep its word.
type nowhere struct{}

func (nowhere) PickServer(string) (net.Addr, error) { return nil, nil }
func (nowhere) Each(func(net.Addr) error) error     { return nil }
