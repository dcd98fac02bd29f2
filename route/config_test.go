package route

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// namedLeaf is a server that answers everything with a miss, or not stored.
type namedLeaf struct {
	fake
	addr string
}

func (n *namedLeaf) Explain(*Op) Step { return Step{Route: "node", Name: n.addr} }

// configEnv has a leaf for each server.
func configEnv(t testing.TB) (ConfigEnv, map[string]*namedLeaf) {
	leaves := map[string]*namedLeaf{}
	b := NewBackground(100)
	t.Cleanup(b.Close)
	return ConfigEnv{
		HostID: 7, Background: b, Logger: slog.New(slog.DiscardHandler),
		Node: func(s Server) (Route, error) {
			if leaves[s.Addr] == nil {
				leaves[s.Addr] = &namedLeaf{addr: s.Addr, fake: fake{answer: func(op *Op) { op.Settle(defaultReply(op), nil) }}}
			}
			return leaves[s.Addr], nil
		},
		Import: func(path string) ([]byte, error) {
			return os.ReadFile(filepath.Join("testdata/mcrouter/imports", path))
		},
	}, leaves
}

// Each file is read, and what it becomes for some operations is what its golden file says.
func TestConfigurations(t *testing.T) {
	files, err := filepath.Glob("testdata/mcrouter/*.json")
	require.NoError(t, err)
	require.Greater(t, len(files), 25)
	used := map[string]bool{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			for kind := range handleTable {
				used[kind] = used[kind] || strings.Contains(string(data), `"`+kind)
			}
			env, _ := configEnv(t)
			c, err := ParseConfig(data, filepath.Base(file), env)
			require.NoError(t, err)
			golden := strings.TrimSuffix(file, ".json") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, []byte(describe(c)), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), describe(c))
			serve(c)
		})
	}
	for kind := range handleTable {
		require.True(t, used[kind] || kind == "PrefixPolicyRoute" || kind == "DevNullRoute", "%s is in no file", kind)
	}
}

// describe is what a configuration became.
func describe(c *Config) string {
	var b strings.Builder
	for _, s := range c.Servers {
		fmt.Fprintf(&b, "server %s", s.Addr)
		if s.Timeout > 0 {
			fmt.Fprintf(&b, ", timeout %v", s.Timeout)
		}
		b.WriteString("\n")
	}
	for _, w := range c.Warnings {
		fmt.Fprintf(&b, "warning %s\n", w)
	}
	for _, o := range []struct {
		operation protocol.Command
		key       string
	}{
		{protocol.Get, "user:42"}, {GetForUpdate, "user:42"}, {protocol.Set, "user:42"}, {protocol.Increment, "user:42"},
		{protocol.Delete, "user:42"}, {protocol.Get, "hot:1"}, {protocol.Set, "/west/b/user:42"},
	} {
		fmt.Fprintf(&b, "%s %s\n", operationName(o.operation), o.key)
		for line := range strings.Lines(Explain(c.Route, asks(o.operation, o.key)).String()) {
			b.WriteString("  " + line)
		}
	}
	return b.String()
}

// serve has every operation served once, alone and together.
func serve(c *Config) {
	var ops []*Op
	for _, operation := range allOperations {
		op := asks(operation, "user:42")
		do(c.Route, op)
		ops = append(ops, asks(operation, "/west/b/hot:7"))
	}
	do(c.Route, ops...)
}

