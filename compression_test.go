package memcache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// Values from 1 KiB on are compressed on their way to the nodes. A client without the option shows what is stored there.
func ExampleWithCompression() {
	ctx := context.Background()
	node := memcachetest.NewServer() // or the address of any memcached
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()), memcache.WithCompression(memcache.Deflate{}, 1<<10))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	page := bytes.Repeat([]byte("<p>hello</p>\n"), 1000)
	if err := client.Set(ctx, &memcache.Item{Key: "page", Value: page, Flags: 7}); err != nil {
		log.Fatal(err)
	}
	item, err := client.Get(ctx, "page")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("read:", len(item.Value), "bytes, flags", item.Flags)

	other, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()
	if item, err = other.Get(ctx, "page"); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("stored: less than 100 bytes %t, flags %#x\n", len(item.Value) < 100, item.Flags)
	// Output:
	// read: 13000 bytes, flags 7
	// stored: less than 100 bytes true, flags 0x10000007
}

var compressors = []memcache.Compressor{memcache.Deflate{}, memcache.Gzip{}, memcache.Deflate{Level: 1}, memcache.Gzip{Level: 9}, reverse{}}

// reverse is a Compressor of an application's own. It makes values of one repeated byte smaller.
type reverse struct{}

func (reverse) ID() uint8 { return 8 }

func (reverse) Compress(dst, src []byte) ([]byte, error) {
	if len(src) > 0 && len(bytes.Trim(src, string(src[:1]))) == 0 {
		return fmt.Appendf(dst, "%c%d", src[0], len(src)), nil
	}
	return append(dst, src...), nil
}

func (reverse) Decompress(dst, src []byte, limit int) ([]byte, error) {
	var c rune
	var n int
	if _, err := fmt.Sscanf(string(src), "%c%d", &c, &n); err != nil {
		return dst, err
	}
	if n > limit {
		return dst, memcache.ErrTooLarge
	}
	return append(dst, strings.Repeat(string(c), n)...), nil
}

// long is a value that every compressor makes smaller.
var long = strings.Repeat("x", 5000)

func compressing(z memcache.Compressor) memcache.Option { return memcache.WithCompression(z, 64) }

// Every operation that stores or reads a value does so compressed, under the flags of the application.
func TestCompressedOperations(t *testing.T) {
	withEachKind(t, 2, func(t *testing.T, servers cluster) {
		for i, z := range compressors {
			for _, text := range [][]memcache.Option{nil, {memcache.WithTextProtocol()}} {
				t.Run(fmt.Sprintf("%T%d text %t", z, i, text != nil), func(t *testing.T) {
					opts := append(text, memcache.WithServers(servers.addrs()...), memcache.WithReplicated(), memcache.WithTimeout(longTimeout))
					plain := newClient(t, opts...)
					c := newClient(t, append(opts, compressing(z), memcache.WithDecompression(reverse{}))...)
					compressedOperations(t, c, plain, z.ID(), text != nil)
				})
			}
		}
	})
}

