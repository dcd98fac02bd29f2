package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	root "github.com/nohop/memcache"
	memcache "github.com/nohop/memcache/gomemcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// onPipe runs test in a bubble with a client of one server that can be broken.
func onPipe(t *testing.T, test func(*testing.T, *memcachetest.Server, *memcache.Client)) {
	synctest.Test(t, func(t *testing.T) {
		s := memcachetest.NewServer(memcachetest.WithPipe())
		defer s.Close()
		c := memcache.New(s.Addr())
		c.DialContext = s.DialContext
		defer c.Close()
		require.NoError(t, c.Set(item("mine", "mine")))
		require.NoError(t, c.Set(item("other", "other")))
		require.NoError(t, c.Set(item("n", "1")))
		test(t, s, c)
	})
}

// A stray, doubled or swapped reply never brings another key's value: not now, and not later, when what is left over
// would answer the next request.
func TestShiftedRepliesBringNoWrongValue(t *testing.T) {
	for _, fault := range []memcachetest.Fault{
		memcachetest.StrayLine(1, "END"), memcachetest.StrayLine(3, "END"), memcachetest.StrayLine(2, "STORED"),
		memcachetest.StrayLine(2, "VALUE third 0 5 1\r\nwrong\r\nEND"), memcachetest.StrayLine(2, "5"),
		memcachetest.DuplicateReply(1), memcachetest.DuplicateReply(2),
		memcachetest.SwapReplies(1), memcachetest.SwapReplies(2),
	} {
		t.Run(fault.String(), func(t *testing.T) {
			onPipe(t, func(t *testing.T, s *memcachetest.Server, c *memcache.Client) {
				s.Inject(fault.Repeat())
				numbers := uint64(1)
				for i := range 200 {
					key := []string{"mine", "other"}[i%2]
					if it, err := c.Get(key); err == nil {
						require.Equal(t, key, string(it.Value))
					} else {
						time.Sleep(time.Second) // a server that is suspect is asked again when it has answered
					}
					numbers++ // whether it counted or not, it is never more
					if n, err := c.Increment("n", 1); err == nil {
						require.LessOrEqual(t, n, numbers)
					}
				}
				require.Greater(t, s.Stats().TotalConnections, 1, "nothing was found")
				s.Heal()
				// A reply that never comes is given up after half a minute.
				require.Eventually(t, func() bool { return c.Ping() == nil }, 40*time.Second, 100*time.Millisecond)
				it, err := c.Get("mine")
				require.NoError(t, err)
				require.Equal(t, "mine", string(it.Value))
			})
		})
	}
}

// script serves connections: it answers the version, then whatever comes with replies, and then nothing.
func script(replies []byte) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			buf := make([]byte, 4096)
			for _, reply := range [][]byte{[]byte("VERSION 1.6.18\r\n"), replies} {
				if _, err := server.Read(buf); err != nil {
					return
				}
				if _, err := server.Write(reply); err != nil {
					return
				}
			}
			for {
				if _, err := server.Read(buf); err != nil {
					return
				}
			}
		}()
		return client, nil
	}
}

