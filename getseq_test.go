package memcache_test

import (
	"context"
	"fmt"
	"iter"
	"log"
	"slices"
	"testing"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// As many keys as there are, with no more than one batch of items in memory.
func ExampleClient_GetSeq() {
	ctx := context.Background()
	node := memcachetest.NewServer() // or the address of any memcached
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	for _, key := range []string{"a", "c"} {
		if err := client.Set(ctx, &memcache.Item{Key: key, Value: []byte("value of " + key)}); err != nil {
			log.Fatal(err)
		}
	}
	for item, err := range client.GetSeq(ctx, slices.Values([]string{"a", "b", "c"})) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", item.Key, item.Value)
	}
	// Output:
	// a: value of a
	// c: value of c
}

// numberedKeys are the keys of manyKeys, without end, and count how many were asked for.
func numberedKeys(asked *int) iter.Seq[string] {
	return func(yield func(string) bool) {
		for *asked = 0; yield(fmt.Sprint("secret", *asked)); *asked++ {
		}
	}
}

func TestGetSeq(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout), memcache.WithNamespace("ns:"),
			compressing(memcache.Deflate{}))
		keys := manyKeys(1000)
		fill(t, c, keys)
		for _, n := range []int{0, 1, 255, 256, 257, 1000} {
			var got []string
			for it, err := range c.GetSeq(t.Context(), slices.Values(append(keys[:n:n], "nothing"))) {
				require.NoError(t, err)
				require.Equal(t, it.Key, string(it.Value))
				got = append(got, it.Key)
			}
			require.True(t, slices.Equal(keys[:n], got), "%d keys", n)
		}
	})
}

// A loop that is left has asked for one batch at most that it did not need, and leaves the client usable, also from within.
func TestLeavingGetSeq(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		fill(t, c, manyKeys(1000))
		var asked int
		for _, leaveAt := range []int{0, 255, 256, 700} {
			n := 0
			for it, err := range c.GetSeq(t.Context(), numberedKeys(&asked)) {
				require.NoError(t, err)
				if n == leaveAt {
					break
				}
				n++
				_, err = c.Get(t.Context(), it.Key)
				require.NoError(t, err)
			}
			require.Equal(t, leaveAt/256*256+255, asked)
		}
		seq := c.GetSeq(t.Context(), slices.Values([]string{"secret1"}))
		for range 2 { // a sequence can be used again
			for it, err := range seq {
				require.NoError(t, err)
				require.Equal(t, "secret1", it.Key)
			}
		}
		func() {
			defer func() { require.Equal(t, "the loop's own", recover()) }()
			for range c.GetSeq(t.Context(), numberedKeys(&asked)) {
				panic("the loop's own")
			}
		}()
		require.NoError(t, c.Shutdown(t.Context()), "nothing is under way")
	})
}

// What fails is told behind the items of its batch, and the batches after it are asked for all the same.
func TestGetSeqGoesOnAfterErrors(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		keys := manyKeys(1000)
		fill(t, c, keys)
		keys[300] = "secret and malformed"
		lost := counter(t, servers[0], "curr_items")
		servers[0].kill()
		found, failed, errs := 0, 0, 0
		for it, err := range c.GetSeq(t.Context(), slices.Values(keys)) {
			if err == nil {
				found++
				require.Equal(t, it.Key, string(it.Value))
				continue
			}
			require.Nil(t, it)
			require.NotContains(t, err.Error(), "secret")
			var multi *memcache.MultiError
			require.ErrorAs(t, err, &multi)
			if errs++; errs == 2 {
				require.ErrorIs(t, err, memcache.ErrMalformedKey)
			}
			failed += multi.Keys
		}
		require.Equal(t, 4, errs)
		require.InDelta(t, lost+1, failed, 1) // the key that was replaced may have been the dead node's
		require.Equal(t, 1000, found+failed)
	})
}

// A sequence ends where going on has no sense.
func TestGetSeqEnds(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		fill(t, c, manyKeys(300))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var asked int
		var last error
		for _, err := range c.GetSeq(ctx, numberedKeys(&asked)) {
			cancel()
			last = err
		}
		require.ErrorIs(t, last, context.Canceled)
		require.Equal(t, 511, asked)
		require.NoError(t, c.Close())
		for it, err := range c.GetSeq(t.Context(), numberedKeys(&asked)) {
			require.Nil(t, it)
			require.ErrorIs(t, err, memcache.ErrClosed)
		}
		require.Equal(t, 255, asked)
	})
}