func compressedOperations(t *testing.T, c, plain *memcache.Client, id uint8, isText bool) {
	ctx, key := t.Context(), "k"
	require.NoError(t, c.DeleteMulti(ctx, []string{key}))
	has := func(want string) {
		t.Helper()
		stored, err := plain.GetForUpdate(ctx, key)
		require.NoError(t, err)
		require.Less(t, len(stored.Value), len(want)/2)
		require.Equal(t, uint32(id)<<28|42, stored.Flags)
		it, err := c.GetForUpdate(ctx, key)
		require.NoError(t, err)
		require.Equal(t, want, string(it.Value))
		require.Equal(t, uint32(42), it.Flags)
	}
	of := func(value string) *memcache.Item { return &memcache.Item{Key: key, Value: []byte(value), Flags: 42} }

	require.NoError(t, c.Add(ctx, of(long)))
	has(long)
	require.NoError(t, c.Replace(ctx, of(long+long)))
	has(long + long)
	require.NoError(t, c.Set(ctx, of(long)))
	has(long)
	it, err := c.GetForUpdate(ctx, key)
	require.NoError(t, err)
	it.Value = append(it.Value, long...)
	require.NoError(t, c.CompareAndSwap(ctx, it))
	has(long + long)
	require.NoError(t, c.SetMulti(ctx, []*memcache.Item{of(long), {Key: "small", Value: []byte("small")}}))
	has(long)

	many, err := c.GetMulti(ctx, []string{key, "small", "nothing"})
	require.NoError(t, err)
	require.Len(t, many, 2)
	require.Equal(t, long, string(many[key].Value))
	require.Equal(t, "small", string(many["small"].Value))
	for _, dst := range [][]byte{nil, []byte("before "), append(make([]byte, 0, 20_000), "before "...)} {
		v, err := c.AppendGet(ctx, dst, key)
		require.NoError(t, err)
		require.Equal(t, string(dst)+long, string(v))
	}
	touched, err := c.GetAndTouch(ctx, key, 0)
	require.NoError(t, err)
	require.Equal(t, long, string(touched.Value))
	require.NoError(t, c.Touch(ctx, key, 0))

	for _, extend := range []func(context.Context, *memcache.Item) error{c.Append, c.Prepend} {
		if isText {
			require.ErrorIs(t, extend(ctx, item(key, "!")), memcache.ErrUnsupported)
			continue
		}
		require.ErrorIs(t, extend(ctx, item(key, "!")), memcache.ErrCompressed)
		require.ErrorIs(t, extend(ctx, item("nothing", "!")), memcache.ErrNotStored)
		require.NoError(t, extend(ctx, item("small", "!")))
	}
	has(long)

	require.NoError(t, c.Delete(ctx, key))
	var opts []memcache.LoadOption
	if isText {
		opts = append(opts, memcache.WithoutLeases())
	}
	for range 2 {
		got, err := c.GetOrLoad(ctx, key, func(context.Context) (*memcache.Item, error) { return of(long), nil }, opts...)
		require.NoError(t, err)
		require.Equal(t, long, string(got.Value))
		require.Equal(t, uint32(42), got.Flags)
		has(long)
	}
	require.NoError(t, c.Set(ctx, item("n", "9")))
	n, err := c.Increment(ctx, "n", 1)
	require.NoError(t, err)
	require.Equal(t, uint64(10), n)
}

// Values that are short, or that would not become smaller, are stored as they are.
func TestValuesThatAreNotCompressed(t *testing.T) {
	node := realnode.Start(t).Addr
	c := newClient(t, memcache.WithServers(node), compressing(memcache.Deflate{}))
	noise := make([]byte, 4000)
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	plain := newClient(t, memcache.WithServers(node))
	for _, value := range []string{"", "short", long[:63], string(noise)} {
		require.NoError(t, c.Set(t.Context(), &memcache.Item{Key: "k", Value: []byte(value), Flags: 1<<28 - 1}))
		it, err := plain.Get(t.Context(), "k")
		require.NoError(t, err)
		require.Equal(t, value, string(it.Value))
		require.Equal(t, uint32(1<<28-1), it.Flags)
	}
	require.NoError(t, c.Set(t.Context(), item("k", long[:64])))
	it, err := plain.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, uint32(1<<28), it.Flags)
}

// What nobody here can have compressed is an error, and costs the other keys of a batch nothing.
func TestValuesThatCannotBeDecompressed(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		plain := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))
		c := newClient(t, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout), compressing(memcache.Deflate{}))
		ctx := t.Context()
		require.NoError(t, c.Set(ctx, item("fine", long)))
		for name, test := range map[string]struct {
			item *memcache.Item
			want error
		}{
			"foreign":     {&memcache.Item{Key: "k", Value: []byte("v"), Flags: 8 << 28}, memcache.ErrUnknownCompression},
			"minus one":   {&memcache.Item{Key: "k", Value: []byte("v"), Flags: 1<<32 - 1}, memcache.ErrUnknownCompression},
			"raw":         {&memcache.Item{Key: "k", Value: []byte(long), Flags: 1 << 28}, nil},
			"empty":       {&memcache.Item{Key: "k", Flags: 2 << 28}, nil},
			"cut short":   {&memcache.Item{Key: "k", Value: compressed(t, memcache.Gzip{})[:30], Flags: 2 << 28}, nil},
			"with a tail": {&memcache.Item{Key: "k", Value: append(compressed(t, memcache.Gzip{}), 0), Flags: 2 << 28}, nil},
			"other kind":  {&memcache.Item{Key: "k", Value: compressed(t, memcache.Gzip{}), Flags: 1 << 28}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				require.NoError(t, plain.Set(ctx, test.item))
				_, getErr := c.Get(ctx, "k")
				_, touchErr := c.GetAndTouch(ctx, "k", 0)
				_, loadErr := c.GetOrLoad(ctx, "k", nil)
				dst := []byte("dst")
				got, appendErr := c.AppendGet(ctx, dst, "k")
				require.Equal(t, "dst", string(got))
				many, multiErr := c.GetMulti(ctx, []string{"fine", "k"})
				require.Len(t, many, 1)
				require.Equal(t, long, string(many["fine"].Value))
				var multi *memcache.MultiError
				require.ErrorAs(t, multiErr, &multi)
				require.Equal(t, 1, multi.Keys)
				require.NotNil(t, multi.Nodes[servers[0].addr()])
				for _, err := range []error{getErr, touchErr, loadErr, appendErr, multiErr} {
					var bad *memcache.CompressionError
					require.ErrorAs(t, err, &bad)
					require.Equal(t, uint8(test.item.Flags>>28), bad.ID)
					if test.want != nil {
						require.ErrorIs(t, err, test.want)
					}
				}
				it, err := plain.Get(ctx, "k")
				require.NoError(t, err)
				require.Equal(t, string(test.item.Value), string(it.Value), "it stays where it is")
				require.Equal(t, test.item.Flags, it.Flags, "without the option, flags are the application's")
			})
		}
	})
}