// The origin's file, unchanged, on three real nodes, for three hosts each of which lists its own node first.
func TestOriginOnRealNodes(t *testing.T) {
	data, err := os.ReadFile("testdata/mcrouter/origin.json")
	require.NoError(t, err)
	listed := []string{"192.168.100.33:30213", "192.168.100.14:30213", "192.168.100.15:30213"}
	var servers []*realnode.Node
	for range listed {
		servers = append(servers, realnode.Start(t))
	}
	hosts := make([]Route, len(listed))
	for host := range hosts {
		own := strings.NewReplacer(listed[0], listed[host], listed[host], listed[0])
		c, err := ParseConfig([]byte(own.Replace(string(data))), "origin.json", ConfigEnv{Node: func(s Server) (Route, error) {
			for i, addr := range listed {
				if addr == s.Addr {
					n := pool.NewNode(pool.Config{Name: s.Addr, Addr: servers[i].Addr, Timeout: testTimeout})
					t.Cleanup(func() { n.Close() })
					return n, nil
				}
			}
			return nil, errors.New("no such server")
		}})
		require.NoError(t, err)
		require.Empty(t, c.Warnings)
		require.Len(t, c.Servers, 3)
		hosts[host] = c.Route
	}
	reads := func(host int, key, want string) {
		t.Helper()
		op := get(key)
		do(hosts[host], op)
		require.NoError(t, op.Err)
		require.Equal(t, want, string(op.Value))
	}
	set := store(protocol.Set, "k", "v")
	do(hosts[0], set)
	require.NoError(t, set.Err)
	for host := range hosts {
		op := get("k")
		do(hosts[host], op)
		require.Equal(t, "v", string(op.Value))
		require.Equal(t, listed[host], op.Node.Name(), "its own node")
	}
	// An add takes effect once, whoever lists what first, and all hosts find it.
	for host := range hosts {
		op := asks(protocol.Add, "added")
		do(hosts[host], op)
		require.NoError(t, op.Err)
		require.Equal(t, host == 0, op.Reply.Status == protocol.OK, "host %d", host)
		reads(host, "added", "v")
	}
	for _, c := range []protocol.Command{protocol.Increment, protocol.Touch, CompareAndSwap, GetForUpdate, protocol.Append} {
		op := asks(c, "k")
		do(hosts[1], op)
		var none *NoPolicyError
		require.ErrorAs(t, op.Err, &none, "%v", c)
		require.Equal(t, configName(c), none.Operation)
	}
	servers[1].Kill()
	reads(1, "k", "v")
	set = store(protocol.Set, "k", "new")
	do(hosts[0], set)
	require.ErrorIs(t, set.Err, ErrPartialWrite)
	reads(1, "k", "new")
	do(hosts[2], asks(protocol.Delete, "k"))
	op := get("k")
	do(hosts[1], op)
	require.Equal(t, protocol.Miss, op.Reply.Status)
}

