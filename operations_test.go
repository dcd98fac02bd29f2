package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// secret is a part of every key of the suite, so that an error which shows a key is caught.
const secret = "secret"

// suite is one client of the operation suite: a kind of servers, a topology and a dialect.
type suite struct {
	*testing.T
	c       *memcache.Client
	servers cluster
	isText  bool
	opts    []memcache.Option
	nextKey int
}

// key returns a key that no other test has used.
func (s *suite) key() string {
	s.nextKey++
	return fmt.Sprint(secret, s.nextKey, "-", strings.ReplaceAll(s.Name(), "/", "-"))
}

// fails asserts that err is want, and shows no key.
func (s *suite) fails(err, want error) {
	s.Helper()
	require.ErrorIs(s, err, want)
	require.NotContains(s, err.Error(), secret)
}

func (s *suite) set(key, value string) {
	s.Helper()
	require.NoError(s, s.c.Set(s.Context(), item(key, value)))
}

// has asserts what the key holds; value "" and found false is a miss.
func (s *suite) has(key, value string) {
	s.Helper()
	it, err := s.c.Get(s.Context(), key)
	require.NoError(s, err)
	require.Equal(s, value, string(it.Value))
	it, err = s.c.GetForUpdate(s.Context(), key)
	require.NoError(s, err)
	require.Equal(s, value, string(it.Value))
}

func (s *suite) misses(key string) {
	s.Helper()
	_, err := s.c.Get(s.Context(), key)
	s.fails(err, memcache.ErrCacheMiss)
}

func TestOperations(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		servers.slow(t)
		a := servers.addrs()
		topologies := map[string][]memcache.Option{
			"sharded":    {memcache.WithServers(a...)},
			"sharded2":   {memcache.WithServers(a...), memcache.WithSharded(2)},
			"replicated": {memcache.WithServers(a...), memcache.WithReplicated(), memcache.WithLocal(a[1])},
			"zoned":      {memcache.WithZone("a", a[0]), memcache.WithZone("b", a[1:]...), memcache.WithLocal("b")},
		}
		for topology, opts := range topologies {
			for _, isText := range []bool{false, true} {
				dialect := "meta"
				opts := append(opts, memcache.WithTimeout(longTimeout), memcache.WithMaxValue(2<<20))
				if isText {
					dialect = "text"
					opts = append(opts, memcache.WithTextProtocol())
				}
				t.Run(topology+"/"+dialect, func(t *testing.T) {
					t.Parallel()
					c := newClient(t, opts...)
					for name, test := range operations {
						t.Run(name, func(t *testing.T) {
							test(&suite{T: t, c: c, servers: servers, isText: isText, opts: opts})
						})
					}
				})
			}
		}
	})
}

