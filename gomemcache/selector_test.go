package memcache_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"

	memcache "github.com/nohop/memcache/gomemcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// Which server a key lives on is part of the API: a change moves the keys of everybody.
func TestPlacementIsCRC32ModuloN(t *testing.T) {
	servers := []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "/tmp/4.sock", "127.0.0.1:1"}
	for n := 1; n <= len(servers); n++ {
		var list memcache.ServerList
		require.NoError(t, list.SetServers(servers[:n]...))
		for i := range 1000 {
			key := fmt.Sprint("key-", i, strings.Repeat("x", rand.IntN(200)))
			addr, err := list.PickServer(key)
			require.NoError(t, err)
			require.Equal(t, servers[crc32.ChecksumIEEE([]byte(key))%uint32(n)], addr.String())
		}
	}
	var list memcache.ServerList
	require.NoError(t, list.SetServers(servers[:3]...))
	for key, want := range map[string]string{"foo": "127.0.0.1:3", "bar": "127.0.0.1:3", "key-1": "127.0.0.1:3", "": "127.0.0.1:1"} {
		addr, err := list.PickServer(key)
		require.NoError(t, err)
		require.Equal(t, want, addr.String(), key)
	}
}

func TestPickServerAllocatesNothing(t *testing.T) {
	var list memcache.ServerList
	require.NoError(t, list.SetServers("127.0.0.1:1", "127.0.0.1:2"))
	key := strings.Repeat("k", 250)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := list.PickServer(key); err != nil {
			t.Fatal(err)
		}
	}))
}

func TestSetServersResolves(t *testing.T) {
	var list memcache.ServerList
	_, err := list.PickServer("k")
	require.ErrorIs(t, err, memcache.ErrNoServers)
	require.NoError(t, list.SetServers("127.0.0.1:http", "[::1]:11211", "/tmp/a.sock"))
	require.Equal(t, []string{"tcp 127.0.0.1:80", "tcp [::1]:11211", "unix /tmp/a.sock"}, named(t, &list))
	for _, bad := range []string{"127.0.0.1", "127.0.0.1:port", "127.0.0.1:70000"} {
		require.Error(t, list.SetServers("127.0.0.1:1", bad))
	}
	require.Len(t, named(t, &list), 3, "a bad list changes nothing")

	stop := errors.New("stop")
	calls := 0
	require.Equal(t, stop, list.Each(func(net.Addr) error { calls++; return stop }))
	require.Equal(t, 1, calls)
	require.NoError(t, list.SetServers())
	require.Empty(t, named(t, &list))
}

func named(t *testing.T, ss memcache.ServerSelector) (names []string) {
	require.NoError(t, ss.Each(func(addr net.Addr) error {
		names = append(names, addr.Network()+" "+addr.String())
		return nil
	}))
	return names
}

// Keys go where a selector of the user's says, which may be any text that DialContext understands.
func TestCustomSelector(t *testing.T) {
	even, odd := newTestServer(t), newTestServer(t)
	c := memcache.NewFromSelector(byLength{})
	c.Timeout = longTimeout
	var networks sync.Map
	c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		networks.Store(network, true)
		return map[string]*memcachetest.Server{"even": even, "odd": odd}[address].DialContext(ctx, network, address)
	}
	defer c.Close()
	keys := []string{"a", "bb", "ccc", "dddd", "eeeee"}
	for _, key := range keys {
		require.NoError(t, c.Set(item(key, key)))
	}
	require.Equal(t, 2, even.Stats().CurrItems)
	require.Equal(t, 3, odd.Stats().CurrItems)
	found, err := c.GetMulti(keys)
	require.NoError(t, err)
	require.Len(t, found, 5)
	require.NoError(t, c.FlushAll())
	require.Equal(t, []int{1, 1}, []int{even.Stats().Flushes, odd.Stats().Flushes})
	_, ok := networks.Load("carrier pigeon")
	require.True(t, ok)

	// What it returns as an error is returned as it is.
	_, err = c.Get("not-this")
	requireError(t, errNotThis, err)
	found, err = c.GetMulti([]string{"a", "not-this", "bb"})
	requireError(t, errNotThis, err)
	require.Nil(t, found)
}

type byLength struct{}

var errNotThis = errors.New("not this key")

func (byLength) PickServer(key string) (net.Addr, error) {
	switch {
	case key == "not-this":
		return nil, errNotThis
	case len(key)%2 == 0:
		return &pigeon{"even"}, nil // a new one each time
	}
	return &pigeon{"odd"}, nil
}

func (byLength) Each(f func(net.Addr) error) error {
	return errors.Join(f(&pigeon{"even"}), f(&pigeon{"odd"}))
}

type pigeon struct{ to string }

func (*pigeon) Network() string  { return "carrier pigeon" }
func (p *pigeon) String() string { return p.to }

// The list can be changed while clients use it: each operation goes to one server of a list.
func TestSetServersWhileRunning(t *testing.T) {
	one, two := newTestServer(t), newTestServer(t)
	var list memcache.ServerList
	require.NoError(t, list.SetServers(one.Addr()))
	c := memcache.NewFromSelector(&list)
	c.Timeout = longTimeout
	defer c.Close()
	stop, errs := make(chan struct{}), make(chan error, 4)
	for w := range cap(errs) {
		go func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					errs <- nil
					return
				default:
				}
				if err := c.Set(item(fmt.Sprint(w, "-", i%100), "v")); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	for range 200 {
		require.NoError(t, list.SetServers(two.Addr()))
		require.NoError(t, list.SetServers(one.Addr(), two.Addr()))
		require.NoError(t, c.Ping())
	}
	close(stop)
	for range cap(errs) {
		require.NoError(t, <-errs)
	}
	require.NoError(t, list.SetServers(two.Addr()))
	sets := one.Stats().Sets
	require.NoError(t, c.Set(item("k", "v")))
	require.Equal(t, sets, one.Stats().Sets)
	require.Positive(t, sets)
}
