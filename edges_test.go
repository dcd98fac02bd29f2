package memcache_test

import (
	"bytes"
	"context"
	"math"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

func TestMaxUncompressedMaxInt(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	c, err := memcache.New(memcache.WithServers(s.Addr()), memcache.WithCompression(memcache.Gzip{}, 64), memcache.WithMaxUncompressed(math.MaxInt))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Set(t.Context(), &memcache.Item{Key: "k", Value: bytes.Repeat([]byte("a"), 1000)}))
	it, err := c.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Len(t, it.Value, 1000)
}

// Shutdown with no deadline, or a long one, while a node is away that a write has missed.
func TestShutdownWithNodeAway(t *testing.T) {
	var addrs []string
	var servers []*memcachetest.Server
	for range 3 {
		s := memcachetest.NewServer()
		defer s.Close()
		servers, addrs = append(servers, s), append(addrs, s.Addr())
	}
	c, err := memcache.New(memcache.WithServers(addrs...), memcache.WithReplicated(), memcache.WithCoherentReplicas())
	require.NoError(t, err)
	defer c.Close()
	servers[0].Close()
	for i := range 50 {
		c.Set(t.Context(), &memcache.Item{Key: string(rune('a' + i)), Value: []byte("v")})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, c.Shutdown(ctx))
}

func TestEarlyRecacheOverflow(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	c, err := memcache.New(memcache.WithServers(s.Addr()))
	require.NoError(t, err)
	defer c.Close()
	load := func(context.Context) (*memcache.Item, error) {
		return &memcache.Item{Value: []byte("v"), TTL: time.Minute}, nil
	}
	_, err = c.GetOrLoad(t.Context(), "k", load, memcache.WithEarlyRecache(60*24*time.Hour))
	_, err2 := c.GetOrLoad(t.Context(), "k", load, memcache.WithEarlyRecache(math.MaxInt64))
	require.Error(t, err)
	require.Error(t, err2)
}

func TestShardedMaxInt(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	c, err := memcache.New(memcache.WithServers(s.Addr()), memcache.WithSharded(math.MaxInt))
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Set(t.Context(), &memcache.Item{Key: "k", Value: []byte("v")}))
}

func TestShardedMaxIntWhereNodesMove(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	c, err := memcache.New(memcache.WithServers(s.Addr()), memcache.WithSharded(math.MaxInt), memcache.WithPropagation(time.Second))
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Get(t.Context(), "k")
	require.ErrorIs(t, err, memcache.ErrCacheMiss)
}

type panicking struct{ memcache.Gzip }

func (panicking) ID() uint8 { return 9 }
func (p panicking) Compress(dst, src []byte) ([]byte, error) {
	if len(src) > 0 {
		panic("compressor")
	}
	return p.Gzip.Compress(dst, src)
}

// A panic of a Compressor reaches the caller in Set; in GetOrLoad it must not end the process.
func TestCompressorPanicInLoad(t *testing.T) {
	s := memcachetest.NewServer()
	defer s.Close()
	c, err := memcache.New(memcache.WithServers(s.Addr()), memcache.WithCompression(panicking{}, 64))
	require.NoError(t, err)
	defer c.Close()
	it := memcache.Item{Key: "k", Value: bytes.Repeat([]byte("a"), 1000)}
	require.Panics(t, func() { c.Set(t.Context(), &it) })
	require.Panics(t, func() {
		c.GetOrLoad(t.Context(), "k", func(context.Context) (*memcache.Item, error) { return &it, nil })
	})
}