var operations = map[string]func(*suite){
	"get": func(s *suite) {
		k := s.key()
		s.misses(k)
		_, err := s.c.GetForUpdate(s.Context(), k)
		s.fails(err, memcache.ErrCacheMiss)
		require.NoError(s, s.c.Set(s.Context(), &memcache.Item{Key: k, Value: []byte("v"), Flags: 1<<32 - 1, TTL: time.Minute}))
		s.has(k, "v")
		it, err := s.c.Get(s.Context(), k)
		require.NoError(s, err)
		require.Equal(s, k, it.Key)
		require.Equal(s, uint32(1<<32-1), it.Flags)
		require.Zero(s, it.TTL)
		require.False(s, it.CAS.IsZero())
	},
	"append get": func(s *suite) {
		k := s.key()
		dst := append(make([]byte, 0, 100), "before "...)
		got, err := s.c.AppendGet(s.Context(), dst, k)
		s.fails(err, memcache.ErrCacheMiss)
		require.Equal(s, "before ", string(got))
		s.set(k, "v")
		got, err = s.c.AppendGet(s.Context(), dst, k)
		require.NoError(s, err)
		require.Equal(s, "before v", string(got))
		require.Same(s, &dst[0], &got[0], "there was room")
		got, err = s.c.AppendGet(s.Context(), nil, k)
		require.NoError(s, err)
		require.Equal(s, "v", string(got))
		large := strings.Repeat("x", 300_000)
		s.set(k, large)
		got, err = s.c.AppendGet(s.Context(), []byte("before "), k)
		require.NoError(s, err)
		require.Equal(s, "before "+large, string(got))
	},
	"get multi": func(s *suite) {
		k1, k2, k3 := s.key(), s.key(), s.key()
		s.set(k1, "v1")
		s.set(k2, "")
		got, err := s.c.GetMulti(s.Context(), []string{k1, k2, k3, k1})
		require.NoError(s, err)
		require.Len(s, got, 2)
		require.Equal(s, "v1", string(got[k1].Value))
		require.Equal(s, k2, got[k2].Key)
		require.Empty(s, got[k2].Value)
	},
	"set": func(s *suite) {
		k := s.key()
		for _, v := range []string{"first", "", "\r\nEND\r\n\x00", strings.Repeat("x", 5000), strings.Repeat("y", 1_000_000)} {
			s.set(k, v)
			s.has(k, v)
		}
	},
	"add": func(s *suite) {
		k := s.key()
		require.NoError(s, s.c.Add(s.Context(), item(k, "first")))
		s.fails(s.c.Add(s.Context(), item(k, "second")), memcache.ErrNotStored)
		s.has(k, "first")
	},
	"replace": func(s *suite) {
		k := s.key()
		s.fails(s.c.Replace(s.Context(), item(k, "v")), memcache.ErrNotStored)
		s.misses(k)
		s.set(k, "v")
		require.NoError(s, s.c.Replace(s.Context(), item(k, "w")))
		s.has(k, "w")
	},
	"append and prepend": func(s *suite) {
		k := s.key()
		s.fails(s.c.Append(s.Context(), item(k, "v")), memcache.ErrNotStored)
		s.fails(s.c.Prepend(s.Context(), item(k, "v")), memcache.ErrNotStored)
		require.NoError(s, s.c.Set(s.Context(), &memcache.Item{Key: k, Value: []byte("b"), Flags: 5}))
		require.NoError(s, s.c.Append(s.Context(), item(k, "c")))
		require.NoError(s, s.c.Prepend(s.Context(), item(k, "a")))
		s.has(k, "abc")
		it, err := s.c.Get(s.Context(), k)
		require.NoError(s, err)
		require.Equal(s, uint32(5), it.Flags)
	},
	"append over the server's limit": func(s *suite) {
		k := s.key()
		half := strings.Repeat("x", 600_000)
		s.set(k, half)
		err := s.c.Append(s.Context(), item(k, half))
		s.fails(err, memcache.ErrNotStored)
		s.has(k, half)
	},
	"compare and swap": func(s *suite) {
		k := s.key()
		s.fails(s.c.CompareAndSwap(s.Context(), item(k, "v")), memcache.ErrNoCAS)
		s.set(k, "v1")
		it, err := s.c.GetForUpdate(s.Context(), k)
		require.NoError(s, err)
		it.Value = []byte("v2")
		require.NoError(s, s.c.CompareAndSwap(s.Context(), it))
		s.has(k, "v2")
		it.Value = []byte("v3")
		s.fails(s.c.CompareAndSwap(s.Context(), it), memcache.ErrCASConflict)
		s.has(k, "v2")
		require.NoError(s, s.c.Delete(s.Context(), k))
		s.fails(s.c.CompareAndSwap(s.Context(), it), memcache.ErrCacheMiss)
		s.misses(k)
	},
	"delete": func(s *suite) {
		k := s.key()
		s.fails(s.c.Delete(s.Context(), k), memcache.ErrCacheMiss)
		s.set(k, "v")
		require.NoError(s, s.c.Delete(s.Context(), k))
		s.misses(k)
		require.Empty(s, s.servers.holders(s, k))
	},
	"touch": func(s *suite) {
		k := s.key()
		s.fails(s.c.Touch(s.Context(), k, time.Hour), memcache.ErrCacheMiss)
		s.set(k, "v")
		require.NoError(s, s.c.Touch(s.Context(), k, time.Hour))
		s.has(k, "v")
		s.livesFor(k, time.Hour)
		require.NoError(s, s.c.Touch(s.Context(), k, 0))
		s.livesFor(k, 0)
	},
	"get and touch": func(s *suite) {
		k := s.key()
		_, err := s.c.GetAndTouch(s.Context(), k, time.Hour)
		s.fails(err, memcache.ErrCacheMiss)
		require.NoError(s, s.c.Set(s.Context(), &memcache.Item{Key: k, Value: []byte("v"), Flags: 3}))
		it, err := s.c.GetAndTouch(s.Context(), k, time.Hour)
		require.NoError(s, err)
		require.Equal(s, "v", string(it.Value))
		require.Equal(s, uint32(3), it.Flags)
		s.livesFor(k, time.Hour)
	},
	"increment and decrement": func(s *suite) {
		k := s.key()
		_, err := s.c.Increment(s.Context(), k, 1)
		s.fails(err, memcache.ErrCacheMiss)
		_, err = s.c.Decrement(s.Context(), k, 1)
		s.fails(err, memcache.ErrCacheMiss)
		s.set(k, "9")
		for _, step := range []struct {
			do    func(context.Context, string, uint64) (uint64, error)
			delta uint64
			want  uint64
		}{
			{s.c.Increment, 2, 11}, {s.c.Decrement, 3, 8}, {s.c.Decrement, 9, 0}, {s.c.Increment, 0, 0},
			{s.c.Increment, 1<<64 - 1, 1<<64 - 1}, {s.c.Increment, 3, 2},
		} {
			n, err := step.do(s.Context(), k, step.delta)
			require.NoError(s, err)
			require.Equal(s, step.want, n)
			it, err := s.c.Get(s.Context(), k)
			require.NoError(s, err)
			require.Equal(s, strconv.FormatUint(n, 10), strings.TrimRight(string(it.Value), " "))
		}
		s.set(k, "no number")
		_, err = s.c.Increment(s.Context(), k, 1)
		s.refused(err, protocol.CauseNotANumber)
		s.has(k, "no number")
	},
	"value over the client's limit": func(s *suite) {
		k := s.key()
		s.set(k, "old")
		err := s.c.Set(s.Context(), item(k, strings.Repeat("x", 2<<20+1)))
		s.fails(err, memcache.ErrTooLarge)
		for _, e := range opErrors(err) {
			require.Equal(s, pool.NotSent, e.Outcome)
		}
		s.has(k, "old")
	},
	"value over the server's limit": func(s *suite) {
		s.c = newClient(s, s.opts...)
		k := s.key()
		large := item(k, strings.Repeat("x", 1<<20))
		s.refused(s.c.Set(s.Context(), large), protocol.CauseTooLarge)
		s.misses(k)
		s.refused(s.c.Add(s.Context(), large), protocol.CauseTooLarge)
		s.misses(k)
		s.set(k, "v") // the connection is in use still
		s.has(k, "v")
		for _, conditional := range []func(context.Context, *memcache.Item) error{s.c.Add, s.c.Replace, s.c.Append, s.c.Prepend} {
			require.Error(s, conditional(s.Context(), large))
			s.has(k, "v") // what is there is spared
		}
		update, err := s.c.GetForUpdate(s.Context(), k)
		require.NoError(s, err)
		update.Value = large.Value
		s.refused(s.c.CompareAndSwap(s.Context(), update), protocol.CauseTooLarge)
		s.has(k, "v")
		for _, n := range s.c.Stats().Nodes {
			require.LessOrEqual(s, n.Dials, uint64(1))
		}
	},
	"expired": func(s *suite) {
		k := s.key()
		expire := func() { s.servers.put(s, k, "7", -1) }
		expire()
		s.misses(k)
		_, err := s.c.GetAndTouch(s.Context(), k, time.Hour)
		s.fails(err, memcache.ErrCacheMiss)
		s.fails(s.c.Touch(s.Context(), k, time.Hour), memcache.ErrCacheMiss)
		s.fails(s.c.Delete(s.Context(), k), memcache.ErrCacheMiss)
		expire()
		s.fails(s.c.Replace(s.Context(), item(k, "v")), memcache.ErrNotStored)
		s.fails(s.c.Append(s.Context(), item(k, "v")), memcache.ErrNotStored)
		_, err = s.c.Increment(s.Context(), k, 1)
		s.fails(err, memcache.ErrCacheMiss)
		got, err := s.c.GetMulti(s.Context(), []string{k})
		require.NoError(s, err)
		require.Empty(s, got)
		require.NoError(s, s.c.Add(s.Context(), item(k, "v")))
		s.has(k, "v")
	},
	"TTL": func(s *suite) {
		for _, ttl := range []time.Duration{time.Minute, 30 * 24 * time.Hour, 30*24*time.Hour + time.Second, 400 * 24 * time.Hour} {
			k := s.key()
			require.NoError(s, s.c.Set(s.Context(), &memcache.Item{Key: k, Value: []byte("v"), TTL: ttl}))
			s.has(k, "v")
			s.livesFor(k, ttl)
		}
		k := s.key()
		for _, ttl := range []time.Duration{-1, -time.Hour, 100 * 365 * 24 * time.Hour} {
			it := &memcache.Item{Key: k, Value: []byte("v"), TTL: ttl}
			s.fails(s.c.Set(s.Context(), it), memcache.ErrInvalidTTL)
			s.fails(s.c.Add(s.Context(), it), memcache.ErrInvalidTTL)
			s.fails(s.c.Touch(s.Context(), k, ttl), memcache.ErrInvalidTTL)
			_, err := s.c.GetAndTouch(s.Context(), k, ttl)
			s.fails(err, memcache.ErrInvalidTTL)
		}
		s.misses(k)
	},
	"keys of every length": func(s *suite) {
		prefix := s.key()
		for _, size := range []int{249, 250} {
			k := prefix + strings.Repeat("k", size-len(prefix))
			s.set(k, strconv.Itoa(size))
			s.has(k, strconv.Itoa(size))
			got, err := s.c.GetMulti(s.Context(), []string{k})
			require.NoError(s, err)
			require.Len(s, got, 1)
			require.NoError(s, s.c.Delete(s.Context(), k))
		}
	},
	"malformed keys": func(s *suite) {
		s.c = newClient(s, s.opts...)
		for _, k := range []string{
			"", strings.Repeat(secret, 42)[:251], secret + " ", " " + secret, secret + "\r\nflush_all", secret + "\n", secret + "\x00",
			"\t" + secret, secret + "\x7f", secret + "\x1f",
		} {
			for name, call := range keyed {
				err := call(s.Context(), s.c, k)
				require.Error(s, err, name)
				s.fails(err, memcache.ErrMalformedKey)
			}
		}
		for _, n := range s.c.Stats().Nodes {
			require.Zero(s, n.Requests, "nothing was sent")
		}
	},
	"keys with high bytes": func(s *suite) {
		k := s.key() + "ключ\xff"
		s.set(k, "v")
		s.has(k, "v")
	},
	"binary keys": func(s *suite) {
		s.c = newClient(s, append(s.opts, memcache.WithBinaryKeys())...)
		prefix := s.key()
		for _, k := range []string{
			prefix + " ", "\r\n" + prefix, prefix + "\x00\x01\x7f\xff", (prefix + " " + strings.Repeat("k", 186))[:186],
		} {
			if s.isText {
				s.fails(s.c.Set(s.Context(), item(k, "v")), memcache.ErrUnsupported)
				continue
			}
			for name, call := range keyed { // each finds no item, or makes one
				if err := call(s.Context(), s.c, k); err != nil {
					require.NotContains(s, err.Error(), secret, name)
					require.NotErrorIs(s, err, memcache.ErrMalformedKey)
				}
			}
			s.set(k, "1")
			s.has(k, "1")
			require.NoError(s, s.c.Touch(s.Context(), k, time.Hour))
			n, err := s.c.Increment(s.Context(), k, 1)
			require.NoError(s, err)
			require.Equal(s, uint64(2), n)
			s.has(k, "2")
			it, err := s.c.GetForUpdate(s.Context(), k)
			require.NoError(s, err)
			require.Equal(s, k, it.Key)
			require.NoError(s, s.c.CompareAndSwap(s.Context(), it))
			got, err := s.c.GetMulti(s.Context(), []string{k, prefix})
			require.NoError(s, err)
			require.Len(s, got, 1)
			require.Contains(s, got, k)
			require.NoError(s, s.c.Delete(s.Context(), k))
			s.misses(k)
		}
		s.set(prefix, "plain keys travel as they are")
		s.has(prefix, "plain keys travel as they are")
		_, err := s.c.Get(s.Context(), strings.Repeat(" "+secret, 30)[:187])
		s.fails(err, memcache.ErrMalformedKey)
	},
	"ended context": func(s *suite) {
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		k := s.key()
		for name, call := range keyed {
			err := call(ctx, s.c, k)
			require.Error(s, err, name)
			s.fails(err, context.Canceled)
			for _, e := range opErrors(err) {
				require.Equal(s, pool.NotSent, e.Outcome)
			}
		}
	},
}

