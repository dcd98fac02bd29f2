package route

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route/internal/mcjson"
	"github.com/stretchr/testify/require"
)

// withPool is a configuration with the pool A of two servers on line 1, and route from the beginning of line 2.
func withPool(route string) string {
	return `{"pools": {"A": {"servers": ["a:1", "b:1"]}}, "route":` + "\n" + route + "\n}"
}

// Each mistake is refused with its place.
func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		config, place, reason string
	}{
		{`{`, "1:2", "unexpected end"},
		{`[]`, "1:1", "the configuration is array, want object"},
		{`{}`, "1:1", `there is neither "route" nor "routes"`},
		{`{"route": "NullRoute", "routes": []}`, "1:34", "want one of them"},
		{`{"pools": [], "route": "NullRoute"}`, "1:11", `"pools" is array, want object`},
		{`{"pools": {"A": []}, "route": "NullRoute"}`, "1:17", `pool "A" is array, want object`},
		{`{"named_handles": 3, "route": "NullRoute"}`, "1:19", `"named_handles" is int`},
		{`{"named_handles": [{"type": "NoRoute"}], "route": "NullRoute"}`, "1:29", `unknown handle "NoRoute"`},
		{`{"named_handles": {"x": {"type": "NullRoute", "name": "y"}}, "route": "x"}`, "1:20", "another name inside"},
		{`{"route": "@nothing(x)"}`, "1:11", "nothing"},

		// handles
		{withPool(`5`), "2:1", "a route is int"},
		{withPool(`{}`), "2:1", `a route has no "type"`},
		{`{"named_handles": [{"name": "x"}], "route": "x"}`, "1:20", `a route has no "type"`},
		{withPool(`{"type": 1}`), "2:10", `"type" is int`},
		{withPool(`"NoRoute"`), "2:1", `unknown handle "NoRoute"`},
		{withPool(`"A"`), "2:1", `"PoolRoute|A"`},
		{withPool(`"NullRoute|x"`), "2:1", "takes no argument"},
		{withPool(`"KeySplitRoute|PoolRoute|A"`), "2:1", "takes no argument"},
		{withPool(`{"type": "BigValueRoute"}`), "2:10", "BigValueRoute is not here"},
		{withPool(`"Pool|A"`), "2:1", "one route is wanted here, but these are 2"},
		{withPool(`[]`), "2:1", "one route is wanted here, but these are 0"},
		{withPool(`{"type": "PrefixSelectorRoute"}`), "2:10", `needs "policies" or "wildcard"`},
		{withPool(`{"type": "FailoverRoute", "children": [{"type": "PrefixSelectorRoute"}]}`), "2:49", "at the top only"},
		{withPool(`{"type": "FailoverRoute", "children": {"type": "Pool", "name": 1}}`), "2:39", `a pool that is written out needs a "name"`},
		{withPool(strings.Repeat(`["NullRoute",`, 150) + `1` + strings.Repeat(`]`, 150)), "2:1951", "a route is int"},

		// cycles
		{withPool(`{"type": "FailoverRoute", "name": "x", "children": ["NullRoute", "x"]}`), "2:66", `handle "x" contains itself`},
		{`{"named_handles": {"a": "b", "b": ["a"]}, "route": "a"}`, "1:36", `handle "a" contains itself`},
		{`{"named_handles": [{"type": "RandomRoute", "name": "a", "children": "b"}, {"type": "RandomRoute", "name": "b", "children": "a"}],
			"route": "a"}`, "1:124", `handle "a" contains itself`},
		{`{"pools": {"A": {"servers": [{"type": "PoolRoute", "pool": "A"}]}}, "route": "PoolRoute|A"}`, "1:60", `handle "PoolRoute|A" contains itself`},
		{`{"pools": {"A": {"servers": [{"type": "PoolRoute", "pool": "A", "hash": "Crc32"}]}}, "route": "PoolRoute|A"}`, "1:60", `pool "A" contains itself`},
		{`{"pools": {"A": {"inherit": "B", "servers": []}, "B": {"inherit": "A"}}, "route": "PoolRoute|A"}`, "1:67", "inherits from itself"},

		// pools
		{withPool(`"PoolRoute|B"`), "2:1", `there is no pool "B"`},
		{withPool(`{"type": "PoolRoute"}`), "2:10", `PoolRoute needs "pool"`},
		{withPool(`{"type": "PoolRoute", "pool": []}`), "2:31", "a pool is array"},
		{withPool(`{"type": "PoolRoute", "pool": {"servers": ["x:1"]}}`), "2:31", `needs a "name"`},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E", "servers": []}}`), "2:56", `pool "E" is empty`},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E"}}`), "2:31", `pool needs "servers"`},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E", "servers": ["x:1", 5]}}`), "2:64", "a server is int"},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E", "servers": ["x:1"], "server_timeout": 0}}`), "2:83", `"server_timeout" is 0, want 1 to 1000000`},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E", "inherit": "none", "servers": ["x:1"]}}`), "2:56", `there is no pool "none"`},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E", "inherit": 1, "servers": ["x:1"]}}`), "2:56", `"inherit" is int`},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E", "servers": ["x:1"], "protocol": "udp"}}`), "2:77", `unknown protocol "udp"`},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E", "servers": ["x:1", "y:1"], "weights": [1, -1]}}`), "2:87", "a weight is -1, want 0 to 1"},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E", "servers": ["x:1"], "weights": [-0.5]}}`), "2:77", "a weight is -0.5, want 0 to 1"},
		{withPool(`{"type": "PoolRoute", "pool": {"name": "E", "servers": ["x:1"], "weights": ["1"]}}`), "2:77", "want a number"},

		// placement
		{withPool(`{"type": "PoolRoute", "pool": "A", "hash": 1}`), "2:44", `"hash" is int`},
		{withPool(`{"type": "PoolRoute", "pool": "A", "hash": "MD5"}`), "2:44", `unknown hash function "MD5"`},
		{withPool(`{"type": "PoolRoute", "pool": "A", "hash": {"hash_func": "WeightedCh3"}}`), "2:58", `needs "weights"`},
		{withPool(`{"type": "PoolRoute", "pool": "A", "hash": "WeightedCh3Rv"}`), "2:44", "runtime variables"},
		{withPool(`{"type": "PoolRoute", "pool": "A", "hash": "Rendezvous"}`), "2:44", `one of "tags"`},
		{withPool(`{"type": "PoolRoute", "pool": "A", "hash": {"hash_func": "Rendezvous", "tags": ["x", "x"]}}`), "2:80", "bad server"},
		{withPool(`{"type": "PoolRoute", "pool": "A", "hash": {"hash_func": "WeightedRendezvous", "tags": ["x", "y"], "weights": [1]}}`), "2:111", "bad number of nodes"},
		{withPool(`{"type": "KeyParseRoute", "target": "PoolRoute|A", "num_routing_parts": 0, "delimiter": ":"}`), "2:73", "want 1 to"},
		{withPool(`{"type": "KeyParseRoute", "target": "PoolRoute|A", "num_routing_parts": 1, "delimiter": "::"}`), "2:89", "want one character"},
		{withPool(`{"type": "KeySplitRoute", "destination": "PoolRoute|A", "all_sync": true}`), "2:10", `needs "replicas"`},
		{withPool(`{"type": "KeySplitRoute", "destination": "PoolRoute|A", "all_sync": true, "replicas": 0}`), "2:87", `"replicas" is 0, want 2 to 1000`},
		{withPool(`{"type": "KeySplitRoute", "destination": "PoolRoute|A", "all_sync": true, "replicas": 1}`), "2:87", "want 2 to 1000"},
		{withPool(`{"type": "KeySplitRoute", "destination": "PoolRoute|A", "all_sync": true, "replicas": 1001}`), "2:87", "want 2 to 1000"},
		{withPool(`{"type": "KeySplitRoute", "destination": "PoolRoute|A", "all_sync": 1, "replicas": 2}`), "2:69", `"all_sync" is int, want bool`},
		{withPool(`{"type": "KeySplitRoute", "destination": "PoolRoute|A", "all_sync": true, "replicas": 2.5}`), "2:87", `"replicas" is float, want int`},

		// failover
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_errors": ["slow"]}`), "2:69", `"slow"`},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_errors": {"gets": "tko"}}`), "2:77", `"gets" is string, want array`},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_errors": 1}`), "2:68", "want array or object"},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_limit": {"burst": 1}}`), "2:67", `needs "rate"`},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_limit": {"rate": 1.5}}`), "2:67", "rate between 0 and 1"},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_policy": {"type": "BestPolicy"}}`), "2:77", `unknown failover policy "BestPolicy"`},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_policy": {"type": "LeastFailuresPolicy"}}`), "2:68", `needs "max_tries"`},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_policy": {"type": "LeastFailuresPolicy", "max_tries": 0}}`), "2:113", "want 1 to"},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_policy": {"type": "DeterministicOrderPolicy", "max_tries": 2}}`), "2:68", `needs "max_error_tries"`},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_policy": {"type": "RendezvousPolicy", "tags": ["x", "y"]}}`), "2:68", `one of "tags" for each child but the first (1), but there are 2`},
		{withPool(`{"type": "FailoverRoute", "children": "Pool|A", "enable_lease_pairing": true}`), "2:73", "needs a name"},
		{withPool(`{"type": "LatestRoute", "children": "Pool|A", "failover_count": 0}`), "2:65", "want 1 to"},
		{withPool(`{"type": "LatestRoute", "children": "Pool|A", "weights": [2]}`), "2:59", "want 0 to 1"},
		{withPool(`{"type": "LoadBalancerRoute", "children": "Pool|A", "algorithm": "best"}`), "2:66", `unknown algorithm "best"`},

		// selection
		{withPool(`{"type": "OperationSelectorRoute"}`), "2:10", `needs "default_policy" or policies`},
		{withPool(`{"type": "OperationSelectorRoute", "operation_policies": {"read": "NullRoute"}}`), "2:59", `unknown operation "read"`},
		{withPool(`{"type": "OperationSelectorRoute", "operation_policies": ["get"]}`), "2:58", `"operation_policies" is array`},
		{withPool(`{"type": "RoutingGroupRoute", "routing_group_policies": {"reads": "NullRoute"}}`), "2:58", `unknown routing group "reads"`},
		{withPool(`{"type": "ModifyKeyRoute", "target": "PoolRoute|A", "set_routing_prefix": "/a/"}`), "2:75", "routing prefix is not of the form"},
		{withPool(`{"type": "ModifyKeyRoute", "target": "PoolRoute|A", "ensure_key_prefix": "a b"}`), "2:10", "key"},
		{withPool(`{"type": "ModifyExptimeRoute", "target": "PoolRoute|A"}`), "2:10", `needs "exptime"`},
		{withPool(`{"type": "ModifyExptimeRoute", "target": "PoolRoute|A", "exptime": 4000000000}`), "2:68", "want 0 to 3153600000"},
		{withPool(`{"type": "ModifyExptimeRoute", "target": "PoolRoute|A", "exptime": -1}`), "2:68", "want 0 to"},
		{withPool(`{"type": "ModifyExptimeRoute", "target": "PoolRoute|A", "exptime": 1, "action": "max"}`), "2:81", "want set or min"},

		// tiers, limits
		{withPool(`{"type": "WarmUpRoute", "cold": "PoolRoute|A"}`), "2:10", `needs "warm"`},
		{withPool(`{"type": "MigrateRoute", "from": "NullRoute", "to": "NullRoute", "start_time": "now"}`), "2:80", `"start_time" is string, want int`},
		{withPool(`{"type": "MigrateRoute", "from": "NullRoute", "to": "NullRoute", "start_time": 1, "interval": 0}`), "2:95", "want 1 to"},
		{withPool(`{"type": "L1L2CacheRoute", "l1": "NullRoute", "l2": "NullRoute"}`), "2:10", `needs "upgradingL1Exptime"`},
		{withPool(`{"type": "L1L2SizeSplitRoute", "l1": "NullRoute", "l2": "NullRoute", "threshold": 1, "retries": 11}`), "2:97", "want 1 to 10"},
		{withPool(`{"type": "L1L2SizeSplitRoute", "l1": "NullRoute", "l2": "NullRoute", "threshold": 1, "failure_ttl": 0}`), "2:101", "want 1 to"},
		{withPool(`{"type": "RateLimitRoute", "target": "PoolRoute|A"}`), "2:10", `needs "rates"`},
		{withPool(`{"type": "RateLimitRoute", "target": "PoolRoute|A", "rates": {"gets_rate": 0}}`), "2:76", "want more than 0"},
		{withPool(`{"type": "RateLimitRoute", "target": "PoolRoute|A", "rates": {"gets_rate": 1e999}}`), "2:76", ""},
		{withPool(`{"type": "PoolRoute", "pool": "A", "max_outstanding": -1}`), "2:55", "want 0 to 1000000"},
		{withPool(`{"type": "PoolRoute", "pool": "A", "slow_warmup": {}}`), "2:51", `needs "failoverTarget"`},
		{withPool(`{"type": "PoolRoute", "pool": "A", "slow_warmup": {"failoverTarget": "NullRoute", "settings": {"enable_threshold": 0.9, "disable_threshold": 0.1}}}`), "2:10", "slow warm-up"},
		{withPool(`{"type": "PoolRoute", "pool": "A", "shadows": {}}`), "2:47", `"shadows" is object`},
		{withPool(`{"type": "PoolRoute", "pool": "A", "shadows": [{"index_range": [0, 1]}]}`), "2:48", `needs "target"`},
		{withPool(`{"type": "PoolRoute", "pool": "A", "shadows": [{"target": "NullRoute", "index_range": [2, 1]}]}`), "2:87", "ends before it begins"},
		{withPool(`{"type": "PoolRoute", "pool": "A", "shadows": [{"target": "NullRoute", "key_fraction_range": [0, 2]}]}`), "2:98", "want 0 to 1"},
		{withPool(`{"type": "ErrorRoute", "result": "bad luck"}`), "2:34", `"bad luck"`},
		{withPool(`{"type": "LatencyInjectionRoute", "child": "NullRoute", "before_latency_ms": -1}`), "2:78", "want 0 to"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			_, err := ParseConfig([]byte(c.config), "f.json", leafEnv(t))
			require.Error(t, err, c.config)
			var e *ConfigError
			require.True(t, errors.As(err, &e), "%T", err)
			require.Equal(t, "f.json", e.File)
			require.Equal(t, c.place, fmt.Sprintf("%d:%d", e.Line, e.Column), e.Reason)
			require.Contains(t, e.Reason, c.reason)
			require.Contains(t, e.Error(), "f.json:"+c.place+": "+e.Reason)
		})
	}
}