func compressed(t testing.TB, z memcache.Compressor) []byte {
	v, err := z.Compress(nil, []byte(long))
	require.NoError(t, err)
	return v
}

// The caller that is to load a stale value again does so whether or not it can read the old one, and who is not waits for
// the new one if it cannot.
func TestReloadOfAValueThatCannotBeDecompressed(t *testing.T) {
	node := realnode.Start(t).Addr
	plain := newClient(t, memcache.WithServers(node), memcache.WithTimeout(longTimeout))
	c := newClient(t, memcache.WithServers(node), memcache.WithTimeout(longTimeout), memcache.WithDecompression())
	ctx := t.Context()
	require.NoError(t, plain.Set(ctx, &memcache.Item{Key: "k", Value: []byte("old"), Flags: 8 << 28}))
	require.NoError(t, plain.Invalidate(ctx, "k", time.Hour))
	it, err := c.GetOrLoad(ctx, "k", func(context.Context) (*memcache.Item, error) { return item("k", "new"), nil })
	require.NoError(t, err)
	require.Equal(t, "new", string(it.Value))
	it, err = c.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, "new", string(it.Value))

	// Another process has the lease: its value is waited for.
	require.NoError(t, plain.Set(ctx, &memcache.Item{Key: "k", Value: []byte("old"), Flags: 8 << 28}))
	require.NoError(t, plain.Invalidate(ctx, "k", time.Hour))
	loading, goOn := make(chan struct{}), make(chan struct{})
	letGo := sync.OnceFunc(func() { close(goOn) })
	defer letGo()
	other := begin(func() (*memcache.Item, error) {
		return plain.GetOrLoad(ctx, "k", func(context.Context) (*memcache.Item, error) {
			close(loading)
			<-goOn
			return item("k", "of another"), nil
		})
	})
	<-loading
	waiting := begin(func() (any, error) {
		it, err := c.GetOrLoad(ctx, "k", func(context.Context) (*memcache.Item, error) {
			return nil, errors.New("it is another's to load")
		}, memcache.WithWait(longTimeout))
		if err == nil && string(it.Value) != "of another" {
			err = errors.New("another value")
		}
		return nil, err
	})
	require.Eventually(t, func() bool { return c.Stats().Loads.Waited > 0 }, longTimeout, time.Millisecond)
	letGo()
	require.NoError(t, <-other)
	require.NoError(t, <-waiting)
}

// A damaged value is an error or, where the damage is in a header that says nothing of it, the same value.
func TestDamagedCompressedValues(t *testing.T) {
	for _, z := range []memcache.Compressor{memcache.Deflate{}, memcache.Gzip{}} {
		whole := compressed(t, z)
		for i := range whole {
			for bit := range 8 {
				damaged := bytes.Clone(whole)
				damaged[i] ^= 1 << bit
				if v, err := z.Decompress(nil, damaged, 1<<20); err == nil {
					require.Equal(t, long, string(v), "%T byte %d bit %d", z, i, bit)
				}
			}
		}
	}
}

