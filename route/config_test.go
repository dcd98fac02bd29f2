package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/nohop/memcache/route/internal/mcjson"
	"github.com/stretchr/testify/require"
)

const configDir = "testdata/mcrouter"

// namedLeaf is a server that answers everything with a miss, or not stored.
type namedLeaf struct {
	fake
	addr string
}

func (n *namedLeaf) Explain(*Op) Step { return Step{Route: "node", Name: n.addr} }

// configEnv has a leaf for each server.
func configEnv(t testing.TB) (ConfigEnv, map[string]*namedLeaf) {
	leaves := map[string]*namedLeaf{}
	return configEnvOf(t, func(s Server) (Route, error) {
		if leaves[s.Addr] == nil {
			leaves[s.Addr] = &namedLeaf{addr: s.Addr, fake: fake{answer: func(op *Op) { op.Settle(defaultReply(op), nil) }}}
		}
		return leaves[s.Addr], nil
	}), leaves
}

// configEnvOf is what the files of configDir need.
func configEnvOf(t testing.TB, node func(Server) (Route, error)) ConfigEnv {
	b := NewBackground(DefaultBackground)
	t.Cleanup(b.Close)
	return ConfigEnv{
		Node: node, Background: b, HostID: 7, Logger: slog.New(slog.DiscardHandler),
		Import: mcjson.ImportFrom(configDir),
		Params: map[string]any{"zone": "east"},
	}
}

// leafEnv is an environment whose nodes are leaves.
func leafEnv(t testing.TB) ConfigEnv {
	env, _ := configEnv(t)
	return env
}

// configNodes are nodes for the servers of a configuration, each with a memcached of this process behind it.
type configNodes struct {
	t       testing.TB
	servers map[string]*memcachetest.Server // by the address in the file
}

func newConfigNodes(t testing.TB) *configNodes {
	return &configNodes{t, make(map[string]*memcachetest.Server)}
}

func (c *configNodes) node(s Server) (Route, error) {
	server := c.servers[s.Addr]
	if server == nil {
		server = memcachetest.NewServer()
		c.t.Cleanup(server.Close)
		c.servers[s.Addr] = server
	}
	node := pool.NewNode(pool.Config{Name: s.Addr, Addr: server.Addr(), Timeout: testTimeout})
	c.t.Cleanup(func() { node.Close() })
	return node, nil
}

func readConfig(t testing.TB, name string) []byte {
	data, err := os.ReadFile(filepath.Join(configDir, name))
	require.NoError(t, err)
	return data
}

// loaded returns what a file of configDir becomes.
func loaded(t testing.TB, name string, env ConfigEnv) *Config {
	c, err := ParseConfig(readConfig(t, name), name, env)
	require.NoError(t, err)
	return c
}

// serveAll has every operation served once, alone and together.
func serveAll(c *Config) {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout) // there may be latency to be added
	defer cancel()
	var ops []*Op
	for operation := range operationCount {
		c.Route.Do(ctx, []*Op{asks(operation, "user:42")})
		ops = append(ops, asks(operation, "/west/b/hot:7"))
	}
	c.Route.Do(ctx, ops)
}

// What has no effect here is said, never passed over.
func TestConfigWarnings(t *testing.T) {
	c, err := ParseConfig([]byte(`{"pools": {"A": {"servers": ["a:1", "b:1:ascii:ssl"], "keep_routing_prefix": true, "use_ssl": false, "colour": "red"}, "B": {}},
		"nothing": 1, "route": {"type": "OperationSelectorRoute", "operation_policies": {
			"lease-get": "NullRoute", "get": "PoolRoute|A", "set": {"type": "PoolRoute", "pool": "A", "asynclog": false, "axonlog": true},
			"add": {"type": "ModifyExptimeRoute", "target": "NullRoute", "exptime": 3000000}}}}`),
		"f", leafEnv(t))
	require.NoError(t, err)
	var texts []string
	for _, w := range c.Warnings {
		texts = append(texts, w.String())
	}
	require.Equal(t, []string{
		`f:3:4: the policy for "lease-get" has no effect here: a lease is taken by a get`,
		`f:1:37: security "ssl" has no effect here: TLS is an option of the client, for all nodes`,
		`f:1:55: "keep_routing_prefix" of pool has no effect here: a routing prefix is never sent`,
		`f:1:102: unknown option "colour" of pool`,
		`f:3:113: "axonlog" of PoolRoute has no effect here: it writes to a service of Facebook`,
		`f:4:76: "exptime" is more than 30 days, which memcached takes for a date if mcrouter sends it; here it is a time from then on`,
		`f:2:3: unknown option "nothing" of the configuration`,
		`f:1:120: pool "B" is used by no route`,
	}, texts)
}