// A server is written in one of mcrouter's forms, or the configuration is refused.
func TestConfigServers(t *testing.T) {
	for _, c := range []struct {
		point string
		want  Server
		wrong string
	}{
		{"cache:11211", Server{Addr: "cache:11211"}, ""},
		{"10.0.0.1:1", Server{Addr: "10.0.0.1:1"}, ""},
		{"[::1]:11211", Server{Addr: "[::1]:11211"}, ""},
		{"[0:0:0:0:0:0:0:1]:11211", Server{Addr: "[::1]:11211"}, ""},
		{"cache:11211:ascii", Server{Addr: "cache:11211"}, ""},
		{"cache:11211:ascii:plain:notcompressed", Server{Addr: "cache:11211"}, ""},
		{"cache:11211:ascii:ssl", Server{Addr: "cache:11211"}, ""},
		{"unix:/run/mc.sock:ascii", Server{Addr: "/run/mc.sock"}, ""},
		{"", Server{}, "host:port"},
		{"cache", Server{}, "no port"},
		{"cache:", Server{}, "no port"},
		{"cache:0", Server{}, "no port"},
		{"cache:65536", Server{}, "no port"},
		{"cache:-1", Server{}, "no port"},
		{":11211", Server{}, "host:port"},
		{"[::1:11211", Server{}, "host:port"},
		{"[::1]11211", Server{}, "host:port"},
		{"ca che:1", Server{}, "no host name"},
		{"unix:sock", Server{}, "slash"},
		{"cache:1:gopher", Server{}, "unknown protocol"},
		{"cache:1:ascii:rot13", Server{}, "unknown security"},
		{"cache:1:ascii:plain:zipped", Server{}, "neither compressed nor notcompressed"},
		{"cache:1:ascii:plain:compressed:x", Server{}, "host:port"},
	} {
		t.Run(c.point, func(t *testing.T) {
			config := fmt.Sprintf(`{"pools": {"A": {"servers": [%q]}}, "route": "PoolRoute|A"}`, c.point)
			got, err := ParseConfig([]byte(config), "f.json", leafEnv(t))
			if c.wrong != "" {
				require.ErrorContains(t, err, c.wrong)
				require.ErrorContains(t, err, "f.json:1:30")
				return
			}
			require.NoError(t, err)
			require.Equal(t, []Server{c.want}, got.Servers)
		})
	}
}