// A small value that claims to be a very large one costs no more memory than the bound.
func TestDecompressionIsBounded(t *testing.T) {
	node := memcachetest.NewServer()
	t.Cleanup(node.Close)
	const bound = 1 << 19
	for _, z := range []memcache.Compressor{memcache.Deflate{Level: 9}, memcache.Gzip{Level: 9}} {
		bomb, err := z.Compress(nil, make([]byte, 20<<20))
		require.NoError(t, err)
		c := newClient(t, memcache.WithServers(node.Addr()), memcache.WithDecompression(), memcache.WithMaxUncompressed(bound))
		plain := newClient(t, memcache.WithServers(node.Addr()))
		require.NoError(t, plain.Set(t.Context(), &memcache.Item{Key: "k", Value: bomb, Flags: uint32(z.ID()) << 28}))
		_, err = c.Get(t.Context(), "k")
		require.ErrorIs(t, err, memcache.ErrTooLarge)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = c.Get(t.Context(), "k")
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, err, memcache.ErrTooLarge)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(5*bound))

		require.ErrorIs(t, c.Set(t.Context(), item("k", strings.Repeat("x", bound+1))), memcache.ErrTooLarge)
		require.NoError(t, c.Set(t.Context(), item("k", strings.Repeat("x", bound))))
		for _, limit := range []int{0, 1, 4999} {
			_, err := z.Decompress([]byte("dst"), compressed(t, z), limit)
			require.ErrorIs(t, err, memcache.ErrTooLarge)
		}
		v, err := z.Decompress([]byte("dst"), compressed(t, z), 5000)
		require.NoError(t, err)
		require.Equal(t, "dst"+long, string(v))
	}
}

// Whoever appends while others store compressed values never appends to one of those.
func TestAppendMeetsCompressedValues(t *testing.T) {
	addr := realnode.Start(t).Addr
	c := newClient(t, memcache.WithServers(addr), memcache.WithTimeout(longTimeout), compressing(memcache.Deflate{}))
	ctx := t.Context()
	var wg sync.WaitGroup
	var mu sync.Mutex
	outcomes := map[error]int{}
	for range 4 {
		wg.Go(func() {
			for i := range 300 {
				var err error
				switch {
				case i%3 == 0:
					err = c.Set(ctx, item("k", long))
				case i%3 == 1:
					err = c.Set(ctx, item("k", "short"))
				default:
					err = c.Append(ctx, item("k", "!"))
				}
				mu.Lock()
				outcomes[err]++
				mu.Unlock()
				it, err := c.Get(ctx, "k")
				if err != nil || string(it.Value) != long && strings.TrimRight(string(it.Value), "!") != "short" {
					t.Error("read something else", err)
				}
			}
		})
	}
	wg.Wait()
	for err := range outcomes {
		require.Contains(t, []error{nil, memcache.ErrCompressed, memcache.ErrCASConflict}, err)
	}
	require.NotZero(t, outcomes[memcache.ErrCompressed])
}

// An item whose own flags would be taken for a mark is refused before anything is sent.
func TestFlagsThatAreReserved(t *testing.T) {
	node := memcachetest.NewServer()
	t.Cleanup(node.Close)
	c := newClient(t, memcache.WithServers(node.Addr()), memcache.WithDecompression())
	ctx, bad := t.Context(), &memcache.Item{Key: "k", Value: []byte("v"), Flags: 1 << 28}
	_, err := c.GetOrLoad(ctx, "k", func(context.Context) (*memcache.Item, error) { return bad, nil })
	for _, err := range []error{c.Set(ctx, bad), c.Add(ctx, bad), c.SetMulti(ctx, []*memcache.Item{item("first", ""), bad}), err} {
		require.ErrorIs(t, err, memcache.ErrReservedFlags)
	}
	for _, key := range []string{"k", "first"} {
		_, err = c.Get(ctx, key)
		require.ErrorIs(t, err, memcache.ErrCacheMiss)
	}
}

// broken is a Compressor that does not what it should.
type broken struct {
	reverse
	compress func(dst []byte) ([]byte, error)
}

func (b broken) Compress(dst, src []byte) ([]byte, error) {
	if src == nil {
		return dst, nil
	}
	return b.compress(dst)
}
func (b broken) Decompress(dst, _ []byte, _ int) ([]byte, error) { return b.compress(dst) }

func TestBrokenCompressors(t *testing.T) {
	node := memcachetest.NewServer()
	t.Cleanup(node.Close)
	failed := errors.New("no dictionary")
	plain := newClient(t, memcache.WithServers(node.Addr()))
	for name, compress := range map[string]func(dst []byte) ([]byte, error){
		"fails":     func(dst []byte) ([]byte, error) { return nil, failed },
		"too short": func(dst []byte) ([]byte, error) { return dst[:len(dst)/2], nil },
		"too long":  func(dst []byte) ([]byte, error) { return append(dst, make([]byte, 6000)...), nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, memcache.WithServers(node.Addr()), compressing(broken{compress: compress}), memcache.WithMaxUncompressed(5500))
			var bad *memcache.CompressionError
			if name == "fails" {
				require.ErrorAs(t, c.Set(t.Context(), item("k", long)), &bad)
				require.ErrorIs(t, bad, failed)
			}
			require.NoError(t, plain.Set(t.Context(), &memcache.Item{Key: "k", Value: []byte("vvvv"), Flags: 8 << 28}))
			got, err := c.AppendGet(t.Context(), []byte("dst"), "k")
			require.ErrorAs(t, err, &bad)
			require.Equal(t, "dst", string(got))
			if name != "too short" { // nothing is not too short to be a value
				_, err = c.Get(t.Context(), "k")
				require.ErrorAs(t, err, &bad)
			}
		})
	}
}