// Mistakes are refused with their place.
func TestConfigErrors(t *testing.T) {
	const pools = `{"pools": {"A": {"servers": ["10.0.0.1:11211", "10.0.0.2:11211"]}},` + "\n" + `"route": `
	for text, want := range map[string]string{
		`{`:                                  `f:1:2: `,
		`[]`:                                 `f:1:1: the configuration is array, want object`,
		`{}`:                                 `f:1:1: a configuration needs "route" or "routes"`,
		`{"route": null, "routes": []}`:      `f:1:27: a configuration has "route" or "routes", not both`,
		pools + `"PoolRoute|B"}`:             `f:2:10: there is no pool "B"`,
		pools + `"AllSyncRoute|Pool|B"}`:     `f:2:10: there is no pool "B"`,
		pools + `"Nothing"}`:                 `f:2:10: there is no handle with the name "Nothing"`,
		pools + `"Nothing|A"}`:               `f:2:10: there is no handle of type "Nothing"`,
		pools + `{"type": "Nothing"}}`:       `f:2:19: there is no handle of type "Nothing"`,
		pools + `{"type": "BigValueRoute"}}`: `f:2:19: BigValueRoute is not supported`,
		pools + `{}}`:                        `f:2:10: a route needs a "type"`,
		pools + `5}`:                         `f:2:10: a route is an object or a string, not int`,
		pools + `{"type": "AllSyncRoute"}}`:  `f:2:10: AllSyncRoute needs "children"`,
		pools + `{"type": "AllSyncRoute", "children": []}}`:                                                            `f:2:47: AllSyncRoute has no children`,
		pools + `{"type": "PoolRoute", "pool": "A", "hash": "md5"}}`:                                                   `f:2:53: there is no hash function "md5"`,
		pools + `{"type": "PoolRoute", "pool": "A", "hash": {"hash_func": "WeightedCh3", "weights": [-1, 1]}}}`:        `f:2:94: "weights" must be numbers from 0`,
		pools + `{"type": "KeySplitRoute", "destination": "PoolRoute|A", "replicas": 0, "all_sync": true}}`:            `f:2:78: a key is split into 2 to 1000 copies`,
		pools + `{"type": "KeySplitRoute", "destination": "PoolRoute|A", "replicas": 1001, "all_sync": true}}`:         `f:2:78: a key is split into 2 to 1000 copies`,
		pools + `{"type": "KeySplitRoute", "destination": "PoolRoute|A", "replicas": "2", "all_sync": true}}`:          `f:2:78: "replicas" must be a whole number`,
		pools + `{"type": "KeySplitRoute", "destination": "PoolRoute|A", "replicas": 2}}`:                              `f:2:10: KeySplitRoute needs "all_sync"`,
		pools + `{"type": "FailoverRoute", "children": "Pool|A", "failover_errors": ["found"]}}`:                       `f:2:78: there is no error "found"`,
		pools + `{"type": "FailoverRoute", "children": "Pool|A", "failover_limit": {"rate": 2}}}`:                      `f:2:85: "rate" must be a number from 0 to 1`,
		pools + `{"type": "FailoverRoute", "children": "Pool|A", "failover_policy": {"type": "X"}}}`:                   `f:2:77: there is no failover policy "X"`,
		pools + `{"type": "FailoverRoute", "children": "Pool|A", "failover_policy": {"type": "LeastFailuresPolicy"}}}`: `needs "max_tries"`,
		pools + `{"type": "OperationSelectorRoute", "operation_policies": {"fetch": "PoolRoute|A"}}}`:                  `f:2:77: there is no operation "fetch"`,
		pools + `{"type": "ModifyExptimeRoute", "target": "PoolRoute|A", "exptime": -5}}`:                              `f:2:77: "exptime" must be a whole number`,
		pools + `{"type": "ModifyExptimeRoute", "target": "PoolRoute|A", "exptime": 5, "action": "max"}}`:              `"action" must be "set" or "min"`,
		pools + `{"type": "ModifyKeyRoute", "target": "PoolRoute|A", "ensure_key_prefix": "a b"}}`:                     `f:2:10: `,
		pools + `{"type": "MigrateRoute", "from": "PoolRoute|A", "to": "PoolRoute|A"}}`:                                `f:2:10: MigrateRoute needs "start_time"`,
		pools + `{"type": "RateLimitRoute", "target": "PoolRoute|A", "rates": {"gets_rate": -1}}}`:                     `"gets_rate" must be a number`,
		pools + `{"type": "OutstandingLimitRoute", "target": "PoolRoute|A", "max_outstanding": 0}}`:                    `"max_outstanding" must be a whole number from 1`,
		`{"named_handles": [{"type": "AllSyncRoute", "name": "x", "children": ["x", "NullRoute"]}], "route": "x"}`:     `f:1:71: a handle contains itself`,
		`{"pools": {"A": {"servers": []}}, "route": "PoolRoute|A"}`:                                                    `f:1:29: pool "A" is empty`,
		`{"pools": {"A": {}}, "route": "PoolRoute|A"}`:                                                                 `f:1:17: pool "A" needs servers`,
		`{"pools": {"A": {"servers": ["nowhere"]}}, "route": "PoolRoute|A"}`:                                           `f:1:30: server "nowhere": it is not of the form`,
		`{"pools": {"A": {"servers": ["a:99999"]}}, "route": "PoolRoute|A"}`:                                           `f:1:30: server "a:99999"`,
		`{"pools": {"A": {"servers": ["a:1:caret"]}}, "route": "PoolRoute|A"}`:                                         `"caret" is not supported`,
		`{"pools": {"A": {"servers": [5]}}, "route": "PoolRoute|A"}`:                                                   `f:1:30: "servers" must be strings`,
		`{"pools": {"A": {"inherit": "A"}}, "route": "PoolRoute|A"}`:                                                   `f:1:29: pool "A" inherits from itself`,
		`{"pools": {"A": {"servers": ["a:1"], "server_timeout": "x"}}, "route": "PoolRoute|A"}`:                        `"server_timeout" must be a whole number`,
		`{"routes": [{"aliases": ["/a/"], "route": "NullRoute"}]}`:                                                     `"/a/" is no routing prefix`,
		`{"routes": []}`:                     `f:1:12: "routes" is empty`,
		`{"route": "@import(nowhere.json)"}`: `f:1:11: `,
	} {
		env, _ := configEnv(t)
		c, err := ParseConfig([]byte(text), "f", env)
		require.Nil(t, c, text)
		var placed *ConfigError
		require.ErrorAs(t, err, &placed, text)
		require.Contains(t, err.Error(), want, text)
		require.Equal(t, "f", placed.File)
		require.Positive(t, placed.Line)
		require.Positive(t, placed.Column)
	}
	_, err := ParseConfig([]byte(`{}`), "f", ConfigEnv{})
	require.ErrorIs(t, err, ErrNoPart)
}