// Errors say what kind they are, so that a program can tell.
func TestConfigErrorCauses(t *testing.T) {
	_, err := ParseConfig([]byte(`{"route": `), "f.json", leafEnv(t))
	require.ErrorIs(t, err, mcjson.ErrSyntax)
	_, err = ParseConfig([]byte(withPool(`{"type": "RateLimitRoute", "target": "PoolRoute|A", "rates": {"gets_rate": 1, "gets_burst": 0.1}}`)), "f", leafEnv(t))
	require.ErrorContains(t, err, "want 1 or more")
	_, err = ParseConfig([]byte(withPool(`{"type": "FailoverRoute", "children": "Pool|A", "failover_errors": ["slow"]}`)), "f", leafEnv(t))
	require.ErrorIs(t, err, ErrFailureName)
	_, err = ParseConfig([]byte(`{"routes": {"/a/": "NullRoute"}}`), "f", leafEnv(t))
	require.ErrorIs(t, err, ErrRoutingPrefix)

	_, err = ParseConfig(nil, "f", ConfigEnv{})
	require.ErrorIs(t, err, ErrNoPart)

	refused := errors.New("no TLS here")
	_, err = ParseConfig([]byte(withPool(`"PoolRoute|A"`)), "f", ConfigEnv{Node: func(Server) (Route, error) { return nil, refused }})
	require.ErrorIs(t, err, refused)
	require.ErrorContains(t, err, "f:1:30")
	_, err = ParseConfig([]byte(withPool(`"PoolRoute|A"`)), "f", ConfigEnv{Node: func(Server) (Route, error) { return nil, nil }})
	require.ErrorIs(t, err, ErrNoPart)
}