// keyed are all operations on a key.
var keyed = map[string]func(context.Context, *memcache.Client, string) error{
	"get": func(ctx context.Context, c *memcache.Client, k string) error { _, err := c.Get(ctx, k); return err },
	"get for update": func(ctx context.Context, c *memcache.Client, k string) error {
		_, err := c.GetForUpdate(ctx, k)
		return err
	},
	"append get": func(ctx context.Context, c *memcache.Client, k string) error {
		_, err := c.AppendGet(ctx, nil, k)
		return err
	},
	"get multi": func(ctx context.Context, c *memcache.Client, k string) error {
		_, err := c.GetMulti(ctx, []string{"fine", k})
		return err
	},
	"get and touch": func(ctx context.Context, c *memcache.Client, k string) error {
		_, err := c.GetAndTouch(ctx, k, time.Hour)
		return err
	},
	"set":     func(ctx context.Context, c *memcache.Client, k string) error { return c.Set(ctx, item(k, "v")) },
	"add":     func(ctx context.Context, c *memcache.Client, k string) error { return c.Add(ctx, item(k, "v")) },
	"replace": func(ctx context.Context, c *memcache.Client, k string) error { return c.Replace(ctx, item(k, "v")) },
	"append":  func(ctx context.Context, c *memcache.Client, k string) error { return c.Append(ctx, item(k, "v")) },
	"prepend": func(ctx context.Context, c *memcache.Client, k string) error { return c.Prepend(ctx, item(k, "v")) },
	"delete":  func(ctx context.Context, c *memcache.Client, k string) error { return c.Delete(ctx, k) },
	"touch":   func(ctx context.Context, c *memcache.Client, k string) error { return c.Touch(ctx, k, time.Hour) },
	"increment": func(ctx context.Context, c *memcache.Client, k string) error {
		_, err := c.Increment(ctx, k, 1)
		return err
	},
	"decrement": func(ctx context.Context, c *memcache.Client, k string) error {
		_, err := c.Decrement(ctx, k, 1)
		return err
	},
}

