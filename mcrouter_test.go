package memcache_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// origin is the configuration that this library began with.
const origin = `{ "pools": { "A": { "servers": [ "192.168.100.33:30213", "192.168.100.14:30213", "192.168.100.15:30213" ] } },
  "route": { "type": "OperationSelectorRoute",
    "operation_policies": { "add": "AllSyncRoute|Pool|A", "delete": "AllSyncRoute|Pool|A", "get": "FailoverRoute|Pool|A", "set": "AllSyncRoute|Pool|A" } } }`

// writeConfig writes a file as a mounted ConfigMap changes: another file takes its place.
func writeConfig(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o644))
	require.NoError(t, os.Rename(path+".new", path))
}

// originFor is the origin's configuration over these servers, in this order.
func originFor(servers cluster, order ...int) string {
	listed := []string{"192.168.100.33:30213", "192.168.100.14:30213", "192.168.100.15:30213"}
	text := origin
	for i, at := range order {
		text = strings.Replace(text, listed[i], servers[at].addr(), 1)
	}
	return text
}

// A team loads the file it has, unchanged, and its reads stay local, its writes reach all, and a dead node stops neither.
func TestOriginsConfiguration(t *testing.T) {
	withEachKind(t, 3, func(t *testing.T, servers cluster) {
		var hosts []*memcache.Client
		for host := range servers {
			path := filepath.Join(t.TempDir(), "mcrouter.json")
			order := []int{host, (host + 1) % 3, (host + 2) % 3}
			writeConfig(t, path, originFor(servers, order...))
			hosts = append(hosts, newClient(t, memcache.WithMcrouterConfig(path), memcache.WithTimeout(longTimeout)))
		}
		ctx := t.Context()
		require.NoError(t, hosts[0].Set(ctx, item("k", "v")))
		require.Len(t, servers.holders(t, "k"), 3)
		for host, c := range hosts {
			gets := counter(t, servers[host], "cmd_get")
			it, err := c.Get(ctx, "k")
			require.NoError(t, err)
			require.Equal(t, "v", string(it.Value))
			require.Greater(t, counter(t, servers[host], "cmd_get"), gets, "its own node answers")
		}
		require.NoError(t, hosts[1].Add(ctx, item("lock", "1")))
		require.ErrorIs(t, hosts[2].Add(ctx, item("lock", "2")), memcache.ErrNotStored)
		for _, c := range hosts {
			it, err := c.Get(ctx, "lock")
			require.NoError(t, err)
			require.Equal(t, "1", string(it.Value))
		}
		_, err := hosts[0].Increment(ctx, "k", 1)
		var none *route.NoPolicyError
		require.ErrorAs(t, err, &none)
		require.Equal(t, "incr", none.Operation)

		servers[0].kill()
		it, err := hosts[0].Get(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, "v", string(it.Value))
		require.NoError(t, hosts[1].Set(ctx, item("k", "new")), "a dead node does not make the cache read-only")
		it, err = hosts[0].Get(ctx, "k")
		require.NoError(t, err)
		require.Equal(t, "new", string(it.Value))
		require.NoError(t, hosts[2].Delete(ctx, "k"))
	})
}

func TestWithMcrouterConfigRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mcrouter.json")
	writeConfig(t, path, origin)
	with := func(o memcache.Option) error {
		c, err := memcache.New(memcache.WithMcrouterConfig(path), o)
		if err == nil {
			c.Close()
		}
		return err
	}
	for name, o := range map[string]memcache.Option{
		"servers": memcache.WithServers("10.0.0.1"), "zone": memcache.WithZone("a", "10.0.0.1"), "preset": memcache.WithReplicated(),
		"rule": memcache.WithRule("k", "10.0.0.1"), "local": memcache.WithLocal("10.0.0.1"), "nearest": memcache.WithNearest(),
	} {
		require.ErrorIs(t, with(o), memcache.ErrBadOption, name)
	}
	for name, o := range map[string]memcache.Option{
		"prefix": memcache.WithMcrouterRoutePrefix("/a/b/"), "params": memcache.WithMcrouterParams(map[string]any{"a": 1}),
		"no params": memcache.WithMcrouterParams(nil),
	} {
		_, err := memcache.New(memcache.WithServers("10.0.0.1"), o)
		require.ErrorIs(t, err, memcache.ErrBadOption, name)
	}
	require.NoError(t, with(memcache.WithMcrouterParams(nil)))
	require.ErrorIs(t, with(memcache.WithMcrouterRoutePrefix("")), memcache.ErrBadOption)
	require.ErrorIs(t, with(memcache.WithMcrouterRoutePrefix("/a")), route.ErrRoutingPrefix)
	_, err := memcache.New(memcache.WithMcrouterConfig(""))
	require.ErrorIs(t, err, memcache.ErrBadOption)
	_, err = memcache.New(memcache.WithMcrouterConfig(path + ".none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, err, memcache.ErrBadOption)
	writeConfig(t, path, "{\n\"route\": \"PoolRoute|A\"}")
	_, err = memcache.New(memcache.WithMcrouterConfig(path))
	var placed *route.ConfigError
	require.ErrorAs(t, err, &placed)
	require.ErrorIs(t, err, memcache.ErrBadOption)
	require.Equal(t, []any{path, 2, 10}, []any{placed.File, placed.Line, placed.Column})
	require.Contains(t, err.Error(), `there is no pool "A"`)
}

// What mcrouter is told on its command line is told by options.
func TestMcrouterArguments(t *testing.T) {
	east, west := memcachetest.NewServer(), memcachetest.NewServer()
	defer east.Close()
	defer west.Close()
	path := filepath.Join(t.TempDir(), "mcrouter.json")
	writeConfig(t, path, `{
	  "pools": {"E": {"servers": ["%east%"]}, "W": {"servers": ["%west%"]}},
	  "routes": {"/east/one/": "PoolRoute|E", "/west/%cluster%/": "PoolRoute|W"}
	}`)
	params := map[string]any{"east": east.Addr(), "west": west.Addr(), "cluster": "one"}
	c := newClient(t, memcache.WithMcrouterConfig(path), memcache.WithMcrouterParams(params),
		memcache.WithMcrouterRoutePrefix("/west/one/"), memcache.WithTimeout(longTimeout))
	params["east"] = "elsewhere" // the client has a copy
	require.NoError(t, c.Set(t.Context(), item("a", "without a prefix")))
	require.Equal(t, []int{0, 1}, []int{east.Stats().CurrItems, west.Stats().CurrItems})
	require.NoError(t, c.Set(t.Context(), item("/east/one/b", "with one")))
	require.Equal(t, []int{1, 1}, []int{east.Stats().CurrItems, west.Stats().CurrItems})
	require.Empty(t, c.McrouterConfig().Warnings)
}

// A good new version is applied, a bad one refused, and what stays keeps its connections.
func TestMcrouterConfigIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var servers []*memcachetest.Server
		for range 3 {
			s := memcachetest.NewServer(memcachetest.WithPipe())
			defer s.Close()
			servers = append(servers, s)
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "mcrouter.json")
		writeConfig(t, path, `{"pools": "@import(pools.json)", "route": "AllSyncRoute|Pool|A", "colour": 1}`)
		pools := func(n int) {
			text := `{"A": {"servers": [`
			for i, s := range servers[:n] {
				if i > 0 {
					text += ", "
				}
				text += `"` + s.Addr() + `"`
			}
			writeConfig(t, filepath.Join(dir, "pools.json"), text+"]}}")
		}
		pools(2)
		var logged bytes.Buffer
		c, err := memcache.New(memcache.WithMcrouterConfig(path), memcache.WithDialer(memcachetest.Dialer(servers...)),
			memcache.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
		require.NoError(t, err)
		defer c.Close()
		state := c.McrouterConfig()
		require.Equal(t, path, state.Path)
		require.Len(t, state.Warnings, 1)
		require.NoError(t, state.Refused)
		require.Contains(t, logged.String(), "colour")
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		dials := c.Stats().Nodes[0].Dials

		pools(3) // only what is imported has changed
		pass := func() {
			time.Sleep(1500 * time.Millisecond) // of the bubble's clock
			synctest.Wait()
		}
		pass()
		require.True(t, c.McrouterConfig().Applied.After(state.Applied))
		require.NoError(t, c.Set(t.Context(), item("k", "v")))
		require.Equal(t, 1, servers[2].Stats().CurrItems)
		require.Equal(t, dials, c.Stats().Nodes[0].Dials, "the same connection")

		good := c.McrouterConfig()
		writeConfig(t, path, `{"pools": "@import(pools.json)", "route": "AllSyncRoute|Pool|B"}`)
		pass()
		var placed *route.ConfigError
		require.ErrorAs(t, c.McrouterConfig().Refused, &placed)
		require.Contains(t, logged.String(), "refused")
		require.Equal(t, good.Applied, c.McrouterConfig().Applied)
		require.NoError(t, c.Set(t.Context(), item("k2", "v")), "the last one stays")

		require.NoError(t, os.Remove(path))
		pass()
		require.ErrorIs(t, c.McrouterConfig().Refused, os.ErrNotExist)
		writeConfig(t, path, `{"pools": "@import(pools.json)", "route": "PoolRoute|A"}`)
		pass()
		require.NoError(t, c.McrouterConfig().Refused)
		e, err := c.Explain("k")
		require.NoError(t, err)
		require.Equal(t, "hash", e.Read.Route)
	})
}

// The configuration file that mcrouter was run with.
func ExampleWithMcrouterConfig() {
	node := memcachetest.NewServer()
	defer node.Close()
	dir, err := os.MkdirTemp("", "mcrouter")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "mcrouter.json")
	text := `{
	  "pools": {"A": {"servers": ["` + node.Addr() + `"]}},
	  "route": "PoolRoute|A"
	}`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}

	client, err := memcache.New(memcache.WithMcrouterConfig(path))
	if err != nil {
		log.Fatal(err) // with file, line, column and reason
	}
	defer client.Close()
	fmt.Println(client.Set(context.Background(), &memcache.Item{Key: "greeting", Value: []byte("hello")}))
	// Output: <nil>
}