// Where the routing prefix of plain keys is not clear, the configuration is refused.
func TestConfigDefaultRoute(t *testing.T) {
	two := `{"routes": {"/a/b/": "NullRoute", "/a/c/": "NullRoute"}}`
	one := `{"routes": [{"aliases": ["/a/b/"], "route": "NullRoute"}]}`
	for _, c := range []struct{ config, byDefault, wrong string }{
		{two, "", ""},
		{`{"routes": {"/a/b/": "NullRoute", "/././": "NullRoute"}}`, "", ""},
		{two, "/a/c/", ""},
		{two, "/a/d/", `no route for the default routing prefix "/a/d/"`},
		{two, "/a", "not of the form"},
		{one, "", ""},
		{`{"routes": []}`, "", `"routes" is empty`},
		{`{"routes": 1}`, "/a/b/", `"routes" is int`},
		{`{"routes": [1]}`, "/a/b/", `one of "routes" is int`},
		{`{"routes": [{"route": "NullRoute"}]}`, "/a/b/", `needs "aliases"`},
		{`{"routes": [{"aliases": ["/a/b/"]}]}`, "/a/b/", `needs "route"`},
		{`{"routes": [{"aliases": [1], "route": "NullRoute"}]}`, "/a/b/", "an alias is int"},
		{`{"routes": [{"aliases": ["/a/b/", "/a/b/"], "route": "NullRoute"}]}`, "/a/b/", "two routes"},
		{`{"routes": {"/a/*/": "NullRoute"}}`, "/a/b/", "not of the form"},
		{`{"route": "NullRoute"}`, "/a/b/", ""},
	} {
		env := leafEnv(t)
		env.DefaultRoute = c.byDefault
		_, err := ParseConfig([]byte(c.config), "f", env)
		if c.wrong == "" {
			require.NoError(t, err, c.config)
		} else {
			require.ErrorContains(t, err, c.wrong, c.config)
		}
	}
}

