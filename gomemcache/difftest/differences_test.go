package difftest_test

import (
	"errors"
	"net"
	"testing"

	theirs "github.com/bradfitz/gomemcache/memcache"
	"github.com/nohop/memcache"
	ours "github.com/nohop/memcache/gomemcache"
	"github.com/stretchr/testify/require"
)

// Where the two differ by intention, both sides are shown, so that a difference that is none any more is found.

// gomemcache sends an empty key, and the server reads the line without it, and the value behind it, as commands.
func TestDifferenceEmptyKey(t *testing.T) {
	_, addrs := start(t, 1)
	their, our := newTheirs(t, addrs...), newOurs(t, addrs...)
	require.NoError(t, our.Set(&item{Key: "k", Value: []byte("v")}))
	calls := map[string]func(client) error{
		"Get":       func(c client) error { _, err := c.Get(""); return err },
		"Delete":    func(c client) error { return c.Delete("") },
		"Touch":     func(c client) error { return c.Touch("", 1) },
		"Increment": func(c client) error { _, err := c.Increment("", 1); return err },
		"Set":       func(c client) error { return c.Set(&item{Value: []byte("flush_all")}) },
	}
	for name, call := range calls {
		require.Equal(t, "malformed key", our.outcome(call(our)), name)
	}
	_, err := our.Get("k")
	require.NoError(t, err)
	for name, call := range calls {
		require.Equal(t, "failure", their.outcome(call(their)), name)
	}
	require.Eventually(t, func() bool { // the value was executed behind the error
		_, err := our.Get("k")
		return errors.Is(err, ours.ErrCacheMiss)
	}, longTimeout, longTimeout/1000)
}

func TestDifferenceGetAndTouchReadsTheVersion(t *testing.T) {
	_, addrs := start(t, 1)
	their, our := newTheirs(t, addrs...), newOurs(t, addrs...)
	require.NoError(t, our.Set(&item{Key: "k", Value: []byte("v")}))
	it, err := their.GetAndTouch("k", 0)
	require.NoError(t, err)
	require.Zero(t, it.CasID)
	it, err = our.GetAndTouch("k", 0)
	require.NoError(t, err)
	require.NotZero(t, it.CasID)
	require.NoError(t, our.CompareAndSwap(it))
}

func TestDifferenceDeleteAllReachesAllServers(t *testing.T) {
	nodes, addrs := start(t, 3)
	for _, test := range []struct {
		client
		flushed int
	}{{newTheirs(t, addrs...), 1}, {newOurs(t, addrs...), 3}} {
		flushes := func() (n int) {
			for _, node := range nodes {
				if node.Stats(t)["cmd_flush"] != "0" {
					n++
				}
			}
			return n
		}
		for _, node := range nodes {
			require.NoError(t, node.Restart())
		}
		// The first use of a connection from before the restart may fail.
		require.Eventually(t, func() bool { return test.Ping() == nil }, longTimeout, longTimeout/1000)
		require.NoError(t, test.DeleteAll())
		require.Equal(t, test.flushed, flushes())
	}
}

func TestDifferenceErrorsHaveKinds(t *testing.T) {
	_, addrs := start(t, 1)
	their, our := newTheirs(t, addrs...), newOurs(t, addrs...)
	require.NotErrorIs(t, their.Set(&item{Key: "k", Value: tooLarge}), theirs.ErrServerError)
	err := our.Set(&item{Key: "k", Value: tooLarge})
	require.ErrorIs(t, err, ours.ErrServerError)
	var op *memcache.OpError
	require.ErrorAs(t, err, &op)
	require.Equal(t, addrs[0], op.Node)
}

// Without servers, gomemcache's Set looks for one before it looks at the key.
func TestDifferenceTheKeyIsCheckedFirst(t *testing.T) {
	their, our := newTheirs(t), newOurs(t)
	bad := &item{Key: "a b"}
	require.Equal(t, "no servers", their.outcome(their.Set(bad)))
	require.Equal(t, "malformed key", our.outcome(our.Set(bad)))
}

// Without servers, or with names that do not resolve, both say the same.
func TestWithoutServers(t *testing.T) {
	for _, servers := range [][]string{nil, {"no-port"}, {"127.0.0.1:99999999"}} {
		for _, c := range []client{newTheirs(t, servers...), newOurs(t, servers...)} {
			_, err := c.Get("k")
			require.Equal(t, "no servers", c.outcome(err))
			found, err := c.GetMulti([]string{"k"})
			require.Equal(t, "no servers", c.outcome(err))
			require.Nil(t, found)
			found, err = c.GetMulti(nil)
			require.NoError(t, err)
			require.NotNil(t, found)
			require.Equal(t, "no servers", c.outcome(c.Set(&item{Key: "k"})))
			require.Equal(t, "no servers", c.outcome(c.DeleteAll()))
			require.NoError(t, c.FlushAll())
			require.NoError(t, c.Ping())
		}
	}
}

// Both pick the same server for any key, be it longer than memcached allows, and name it the same.
func TestServerListsAgree(t *testing.T) {
	servers := []string{"127.0.0.1:1", "localhost:2", "/tmp/a.sock", "[::1]:4", "127.0.0.1:1", "127.0.0.1:6", "127.0.0.1:7"}
	s := newRand(t)
	for n := range len(servers) + 1 {
		var their theirs.ServerList
		var our ours.ServerList
		require.NoError(t, their.SetServers(servers[:n]...))
		require.NoError(t, our.SetServers(servers[:n]...))
		require.Equal(t, names(t, &their), names(t, &our))
		for range 500 {
			key := make([]byte, s.IntN(400))
			for i := range key {
				key[i] = byte(s.Uint32())
			}
			a, err1 := their.PickServer(string(key))
			b, err2 := our.PickServer(string(key))
			if n == 0 {
				require.ErrorIs(t, err1, theirs.ErrNoServers)
				require.ErrorIs(t, err2, ours.ErrNoServers)
				continue
			}
			require.Equal(t, a.Network()+a.String(), b.Network()+b.String())
		}
	}
}

func names(t *testing.T, list ours.ServerSelector) (names []string) {
	require.NoError(t, list.Each(func(addr net.Addr) error {
		names = append(names, addr.Network()+" "+addr.String())
		return nil
	}))
	return names
}