// What has no meaning here is said, never passed over.
func TestConfigWarnings(t *testing.T) {
	env, _ := configEnv(t)
	c, err := ParseConfig([]byte(`{"pools": {"A": {"servers": ["a:1"], "keep_routing_prefix": true, "colour": "red"}},
		"nothing": 1, "route": {"type": "OperationSelectorRoute", "operation_policies": {"lease-get": "NullRoute", "get": "PoolRoute|A"}}}`), "f", env)
	require.NoError(t, err)
	var texts []string
	for _, w := range c.Warnings {
		texts = append(texts, w.String())
	}
	require.Equal(t, []string{
		`f:2:3: option "nothing" of the configuration is not known`,
		`f:2:84: a policy for "lease-get" has no meaning here: leases are taken with "gets"`,
		`f:1:38: option "keep_routing_prefix" of pool "A" has no meaning here: the routing prefix is taken off before a key is sent`,
		`f:1:67: option "colour" of pool "A" is not known`,
	}, texts)
}

// Reads over children that also decide read-modify-writes ask the home; others do not.
func TestConfigAsksHomeWhereThereIsOne(t *testing.T) {
	const pools = `{"pools": {"A": {"servers": ["a:1", "b:1"]}, "B": {"servers": ["b:1", "a:1"]}}, "route": {"type": "OperationSelectorRoute", "operation_policies": `
	for text, asks := range map[string]bool{
		`{"get": "FailoverRoute|Pool|A", "set": "AllSyncRoute|Pool|A"}}}`:                                                                              false,
		`{"get": "FailoverRoute|Pool|A", "add": "AllSyncRoute|Pool|A"}}}`:                                                                              true,
		`{"get": "FailoverRoute|Pool|A", "incr": "AllSyncRoute|Pool|B"}}}`:                                                                             true,
		`{"get": "FailoverRoute|Pool|A"}, "default_policy": "AllFastestRoute|Pool|A"}}`:                                                                true,
		`{"get": "RandomRoute|Pool|A", "cas": {"type": "AllMajorityRoute", "children": ["Pool|A"]}}}}`:                                                 true,
		`{"get": {"type": "HashRoute", "children": "Pool|A"}, "add": "AllSyncRoute|Pool|A"}}}`:                                                         false,
		`{"get": "FailoverRoute|Pool|A", "set": "w", "add": "w"}}, "named_handles": [{"name": "w", "type": "AllSyncRoute", "children": "Pool|A"}]}`:    true,
		`{"get": "FailoverRoute|Pool|A", "set": "w", "delete": "w"}}, "named_handles": [{"name": "w", "type": "AllSyncRoute", "children": "Pool|A"}]}`: false,
	} {
		env, _ := configEnv(t)
		c, err := ParseConfig([]byte(pools+text), "f", env)
		require.NoError(t, err, text)
		require.Equal(t, asks, strings.Contains(Explain(c.Route, get("k")).String(), "ask home"), text)
	}
}

func TestPrefixPolicyAndDevNull(t *testing.T) {
	env, _ := configEnv(t)
	c, err := ParseConfig([]byte(`{"route": {"type": "PrefixPolicyRoute", "default_policy": {"type": "DevNullRoute"}}}`), "f", env)
	require.NoError(t, err)
	op := store(protocol.Set, "k", "v")
	do(c.Route, op)
	require.Equal(t, protocol.NotStored, op.Reply.Status)
}

func TestConfigErrorRoute(t *testing.T) {
	for text, want := range map[string]string{
		`"ErrorRoute"`: "refused by configuration", `"ErrorRoute|mc_res_timeout"`: "no answer within the timeout",
		`"ErrorRoute|down for repair"`: "down for repair", `{"type": "ErrorRoute", "response": "busy now"}`: "busy now",
	} {
		env, _ := configEnv(t)
		c, err := ParseConfig([]byte(`{"route": `+text+`}`), "f", env)
		require.NoError(t, err)
		op := get("k")
		do(c.Route, op)
		require.ErrorContains(t, op.Err, want)
	}
}

// Whatever is accepted can be explained and served.
func FuzzParseConfig(f *testing.F) {
	files, _ := filepath.Glob("testdata/mcrouter/*.json")
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(`{"route": {"type": "KeySplitRoute", "destination": null, "replicas": 1000, "all_sync": true}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		env, _ := configEnv(t)
		c, err := ParseConfig(data, "fuzz", env)
		if err != nil {
			return
		}
		if len(data) > 4096 {
			return // a tree of that many routes takes its time
		}
		_, err = json.Marshal(Explain(c.Route, get("user:42")))
		require.NoError(t, err)
		describe(c)
		serve(c)
	})
}