// With "route" alone a key that looks like one with a routing prefix is a key like any other, unless there is a default route.
func TestConfigSingleRoute(t *testing.T) {
	seen := func(byDefault string) []string {
		var node *fake
		env := leafEnv(t)
		env.DefaultRoute = byDefault
		env.Node = func(Server) (Route, error) {
			node = &fake{}
			return node, nil
		}
		c, err := ParseConfig([]byte(`{"pools": {"A": {"servers": ["a:1"]}}, "route": "PoolRoute|A"}`), "f", env)
		require.NoError(t, err)
		do(c.Route, get("/a/b/c"), get("d"))
		return node.asked()
	}
	require.Equal(t, []string{"/a/b/c", "d"}, seen(""))
	require.Equal(t, []string{"c", "d"}, seen("/a/b/"))
	require.Equal(t, []string{"d"}, seen("/a/x/"), "an unknown routing prefix is refused")
}

// An operation without a policy is refused by name, and nothing fails over because of it.
func TestConfigNoPolicy(t *testing.T) {
	c := loaded(t, "origin.json", leafEnv(t))
	for operation, name := range map[protocol.Command]string{
		protocol.Increment: "incr", protocol.Touch: "touch", CompareAndSwap: "cas", GetForUpdate: "gets", protocol.Append: "append",
		protocol.GetAndTouch: "gat", protocol.Replace: "replace", protocol.Prepend: "prepend", protocol.Decrement: "decr",
	} {
		op := asked(c.Route, asks(operation, "k"))
		var missing *NoPolicyError
		require.True(t, errors.As(op.Err, &missing), name)
		require.Equal(t, name, missing.Operation)
		require.ErrorIs(t, op.Err, protocol.ErrInvalidRequest)
		require.Zero(t, FailureOf(op.Err)&FailNode)
		require.ErrorContains(t, op.Err, fmt.Sprintf("no policy for %q", name))
	}
	require.NoError(t, asked(c.Route, get("k")).Err)

	prefixes := loaded(t, "prefixes.json", leafEnv(t))
	require.ErrorContains(t, asked(prefixes.Route, get("other")).Err, "no route for the prefix")
}