// What mcrouter defines for its files is there, and what the program adds.
func TestConfigParams(t *testing.T) {
	env := leafEnv(t)
	env.HostID, env.DefaultRoute = 42, "/east/main/"
	for text, want := range map[string]string{
		"@str(%hostid%)": "42", "%default-route%": "/east/main/", "%default-region%": "east", "%default-cluster%": "main",
		"zone %zone%": "zone east",
	} {
		c, err := ParseConfig([]byte(fmt.Sprintf(`{"route": {"type": "ErrorRoute", "response": %q}}`, text)), "f", env)
		require.NoError(t, err)
		require.ErrorContains(t, asked(c.Route, get("k")).Err, want)
	}
	env.DefaultRoute = ""
	c, err := ParseConfig([]byte(`{"route": "ErrorRoute|%default-route%"}`), "f", env)
	require.NoError(t, err)
	require.ErrorContains(t, asked(c.Route, get("k")).Err, "/././")
}

// Without a Background in the environment the configuration has its own.
func TestConfigMakesABackground(t *testing.T) {
	env := leafEnv(t)
	env.Background, env.Logger = nil, nil
	c := loaded(t, "fan-out.json", env)
	require.NotNil(t, c.Background)
	serveAll(c)
	c.Background.Close()

	env = leafEnv(t)
	require.Same(t, env.Background, loaded(t, "fan-out.json", env).Background)
}

func TestConfigErrorRoute(t *testing.T) {
	for text, want := range map[string]struct {
		text string
		kind Failure
	}{
		`"ErrorRoute"`:                                       {"refused by configuration", FailOther},
		`"ErrorRoute|down for repair"`:                       {"down for repair", FailOther},
		`{"type": "ErrorRoute", "response": "busy now"}`:     {"busy now", FailOther},
		`{"type": "ErrorRoute", "result": "mc_res_timeout"}`: {"no answer within the timeout", FailTimeout},
		`{"type": "ErrorRoute", "result": "mc_res_remote_error", "response": "in repair"}`: {"in repair", FailServer},
	} {
		c, err := ParseConfig([]byte(`{"route": `+text+`}`), "f", leafEnv(t))
		require.NoError(t, err)
		op := asked(c.Route, get("k"))
		require.ErrorContains(t, op.Err, want.text)
		require.Equal(t, want.kind, FailureOf(op.Err), text)
	}
}

// Handles without children answer as mcrouter's do: macros leave lists empty.
func TestConfigWithoutChildren(t *testing.T) {
	for _, kind := range []string{
		"AllSyncRoute", "AllAsyncRoute", "AllFastestRoute", "AllInitialRoute", "AllMajorityRoute", "FailoverRoute",
		"MissFailoverRoute", "LatestRoute", "RandomRoute", "HostIdRoute", "LoadBalancerRoute", "HashRoute",
	} {
		c, err := ParseConfig([]byte(fmt.Sprintf(`{"route": {"type": %q, "children": []}}`, kind)), "f", leafEnv(t))
		require.NoError(t, err, kind)
		require.Len(t, c.Warnings, 1)
		require.Contains(t, c.Warnings[0].String(), "f:1:20: "+kind+" has no children")
		op := asked(c.Route, store(protocol.Set, "k", "v"))
		require.Equal(t, protocol.NotStored, status(t, op))
	}
}

// A single child is itself.
func TestConfigWithASingleChild(t *testing.T) {
	for _, kind := range []string{
		"AllSyncRoute", "AllFastestRoute", "AllInitialRoute", "AllMajorityRoute", "FailoverRoute", "MissFailoverRoute",
		"HostIdRoute", "HashRoute",
	} {
		env, leaves := configEnv(t)
		c, err := ParseConfig([]byte(fmt.Sprintf(`{"pools": {"A": {"servers": ["a:1"]}}, "route": %q}`, kind+"|PoolRoute|A")), "f", env)
		require.NoError(t, err, kind)
		require.Same(t, leaves["a:1"], c.Route)
	}
}

// Whatever is accepted can be explained and served.
func FuzzParseConfig(f *testing.F) {
	for _, name := range configFiles(f) {
		f.Add(readConfig(f, name))
	}
	f.Add([]byte(`{"route": {"type": "KeySplitRoute", "destination": "NullRoute", "replicas": 1000, "all_sync": true}}`))
	f.Add([]byte(withPool(`{"type": "FailoverRoute", "children": ["PoolRoute|A", "Pool|A", "Pool|A"], "failover_policy": {"type": "RendezvousPolicy", "tags": ["a", "b", "c", "d"]}}`)))
	f.Add([]byte(`{"named_handles": [{"name": ""}], "route": ""}`)) // no "type"
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data, "fuzz", leafEnv(t))
		if err != nil {
			var placed *ConfigError
			require.True(t, errors.As(err, &placed), "%T %v", err, err)
			return
		}
		if len(data) > 1<<13 {
			return // a tree of that many routes takes its time
		}
		_, err = json.Marshal(Explain(c.Route, get("user:42")))
		require.NoError(t, err)
		explained(c, []string{"user:42", "/a/b/c"})
		serveAll(c)
	})
}
