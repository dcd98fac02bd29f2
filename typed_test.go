package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// A value of the application's own type, stored and read.
func ExampleGet() {
	ctx := context.Background()
	node := memcachetest.NewServer() // or the address of any memcached
	defer node.Close()

	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	type User struct{ Name string }
	users := memcache.JSON[User]{}
	if err := memcache.Set(ctx, client, "user:7", users, time.Hour, User{"Ada"}); err != nil {
		log.Fatal(err)
	}
	user, err := memcache.Get(ctx, client, "user:7", users)
	if err != nil {
		log.Fatal(err)
	}
	_, err = memcache.Get(ctx, client, "user:8", users)
	fmt.Println(user.Name, errors.Is(err, memcache.ErrCacheMiss))
	// Output: Ada true
}

// point is encoded by a Codec of the application's own, in which any two bytes are a point.
type point struct{ x, y byte }

type pointCodec struct{}

func (pointCodec) Encode(p point) ([]byte, error) { return []byte{p.x, p.y}, nil }
func (pointCodec) Decode(data []byte) (point, error) {
	if len(data) != 2 {
		return point{}, errors.New("no point")
	}
	return point{data[0], data[1]}, nil
}
func (pointCodec) Format() uint8 { return 8 }

var _ memcache.FormatCodec[point] = pointCodec{}

func roundTrip[T any](t *testing.T, c *memcache.Client, codec memcache.Codec[T], v T, flags uint32) {
	t.Helper()
	ctx := t.Context()
	require.NoError(t, memcache.Set(ctx, c, "k", codec, time.Hour, v))
	it, err := c.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, flags, it.Flags)
	got, err := memcache.Get(ctx, c, "k", codec)
	require.NoError(t, err)
	require.Equal(t, v, got)

	require.NoError(t, c.Delete(ctx, "k"))
	for range 2 {
		got, err = memcache.Load(ctx, c, "k", codec, time.Hour, func(context.Context) (T, error) { return v, nil })
		require.NoError(t, err)
		require.Equal(t, v, got)
	}
	it, err = c.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, flags, it.Flags)
	require.NoError(t, c.Set(ctx, &memcache.Item{Key: "k", Value: it.Value}))
	got, err = memcache.Get(ctx, c, "k", codec)
	require.NoError(t, err, "without a mark")
	require.Equal(t, v, got)
}

func TestTypedValues(t *testing.T) {
	withEachKind(t, 1, func(t *testing.T, servers cluster) {
		for name, opts := range map[string][]memcache.Option{
			"plain": nil, "compressed": {compressing(memcache.Gzip{}), memcache.WithNamespace("ns:")},
		} {
			t.Run(name, func(t *testing.T) {
				c := newClient(t, append(opts, memcache.WithServers(servers.addrs()...), memcache.WithTimeout(longTimeout))...)
				roundTrip(t, c, memcache.JSON[user]{}, user{long, 36}, 1<<24)
				roundTrip(t, c, memcache.Gob[user]{}, user{long, 36}, 2<<24)
				roundTrip(t, c, memcache.Gob[*user]{}, &user{"Ada", 36}, 2<<24)
				roundTrip(t, c, memcache.Raw[string]{}, long, 0)
				roundTrip(t, c, pointCodec{}, point{1, 2}, 8<<24)
			})
		}
	})
}

// A value of another format is an error, even if its bytes could be decoded.
func TestValuesOfOtherFormats(t *testing.T) {
	node := memcachetest.NewServer()
	t.Cleanup(node.Close)
	c := newClient(t, memcache.WithServers(node.Addr()))
	ctx := t.Context()
	require.NoError(t, memcache.Set(ctx, c, "k", memcache.JSON[int]{}, 0, 12))
	_, err := memcache.Get(ctx, c, "k", pointCodec{})
	var bad *memcache.CodecError
	require.ErrorAs(t, err, &bad)
	require.True(t, bad.Decoding)
	require.ErrorIs(t, err, memcache.ErrOtherFormat)
	_, err = memcache.Load(ctx, c, "k", memcache.Gob[int]{}, 0, func(context.Context) (int, error) { return 0, nil })
	require.ErrorIs(t, err, memcache.ErrOtherFormat)
	text, err := memcache.Get(ctx, c, "k", memcache.Raw[string]{})
	require.NoError(t, err)
	require.Equal(t, "12", text)

	// What another client has compressed is nothing to decode for one that knows of no compression.
	z := newClient(t, memcache.WithServers(node.Addr()), compressing(memcache.Deflate{}))
	require.NoError(t, memcache.Set(ctx, z, "k", memcache.Raw[string]{}, 0, long))
	_, err = memcache.Get(ctx, c, "k", memcache.Raw[string]{})
	require.ErrorIs(t, err, memcache.ErrUnknownCompression)
	text, err = memcache.Get(ctx, z, "k", memcache.Raw[string]{})
	require.NoError(t, err)
	require.Equal(t, long, text)
}

func TestTypedErrors(t *testing.T) {
	node := memcachetest.NewServer()
	t.Cleanup(node.Close)
	c := newClient(t, memcache.WithServers(node.Addr()))
	ctx := t.Context()
	var bad *memcache.CodecError
	for _, err := range []error{
		memcache.Set(ctx, c, "k", memcache.JSON[func()]{}, 0, func() {}),
		memcache.Set(ctx, c, "k", memcache.Gob[func()]{}, 0, func() {}),
		memcache.Set(ctx, c, "k", memcache.Gob[*user]{}, 0, nil),
	} {
		require.ErrorAs(t, err, &bad)
		require.False(t, bad.Decoding)
	}
	require.ErrorIs(t, memcache.Set(ctx, c, "a b", memcache.Raw[string]{}, 0, ""), memcache.ErrMalformedKey)
	require.ErrorIs(t, memcache.Set(ctx, c, "k", memcache.Raw[string]{}, -1, ""), memcache.ErrInvalidTTL)
	_, err := memcache.Get(ctx, c, "k", memcache.JSON[user]{})
	require.ErrorIs(t, err, memcache.ErrCacheMiss)

	require.NoError(t, c.Set(ctx, item("k", "neither")))
	_, err = memcache.Get(ctx, c, "k", memcache.JSON[user]{})
	require.ErrorAs(t, err, &bad)
	require.True(t, bad.Decoding)
	_, err = memcache.Get(ctx, c, "k", memcache.Gob[user]{})
	require.ErrorAs(t, err, &bad)
}

func FuzzGob(f *testing.F) {
	seed, err := memcache.Gob[user]{}.Encode(user{"Ada", 36})
	require.NoError(f, err)
	f.Add(seed)
	f.Add(seed[:10])
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := memcache.Gob[user]{}.Decode(data)
		if err != nil {
			return
		}
		again, err := memcache.Gob[user]{}.Encode(v)
		require.NoError(t, err)
		same, err := memcache.Gob[user]{}.Decode(again)
		require.NoError(t, err)
		require.Equal(t, v, same)
	})
}