// What would grow without end, or nearly, is refused.
func TestConfigBounds(t *testing.T) {
	doubling := `"h0": {"type": "AllSyncRoute", "children": ["a1", "a2"]}, "a1": {"type": "NullRoute"}, "a2": {"type": "ErrorRoute"}`
	for i := range 30 {
		doubling += fmt.Sprintf(`, "h%d": {"type": "AllSyncRoute", "children": ["h%d", {"type": "LoggingRoute", "target": "h%d"}]}`, i+1, i, i)
	}
	lists := `"h0": ["NullRoute", "ErrorRoute"]`
	for i := range 30 {
		lists += fmt.Sprintf(`, "h%d": ["h%d", "h%d"]`, i+1, i, i)
	}
	deep := `"h0": "NullRoute"`
	for i := range 1000 {
		deep += fmt.Sprintf(`, "h%d": {"type": "LoggingRoute", "target": "h%d"}`, i+1, i)
	}
	servers := make([]string, 1001)
	for i := range servers {
		servers[i] = fmt.Sprintf("%q", fmt.Sprint("host:", i+1))
	}
	for _, c := range []struct{ config, wrong string }{
		{`{"named_handles": {` + doubling + `}, "route": "h30"}`, "larger than 262144 routes"},
		{`{"named_handles": {` + lists + `}, "route": "AllSyncRoute|h30"}`, "more than 16384 routes"},
		{withPool(`{"type": "KeySplitRoute", "all_sync": true, "replicas": 1000, "destination":
			{"type": "KeySplitRoute", "all_sync": true, "replicas": 1000, "destination": "PoolRoute|A"}}`), "larger than 262144 routes"},
		{`{"named_handles": {` + deep + `}, "route": "h1000"}`, "nested more than 250 deep"},
		{`{"pools": {"A": {"servers": [` + strings.Join(servers, ",") + `]}}, "route": "AllSyncRoute|Pool|A"}`, "1001 children, more than 1000"},
	} {
		_, err := ParseConfig([]byte(c.config), "f", leafEnv(t))
		require.ErrorContains(t, err, c.wrong)
	}
}
