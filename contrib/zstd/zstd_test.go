package zstd_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"runtime"
	"strings"
	"sync"
	"testing"

	klauspost "github.com/klauspost/compress/zstd"
	"github.com/nohop/memcache"
	"github.com/nohop/memcache/contrib/zstd"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// Values from 1 KiB on are compressed.
func ExampleNew() {
	ctx := context.Background()
	node := memcachetest.NewServer() // or the address of any memcached
	defer node.Close()

	z, err := zstd.New(zstd.Default)
	if err != nil {
		log.Fatal(err)
	}
	client, err := memcache.New(memcache.WithServers(node.Addr()), memcache.WithCompression(z, 1<<10))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	page := bytes.Repeat([]byte("<p>hello</p>\n"), 1000)
	if err := client.Set(ctx, &memcache.Item{Key: "page", Value: page}); err != nil {
		log.Fatal(err)
	}
	item, err := client.Get(ctx, "page")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(bytes.Equal(item.Value, page))
	// Output: true
}

var text = []byte(strings.Repeat("some text that is worth compressing, ", 300))

func newCompressor(t testing.TB, level zstd.Level, dictionaries ...[]byte) *zstd.Compressor {
	z, err := zstd.New(level, dictionaries...)
	require.NoError(t, err)
	return z
}

func TestRoundTrip(t *testing.T) {
	for _, level := range []zstd.Level{zstd.Fastest, zstd.Default, zstd.Better, zstd.Best} {
		z := newCompressor(t, level)
		for _, value := range [][]byte{{}, []byte("short"), text, bytes.Repeat(text, 300)} {
			packed, err := z.Compress([]byte("dst"), value)
			require.NoError(t, err)
			require.Equal(t, "dst", string(packed[:3]))
			got, err := z.Decompress([]byte("before "), packed[3:], len(value))
			require.NoError(t, err)
			require.Equal(t, "before "+string(value), string(got))
		}
	}
}

// Frames that do not state their size, and more than one frame, are nothing that Compress makes.
func TestForeignFrames(t *testing.T) {
	z := newCompressor(t, zstd.Default)
	var stream bytes.Buffer
	w, err := klauspost.NewWriter(&stream)
	require.NoError(t, err)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Flush())
	require.NoError(t, w.Close())
	_, err = z.Decompress(nil, stream.Bytes(), 1<<20)
	require.ErrorIs(t, err, zstd.ErrNoSize)

	one, err := z.Compress(nil, text)
	require.NoError(t, err)
	got, err := z.Decompress(make([]byte, 3, 1<<20), bytes.Repeat(one, 2), 1<<20)
	require.Error(t, err)
	require.Len(t, got, 3)
	_, err = z.Decompress(nil, nil, 1<<20)
	require.Error(t, err)
}

// A frame that is large costs no more memory than the bound, whether it says so or not.
func TestDecompressionIsBounded(t *testing.T) {
	z := newCompressor(t, zstd.Best)
	const limit = 1 << 20
	honest, err := z.Compress(nil, make([]byte, 20<<20))
	require.NoError(t, err)
	lying := bytes.Clone(honest)
	require.Equal(t, []byte{0, 0, 64, 1}, lying[5:9]) // 20 MiB
	copy(lying[5:9], []byte{0, 0, 15, 0})             // nearly one
	_, err = z.Decompress(nil, honest, limit)
	require.ErrorIs(t, err, memcache.ErrTooLarge)
	for _, bomb := range [][]byte{honest, lying} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := z.Decompress(nil, bomb, limit)
		runtime.ReadMemStats(&after)
		require.Error(t, err)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*limit))
	}
}

func TestDamage(t *testing.T) {
	z := newCompressor(t, zstd.Default)
	whole, err := z.Compress(nil, text)
	require.NoError(t, err)
	for i := range whole {
		_, err := z.Decompress(nil, whole[:i], 1<<20)
		require.Error(t, err, "cut at %d", i)
		for bit := range 8 {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << bit
			if v, err := z.Decompress([]byte("dst"), damaged, 1<<20); err == nil {
				require.Equal(t, "dst"+string(text), string(v), "byte %d bit %d", i, bit)
			}
		}
	}
	_, err = z.Decompress(nil, append(whole, "tail"...), 1<<20)
	require.Error(t, err)
}

