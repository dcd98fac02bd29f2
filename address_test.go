package memcache

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNormalize(t *testing.T) {
	for in, want := range map[string]string{
		"10.0.0.1:11211":           "10.0.0.1:11211",
		"10.0.0.1":                 "10.0.0.1:11211",
		"node":                     "node:11211",
		"node:1":                   "node:1",
		"node:65535":               "node:65535",
		"node:011211":              "node:11211",
		"node.example.:11211":      "node.example.:11211",
		"[::1]:80":                 "[::1]:80",
		"[::1]":                    "[::1]:11211",
		"::1":                      "[::1]:11211",
		"[0:0:0:0:0:0:0:1]:80":     "[::1]:80",
		"[2001:DB8::A]:80":         "[2001:db8::a]:80",
		"[fe80::1%eth0]:80":        "[fe80::1%eth0]:80",
		"fe80::1%eth0":             "[fe80::1%eth0]:11211",
		"/run/memcached.sock":      "/run/memcached.sock",
		"./memcached.sock":         "./memcached.sock",
		"../memcached.sock":        "../memcached.sock",
		"dns+memcached.svc:80":     "dns+memcached.svc:80",
		"dns+memcached.svc":        "dns+memcached.svc:11211",
		"dns+[::1]:80":             "dns+[::1]:80",
		"dnsmasq":                  "dnsmasq:11211",
		"_memcached._tcp.svc:1121": "_memcached._tcp.svc:1121",
	} {
		got, err := normalize(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got)
		again, err := normalize(got)
		require.NoError(t, err, got)
		require.Equal(t, got, again)
	}
	for _, bad := range []string{
		"", ":", ":80", "node:", "node:0", "node:65536", "node:-1", "node:+80", "node:http", "node:80:80", "::1:99999",
		"[::1", "::1]", "[node", "node]", "[[::1]]", "[]", "[]:80", "[node]", "[node]:80", "[10.0.0.1", "a b", "a\r\nb:80", "a\x00:80", "a\tb", "node\x7f",
		"http://node:80", "tcp://node", "node/path", "node:80/0", "dns+", "dns+:80", "dns+/run/sock", "dns+a b",
	} {
		_, err := normalize(bad)
		require.ErrorIs(t, err, ErrBadOption, "%q", bad)
	}
}

func TestSameNode(t *testing.T) {
	for _, c := range []struct {
		name, addr string
		want       bool
	}{
		{"10.0.0.1", "10.0.0.1:11211", true},
		{"10.0.0.1:11211", "10.0.0.1:11211", true},
		{"10.0.0.1:11212", "10.0.0.1:11211", false},
		{"10.0.0.1", "10.0.0.11:11211", false},
		{"10.0.0.11", "10.0.0.1:11211", false},
		{"::1", "[::1]:80", true},
		{"[::1]", "[::1]:80", true},
		{"[::1]:80", "[::1]:80", true},
		{"node", "node:11211", true},
		{"node", "node.example:11211", false},
		{"/a.sock", "/a.sock", true},
		{"/a", "/a.sock", false},
		{"", "node:80", false},
	} {
		require.Equal(t, c.want, sameNode(c.name, c.addr), "%q %q", c.name, c.addr)
	}
}

// Whatever is accepted has one spelling, which is accepted again.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"a", "a:1", "[::1]:80", "::1", "dns+a:80", "dns+dns+a", "/a", "[a]", "a:00080", "fe80::1%[:80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		first, err := normalize(addr)
		if err != nil {
			require.ErrorIs(t, err, ErrBadOption)
			return
		}
		again, err := normalize(first)
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
}