// refused asserts that every node has answered that it did not do it, and why.
func (s *suite) refused(err error, cause protocol.Cause) {
	s.Helper()
	require.Error(s, err)
	require.NotContains(s, err.Error(), secret)
	failed := opErrors(err)
	require.NotEmpty(s, failed)
	for _, e := range failed {
		require.Equal(s, pool.Refused, e.Outcome)
		var answer *protocol.ServerError
		require.ErrorAs(s, e, &answer)
		require.Equal(s, cause, answer.Cause())
		require.Contains(s, s.servers.addrs(), e.Node)
	}
}

// opErrors returns the error of each node.
func opErrors(err error) (list []*memcache.OpError) {
	var written *memcache.WriteError
	if !errors.As(err, &written) {
		written = &memcache.WriteError{Failed: []error{err}}
	}
	for _, err := range written.Failed {
		var failed *memcache.OpError
		if errors.As(err, &failed) {
			list = append(list, failed)
		}
	}
	return list
}

// livesFor asserts what TTL the servers that hold key have given it; 0: for ever.
func (s *suite) livesFor(key string, ttl time.Duration) {
	s.Helper()
	holders := s.servers.holders(s, key)
	require.NotEmpty(s, holders)
	for _, addr := range holders {
		line := raw(s, addr, "mg "+key+" t", "HD")[0]
		left, err := strconv.Atoi(strings.TrimPrefix(line, "HD t"))
		require.NoError(s, err)
		if ttl == 0 {
			require.Equal(s, -1, left)
			continue
		}
		require.InDelta(s, ttl.Seconds(), left, 5)
	}
}

// A TTL is kept to the second, by which the server counts, and not cut to nothing where it is short.
func TestItemsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		node := memcachetest.NewServer(memcachetest.WithPipe())
		defer node.Close()
		c, err := memcache.New(memcache.WithServers(node.Addr()), memcache.WithDialer(node.DialContext),
			memcache.WithoutHotKeys()) // who would look four times a second, for sixty days
		require.NoError(t, err)
		defer c.Close()
		ctx := t.Context()
		for _, ttl := range []time.Duration{time.Millisecond, time.Second, 1500 * time.Millisecond, time.Minute, 60 * 24 * time.Hour} {
			require.NoError(t, c.Set(ctx, &memcache.Item{Key: "k", Value: []byte("v"), TTL: ttl}))
			alive := max(time.Second/2, ttl-time.Second)
			time.Sleep(alive)
			_, err := c.Get(ctx, "k")
			require.NoError(t, err, "TTL %v after %v", ttl, alive)
			time.Sleep(ttl - alive + 2*time.Second)
			_, err = c.Get(ctx, "k")
			require.ErrorIs(t, err, memcache.ErrCacheMiss, "TTL %v", ttl)
		}
	})
}