// A dictionary makes small values smaller, and values that were compressed with the last one can still be read.
func TestDictionaries(t *testing.T) {
	first, second := dictionary(t, 1), dictionary(t, 2)
	value := []byte(`{"id":4711,"name":"Ada","city":"London","roles":["reader","writer"]}`)
	bare := newCompressor(t, zstd.Default)
	old, renewed := newCompressor(t, zstd.Default, first), newCompressor(t, zstd.Default, second, first)
	plain, err := bare.Compress(nil, value)
	require.NoError(t, err)
	packed, err := old.Compress(nil, value)
	require.NoError(t, err)
	require.Less(t, len(packed), len(plain)*3/4)

	got, err := renewed.Decompress(nil, packed, 1<<10)
	require.NoError(t, err)
	require.Equal(t, string(value), string(got))
	packed, err = renewed.Compress(nil, value)
	require.NoError(t, err)
	for _, z := range []*zstd.Compressor{old, bare} {
		_, err = z.Decompress(nil, packed, 1<<10)
		require.ErrorIs(t, err, klauspost.ErrUnknownDictionary)
	}
}

// dictionary makes one of samples that have what values have in common, and what they have not.
func dictionary(t *testing.T, id uint32) []byte {
	var samples [][]byte
	for i := range 300 {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		samples = append(samples, fmt.Appendf(nil, `{"id":%d,"name":"%x","city":"London","roles":["reader","writer"]}`, i*37, sum[:6]))
	}
	history := []byte(`"city":"London","roles":["reader","writer"]}{"id":1,"name":"`)
	d, err := klauspost.BuildDict(klauspost.BuildDictOptions{ID: id, Contents: samples, History: history, Offsets: [3]int{1, 4, 8}})
	require.NoError(t, err)
	return d
}

func TestBadArguments(t *testing.T) {
	for _, level := range []zstd.Level{0, 5, -1} {
		_, err := zstd.New(level)
		require.ErrorIs(t, err, zstd.ErrBadLevel)
	}
	_, err := zstd.New(zstd.Default, []byte("no dictionary"))
	require.Error(t, err)
}

// Two clients, one of which knows nothing of zstd.
func TestInAClient(t *testing.T) {
	node := memcachetest.NewServer()
	t.Cleanup(node.Close)
	client := func(opts ...memcache.Option) *memcache.Client {
		c, err := memcache.New(append(opts, memcache.WithServers(node.Addr()))...)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	z := newCompressor(t, zstd.Default)
	writer, reader, other := client(memcache.WithCompression(z, 100)), client(memcache.WithDecompression(z)), client(memcache.WithDecompression())
	require.NoError(t, writer.Set(t.Context(), &memcache.Item{Key: "k", Value: text, Flags: 5}))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				item, err := reader.Get(t.Context(), "k")
				if err != nil || !bytes.Equal(item.Value, text) || item.Flags != 5 {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	_, err := other.Get(t.Context(), "k")
	require.ErrorIs(t, err, memcache.ErrUnknownCompression)
}

func FuzzDecompress(f *testing.F) {
	z := newCompressor(f, zstd.Default)
	whole, err := z.Compress(nil, text)
	require.NoError(f, err)
	f.Add(whole, len(text))
	f.Add(whole, len(text)-1)
	f.Add(whole[:len(whole)/2], len(text))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd}, 10)
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		if limit < 0 || limit > 1<<20 {
			return
		}
		v, err := z.Decompress([]byte("dst"), data, limit)
		require.True(t, bytes.HasPrefix(v, []byte("dst")))
		require.LessOrEqual(t, len(v)-3, limit)
		if err != nil {
			require.Len(t, v, 3)
		}
	})
}