func TestBadCompressionOptions(t *testing.T) {
	servers := memcache.WithServers("10.0.0.1")
	for name, opts := range map[string][]memcache.Option{
		"low threshold":    {memcache.WithCompression(memcache.Deflate{}, 31)},
		"none":             {memcache.WithCompression(nil, 100)},
		"none to read":     {memcache.WithDecompression(nil)},
		"twice":            {compressing(memcache.Deflate{}), compressing(memcache.Gzip{})},
		"no such level":    {compressing(memcache.Deflate{Level: 10})},
		"negative level":   {memcache.WithDecompression(memcache.Gzip{Level: -1})},
		"ID 0":             {memcache.WithDecompression(numbered(0))},
		"ID 15":            {memcache.WithDecompression(numbered(15))},
		"bound without":    {memcache.WithMaxUncompressed(1000)},
		"bound of nothing": {memcache.WithDecompression(), memcache.WithMaxUncompressed(0)},
	} {
		_, err := memcache.New(append(opts, servers)...)
		require.ErrorIs(t, err, memcache.ErrBadOption, name)
	}
	newClient(t, servers, memcache.WithDecompression(), compressing(memcache.Gzip{}), memcache.WithDecompression(numbered(14)))
}

type numbered uint8

func (n numbered) ID() uint8                                     { return uint8(n) }
func (numbered) Compress(dst, src []byte) ([]byte, error)        { return dst, nil }
func (numbered) Decompress(dst, _ []byte, _ int) ([]byte, error) { return dst, nil }

// What is compressed and decompressed in place allocates next to nothing.
func TestAllocationsOfCompression(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	c := newClient(t, memcache.WithServers(realnode.Start(t).Addr), memcache.WithTimeout(longTimeout), compressing(memcache.Deflate{}))
	ctx, it, buf := t.Context(), item("k", long), make([]byte, 0, 20_000)
	for name, call := range map[string]func() error{
		"set": func() error { return c.Set(ctx, it) },
		"get": func() error { _, err := c.AppendGet(ctx, buf, "k"); return err },
	} {
		require.NoError(t, c.Set(ctx, it))
		allocs := testing.AllocsPerRun(200, func() {
			if err := call(); err != nil {
				t.Fatal(err)
			}
		})
		require.LessOrEqual(t, allocs, 3.0, name)
	}
}

func TestCompressorsAreSafeForConcurrentUse(t *testing.T) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			value := bytes.Repeat([]byte{byte(i)}, 1000*(i+1))
			for range 100 {
				for _, z := range []memcache.Compressor{memcache.Deflate{}, memcache.Gzip{}} {
					packed, err := z.Compress(nil, value)
					if err != nil {
						t.Error(err)
					}
					if _, err := z.Decompress(nil, packed[:len(packed)-1], 10_000); err == nil {
						t.Error("cut short, and no error")
					}
					if got, err := z.Decompress(nil, packed, 10_000); err != nil || !bytes.Equal(got, value) {
						t.Error("another value", err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func FuzzDecompress(f *testing.F) {
	for _, z := range []memcache.Compressor{memcache.Deflate{}, memcache.Gzip{}} {
		f.Add(compressed(f, z), 5000)
		f.Add(compressed(f, z), 4999)
		f.Add(compressed(f, z)[:20], 5000)
	}
	f.Add([]byte{}, 0)
	f.Add([]byte("\x78\x9c"), 10)
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		if limit < 0 || limit > 1<<20 {
			return
		}
		dst := []byte("dst")
		for _, z := range []memcache.Compressor{memcache.Deflate{}, memcache.Gzip{}} {
			v, err := z.Decompress(dst, data, limit)
			require.True(t, bytes.HasPrefix(v, dst))
			require.LessOrEqual(t, len(v)-len(dst), limit)
			if err != nil {
				continue
			}
			again, err := z.Compress(nil, v[len(dst):])
			require.NoError(t, err)
			same, err := z.Decompress(nil, again, limit)
			require.NoError(t, err)
			require.Equal(t, string(v[len(dst):]), string(same))
		}
	})
}
