package discovery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseGrammar(t *testing.T) {
	for spec, want := range map[string]Source{
		"10.0.0.1":                        StaticAddrs("10.0.0.1:11211"),
		"cache:11222":                     StaticAddrs("cache:11222"),
		"[::1]:11222":                     StaticAddrs("[::1]:11222"),
		"::1":                             StaticAddrs("[::1]:11211"),
		"/run/a+b.sock":                   StaticAddrs("/run/a+b.sock"),
		"unix:/run/a+b.sock":              StaticAddrs("/run/a+b.sock"),
		"unix:///run/a.sock":              StaticAddrs("/run/a.sock"),
		"unix:./a.sock":                   StaticAddrs("./a.sock"),
		"unix:80":                         StaticAddrs("unix:80"), // a host may be called that
		"unix":                            StaticAddrs("unix:11211"),
		"dns+cache.svc":                   DNS{Host: "cache.svc", Port: 11211},
		"dns+cache.svc.:11222":            DNS{Host: "cache.svc.", Port: 11222},
		"dnssrv+_memcached._tcp.cache":    SRV{Name: "_memcached._tcp.cache"},
		"dnssrvnoa+_memcached._tcp.cache": SRVNoA{Name: "_memcached._tcp.cache"},
		"file+nodes.json":                 &File{Path: "nodes.json"},
		"elasticache+c.cfg.use1.cache":    ElastiCache{Addr: "c.cfg.use1.cache:11211"},
	} {
		got, err := Parse(spec)
		require.NoError(t, err, spec)
		require.Equal(t, want, got, spec)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, specs := range [][]string{
		{}, {""}, {"dns+"}, {"dns+:1"}, {"dns+a:0"}, {"dns+/a"}, {"dnssrv+"}, {"dnssrv+a:1"}, {"dnssrvnoa+"}, {"DNS+a"}, {"+a"}, {"consul+a"}, {"file+"},
		{"elasticache+"}, {"elasticache+/a"}, {"elasticache+unix:/a"}, {"dns+unix:/a"}, {"unix:"}, {"unix:a"}, {"unix://a/b"},
		{"a,b"}, {"a b"}, {"http://a"}, {"good", "bad:port"},
	} {
		src, err := Parse(specs...)
		require.ErrorIs(t, err, ErrBadSpec, specs)
		require.Nil(t, src, specs)
	}
	_, err := Parse("consul+a")
	require.EqualError(t, err, `discovery: no valid node or source: "consul+a" is none of `+
		"host:port, host, [v6]:port, /path, unix:/path, "+
		"dns+host:port, dnssrv+name, dnssrvnoa+name, file+/path, elasticache+host:port; ports are 1 to 65535")
}

func TestParseSeveral(t *testing.T) {
	s := newDNSServer(t)
	s.addrs("cache.test.", "10.0.0.1")
	s.srv("_m._tcp.test.", 11300, "a.test.")
	s.addrs("a.test.", "10.0.0.2")
	p := Parser{Resolver: s.resolver(), Interval: time.Minute}
	src, err := p.Parse("b:1", "dns+cache.test.", "dnssrv+_m._tcp.test.", "dnssrvnoa+_m._tcp.test.", "a:1")
	require.NoError(t, err)
	nodes, err := src.Nodes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"@b:1", "@a:1", "@10.0.0.1:11211", "a.test:11300@10.0.0.2:11300", "@a.test:11300"}, summary(nodes))
	one, err := p.Parse("dns+cache.test.")
	require.NoError(t, err)
	require.Equal(t, time.Minute, intervalOf(one))
	static, err := p.Parse("a", "b", "a")
	require.NoError(t, err)
	requireNodes(t, static, "a:11211", "b:11211")
}

func FuzzParse(f *testing.F) {
	for _, spec := range []string{
		"a", "dns+a:1", "dnssrv+_a._b.c", "dnssrvnoa+x", "file+/x", "elasticache+a", "[::1]:1", "/a", "+", "dns+dns+a",
		"unix:/a", "unix:///a",
	} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		src, err := Parse(spec)
		if err != nil {
			require.ErrorIs(t, err, ErrBadSpec)
			require.Nil(t, src)
			return
		}
		if static, ok := src.(Static); ok {
			again, err := Parse(static[0].Addr)
			require.NoError(t, err)
			require.Equal(t, src, again)
		}
	})
}
