package memcache_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/realnode"
)

// The client against a real memcached, with 1, 8 and 64 goroutines. For a comparison with other clients see bench/.

var benchValue = make([]byte, 100)

// benchmark runs call on a number of goroutines; each has a number of its own, and its own key.
func benchmark(b *testing.B, c *memcache.Client, call func(ctx context.Context, i int) error) {
	ctx := context.Background()
	if err := c.Set(ctx, item("key", string(benchValue))); err != nil {
		b.Fatal(err)
	}
	for _, goroutines := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(goroutines), func(b *testing.B) {
			b.ReportAllocs()
			var wg sync.WaitGroup
			var begun atomic.Int64
			for i := range goroutines {
				wg.Go(func() {
					for begun.Add(1) <= int64(b.N) {
						if err := call(ctx, i); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func benchClient(b *testing.B, nodes int, opts ...memcache.Option) *memcache.Client {
	for range nodes {
		opts = append(opts, memcache.WithServers(realnode.Start(b).Addr))
	}
	return newClient(b, append(opts, memcache.WithTimeout(longTimeout))...)
}

func BenchmarkGet(b *testing.B) {
	c := benchClient(b, 1)
	benchmark(b, c, func(ctx context.Context, _ int) error {
		_, err := c.Get(ctx, "key")
		return err
	})
}

func BenchmarkAppendGet(b *testing.B) {
	c := benchClient(b, 1)
	var bufs [64][256]byte
	benchmark(b, c, func(ctx context.Context, i int) error {
		_, err := c.AppendGet(ctx, bufs[i][:0], "key")
		return err
	})
}

func BenchmarkSet(b *testing.B) { benchmarkSet(b, benchClient(b, 1)) }

func BenchmarkReplicatedSet(b *testing.B) {
	benchmarkSet(b, benchClient(b, 3, memcache.WithReplicated()))
}

func benchmarkSet(b *testing.B, c *memcache.Client) {
	var items [64]*memcache.Item
	for i := range items {
		items[i] = &memcache.Item{Key: fmt.Sprint("key", i), Value: benchValue}
	}
	benchmark(b, c, func(ctx context.Context, i int) error { return c.Set(ctx, items[i]) })
}

func BenchmarkGetMulti(b *testing.B) {
	for _, n := range []int{10, 100, 10_000} {
		b.Run(fmt.Sprint("keys=", n), func(b *testing.B) {
			c, keys := benchClient(b, 3), manyKeys(n)
			for _, k := range keys {
				if err := c.Set(context.Background(), item(k, string(benchValue))); err != nil {
					b.Fatal(err)
				}
			}
			benchmark(b, c, func(ctx context.Context, _ int) error {
				_, err := c.GetMulti(ctx, keys)
				return err
			})
		})
	}
}