// What no memcached would say is an error with a type, without a panic and without the memory it announces.
func TestHostileReplies(t *testing.T) {
	get := func(c *memcache.Client) error { _, err := c.Get("k"); return err }
	getMulti := func(c *memcache.Client) error { _, err := c.GetMulti([]string{"k", "l"}); return err }
	incr := func(c *memcache.Client) error { _, err := c.Increment("k", 1); return err }
	set := func(c *memcache.Client) error { return c.Set(item("k", "v")) }
	for name, test := range map[string]struct {
		reply string
		call  func(*memcache.Client) error
	}{
		"another key":               {"VALUE other 0 1 1\r\nx\r\nEND\r\n", get},
		"another key, multi":        {"VALUE other 0 1 1\r\nx\r\nEND\r\n", getMulti},
		"a key twice, multi":        {"VALUE k 0 1 1\r\nx\r\nVALUE k 0 1 1\r\nx\r\nVALUE k 0 1 1\r\nx\r\n", getMulti},
		"length near 2^32":          {"VALUE k 0 4294967290 1\r\n", get},
		"length of a gigabyte":      {"VALUE k 0 1073741824 1\r\n", get},
		"length just over it":       {"VALUE k 0 1073741825 1\r\n", get},
		"empty line to arithmetic":  {"\n", incr},
		"no number to arithmetic":   {"VA 1\r\nx\r\n", incr},
		"empty block to arithmetic": {"VA 0 O1\r\n\r\n", incr},
		"empty line to a set":       {"\r\n", set},
		"a line without end":        {strings.Repeat("x", 1<<20), get},
		"answer to a get":           {"END\r\n", set},
		"NUL":                       {"\x00\r\n", get},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := memcache.New("127.0.0.1:11211")
				c.DialContext = script([]byte(test.reply))
				defer c.Close()
				before := allocated()
				err := test.call(c)
				var op *root.OpError
				var syntax *protocol.SyntaxError
				require.True(t, errors.As(err, &op) || errors.As(err, &syntax), "%v", err)
				require.Less(t, allocated()-before, uint64(1<<20))
			})
		})
	}
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// Items that come one by one without end do not hold a Get, nor a GetMulti, beyond its timeout.
func TestEndlessItemsEnd(t *testing.T) {
	onPipe(t, func(t *testing.T, s *memcachetest.Server, c *memcache.Client) {
		c.Timeout = 100 * time.Millisecond
		require.NoError(t, c.Ping())
		s.Inject(memcachetest.EndlessItems(), memcachetest.Delay(80*time.Millisecond))
		for range 10 {
			began := time.Now()
			_, _ = c.Get("mine") // the item may come first
			_, err := c.GetMulti([]string{"nothing", "mine", "mine"})
			require.Error(t, err)
			require.Less(t, time.Since(began), 250*time.Millisecond)
		}
	})
}

// A server that hangs costs a goroutine two timeouts at most, and mostly one; what it calls after that fails at once, until the
// server answers again.
func TestAHungServerCostsTwoTimeouts(t *testing.T) {
	onPipe(t, func(t *testing.T, s *memcachetest.Server, c *memcache.Client) {
		s.Pause()
		began := time.Now()
		for range 1000 {
			_, err := c.Get("mine")
			require.Error(t, err)
		}
		require.Less(t, time.Since(began), 2*memcache.DefaultTimeout+50*time.Millisecond)
		s.Resume()
		require.Eventually(t, func() bool { return c.Ping() == nil }, 100*time.Millisecond, time.Millisecond)
	})
}

// An error line after which the server goes on does not cost the connection.
func TestRefusedStoresKeepTheConnection(t *testing.T) {
	onPipe(t, func(t *testing.T, s *memcachetest.Server, c *memcache.Client) {
		for range 10 {
			require.ErrorIs(t, c.Set(item("big", strings.Repeat("x", 2<<20))), memcache.ErrServerError)
			_, err := c.Increment("mine", 1)
			require.Error(t, err)
			require.NotErrorIs(t, err, memcache.ErrServerError)
		}
		require.Equal(t, 1, s.Stats().TotalConnections)
	})
}

// A restart fails no read, however many connections gomemcache would have had open.
func TestARestartFailsNoRead(t *testing.T) {
	onPipe(t, func(t *testing.T, s *memcachetest.Server, c *memcache.Client) {
		for range 3 {
			s.Restart()
			_, err := c.Get("mine")
			requireError(t, memcache.ErrCacheMiss, err)
			require.NoError(t, c.Set(item("mine", "mine")))
		}
	})
}

// What two of three dead servers cost a GetMulti: nothing of what the third has, and an error for each.
func TestGetMultiKeepsWhatItGot(t *testing.T) {
	one, two, three := newTestServer(t), newTestServer(t), newTestServer(t)
	c := newClient(t, one.Addr(), two.Addr(), three.Addr())
	var keys []string
	for i := range 60 {
		keys = append(keys, fmt.Sprint("key-", i))
		require.NoError(t, c.Set(item(keys[i], "v")))
	}
	one.Kill()
	found, err := c.GetMulti(keys)
	var op *root.OpError
	require.ErrorAs(t, err, &op)
	require.Equal(t, one.Addr(), op.Node)
	require.Len(t, found, two.Stats().CurrItems+three.Stats().CurrItems)

	two.Kill()
	found, err = c.GetMulti(keys)
	var multi *root.MultiError
	require.ErrorAs(t, err, &multi)
	require.Len(t, multi.Nodes, 2)
	require.Equal(t, 60-len(found), multi.Keys)
	require.ErrorIs(t, err, pool.ErrNodeDown)
	require.Len(t, found, three.Stats().CurrItems)
	require.NotEmpty(t, found)
	require.ErrorIs(t, c.Ping(), pool.ErrNodeDown)
}
