package memcache_test

import (
	"crypto/tls"
	"testing"
	"time"

	memcache "github.com/nohop/memcache/gomemcache"
	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/memcachetest"
	"github.com/stretchr/testify/require"
)

// longTimeout is for tests in which nothing should time out, on a machine that may be busy.
const longTimeout = 5 * time.Second

// newClient returns a client that is closed with the test.
func newClient(t testing.TB, servers ...string) *memcache.Client {
	c := memcache.New(servers...)
	c.Timeout = longTimeout
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// newTestServer is a memcached of this process that ends with the test.
func newTestServer(t testing.TB, opts ...memcachetest.Option) *memcachetest.Server {
	s := memcachetest.NewServer(opts...)
	t.Cleanup(s.Close)
	return s
}

// servers are the ways that a server can be, and be reached.
var servers = map[string]func(*testing.T) *memcache.Client{
	"memcached":      func(t *testing.T) *memcache.Client { return newClient(t, realnode.Start(t).Addr) },
	"memcached unix": func(t *testing.T) *memcache.Client { return newClient(t, realnode.StartUnix(t).Addr) },
	"memcached TLS": func(t *testing.T) *memcache.Client {
		node := realnode.StartTLS(t)
		c := newClient(t, node.Addr)
		c.DialContext = (&tls.Dialer{Config: node.TLS}).DialContext
		return c
	},
	"memcachetest": func(t *testing.T) *memcache.Client { return newClient(t, newTestServer(t).Addr()) },
	"memcachetest without meta commands": func(t *testing.T) *memcache.Client {
		return newClient(t, newTestServer(t, memcachetest.WithoutMeta(), memcachetest.WithVersion("1.5.22")).Addr())
	},
	"3 memcached": func(t *testing.T) *memcache.Client {
		return newClient(t, realnode.Start(t).Addr, realnode.Start(t).Addr, realnode.Start(t).Addr)
	},
}

// withEachServer runs test against every kind of server.
func withEachServer(t *testing.T, test func(*testing.T, *memcache.Client)) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

func item(key, value string) *memcache.Item { return &memcache.Item{Key: key, Value: []byte(value)} }

func requireValue(t *testing.T, c *memcache.Client, key, value string) {
	t.Helper()
	it, err := c.Get(key)
	require.NoError(t, err)
	require.Equal(t, value, string(it.Value))
}

// requireError wants the very value: code written for gomemcache compares with ==.
func requireError(t *testing.T, want, err error) {
	t.Helper()
	require.True(t, err == want, "%v, want %v", err, want)
}
