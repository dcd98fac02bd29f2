package route

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nohop/memcache/internal/realnode"
	"github.com/nohop/memcache/pool"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
)

// scenarios are what configurations do, a line for each step:
//
//	set k v = ok       an operation and its answer: ok, miss, not stored, a value, or a part of an error in quotes
//	at addr k = v      what the server of that address has
//	kill addr
//	wait               until all is done that was in the background
var scenarios = map[string]string{
	"pool.json": `
		set user:1 v = ok
		get user:1 = v
		at 10.0.0.1:11211 user:1 = v
		at 10.0.0.2:11211 user:1 = miss
		incr user:1 = "CLIENT_ERROR"
		delete user:1 = ok
		get user:1 = miss`,
	"origin.json": `
		set k v = ok
		at 192.168.100.14:30213 k = v
		at 192.168.100.15:30213 k = v
		get k = v
		incr k = "no policy"
		delete k = ok
		get k = miss
		add k w = ok
		add k x = not stored
		get k = w
		kill 192.168.100.33:30213
		set l v = "acknowledged by 2 of 3"
		get l = v`,
	"replicated-pools.json": `
		add user:1 5 = ok
		get user:1 = 5
		incr user:1 = 6
		get user:1 = 6
		at 10.0.1.1:11211 user:1 = 6
		at 10.0.0.1:11211 user:1 = miss
		set user:1 v = ok
		at 10.0.0.1:11211 user:1 = v`,
	"fan-out.json": `
		set k v = ok
		wait
		at 10.0.0.2:11211 k = v
		at 10.0.0.3:11211 k = v
		kill 10.0.0.3:11211
		get k = v
		gat k = v
		touch k = miss
		delete k = "acknowledged by 2 of 3"
		get k = miss`,
	"failover-errors.json": `
		set k v = ok
		at 10.0.1.1:11211 k = miss
		kill 10.0.0.1:11211
		get k = miss
		delete k = "10.0.0.1"
		delete k = "10.0.0.1"`,
	"least-failures.json": `
		set k v = ok
		kill 10.0.0.1:11211
		get k = miss
		get k = miss`,
	"deterministic.json": `
		set k v = ok
		get k = v
		kill 10.0.0.1:11211
		kill 10.0.0.2:11211
		set a v = ok
		get a = v
		set b v = ok
		get b = v`,
	"rendezvous-failover.json": `
		kill 10.0.0.1:11211
		kill 10.0.0.3:11211
		set a v = ok
		set b v = ok
		set c v = ok
		at 10.0.0.2:11211 a = v
		at 10.0.0.2:11211 b = v
		at 10.0.0.2:11211 c = v`,
	"salted-failover.json": `
		set k v = ok
		get k = v
		kill 10.0.0.1:11211
		set a v = ok
		set b v = ok
		set c v = ok
		get a = v
		get b = v
		get c = v`,
	"gutter.json": `
		kill 10.0.0.1:11211
		kill 10.0.0.2:11211
		set k v = ok
		get k = v
		at 10.0.9.1:11211 k = v`,
	"miss-failover.json": `
		put 10.0.1.1:11211 k far
		get k = far
		delete k = ok
		get k = miss`,
	"choices.json": `
		set latest:1 v = ok
		get latest:1 = v
		set host:1 v = ok
		get host:1 = v
		at 10.0.0.2:11211 host:1 = v
		set random:1 v = ok`,
	"key-split.json": `
		set hot:1 v = ok
		get hot:1 = v
		get hot:1::3 = v
		delete hot:1 = ok
		get hot:1::3 = miss
		set warm:1 v = ok
		get warm:1 = v
		incr hot:2 = miss`,
	"key-parse.json": `
		set user:9:a v = ok
		set user:9:b v = ok
		at 10.0.0.2:11211 user:9:a = v
		at 10.0.0.2:11211 user:9:b = v`,
	"operations.json": `
		set k v = ok
		put 10.0.1.1:11211 k w
		delete k = ok
		at 10.0.1.1:11211 k = miss
		incr k = "no counters here"`,
	"routing-groups.json": `
		set k 1 = ok
		get k = 1
		incr k = "no policy for \"incr\""
		touch k = "no policy for \"touch\""
		delete k = ok`,
	"prefixes.json": `
		set ac v = ok
		set abc w = ok
		at 10.0.0.1:11211 ac = v
		at 10.0.1.1:11211 abc = w
		set user:1 v = not stored
		get other = "no route for the prefix"`,
	"routes.json": `
		set k v = ok
		set /west/main/k w = ok
		at 10.0.0.1:11211 k = v
		at 10.0.1.1:11211 k = w
		get /east/old/k = v
		delete /*/*/k = ok
		wait
		at 10.0.1.1:11211 k = miss
		set /west/main/a v = not stored
		get /no/where/k = "no route"`,
	"warm-up.json": `
		put 10.0.1.1:11211 k old
		get k = old
		wait
		at 10.0.0.1:11211 k = old
		delete k = ok
		get k = miss`,
	"migrate.json": `
		put 10.0.0.1:11211 k old
		get k = miss
		set k v = ok
		get k = v`,
	"staging.json": `
		set k v = ok
		wait
		at 10.0.1.1:11211 k = v
		delete k = ok
		at 10.0.1.1:11211 k = miss`,
	"l1-l2.json": `
		put 10.0.0.1:11211 b far
		put 10.0.0.2:11211 b far
		get b = far
		wait
		at localhost:11211 b = far
		get absent = miss
		wait
		at localhost:11211 absent = ncache
		get absent = miss`,
	"size-split.json": `
		set k v = ok
		at 10.0.1.1:11211 k = miss
		set big ` + big + ` = ok
		at 10.0.1.1:11211 big = ` + big + `
		get big = ` + big,
	"shadow.json": `
		put 10.0.0.1:11211 user:1 v
		put 10.0.9.1:11211 user:1 v
		delete user:1 = ok
		wait
		at 10.0.9.1:11211 user:1 = miss`,
	"modify.json": `
		set k v = ok
		get k = v
		get guest:k = v
		set old:1 w = ok
		get old:1 = w`,
	"sinks.json": `
		get k = miss
		set k v = not stored
		add k v = "refused by configuration"
		delete k = "come back later"
		incr k = miss`,
	"diagnosis.json": `
		set k v = ok
		get k = v`,
	"named-list.json": `
		set user:1 v = ok
		kill 10.0.0.1:11211
		get user:1 = miss`,
	"named-object.json": `
		add k v = ok
		get k = v
		set k w = ok
		at 10.0.1.1:11211 k = w`,
	"macros.json": `
		set user:1 v = ok
		get user:1 = v
		at 10.0.0.1:11211 user:1 = v`,
	"two-regions.json": `
		put 10.2.0.1:11211 user:1 west
		set user:1 v = ok
		delete user:1 = ok
		at 10.2.0.1:11211 user:1 = miss`,
	"limits.json": `
		touch k 5 = miss`, // what is limited is a matter of time: see limits_test.go
}

var big = strings.Repeat("x", 1000)

// Configurations do what they say.
func TestConfigScenarios(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(scenarios)) {
		t.Run(name, func(t *testing.T) {
			nodes := newConfigNodes(t)
			env := configEnvOf(t, nodes.node)
			tree := loaded(t, name, env).Route
			for line := range strings.Lines(scenarios[name]) {
				if line = strings.TrimSpace(line); line != "" {
					runStep(t, nodes, env.Background, tree, line)
				}
			}
		})
	}
}

// runStep runs one line of a scenario.
func runStep(t *testing.T, nodes *configNodes, b *Background, tree Route, line string) {
	t.Helper()
	do, want, _ := strings.Cut(line, " = ")
	words := strings.Split(do, " ")
	switch words[0] {
	case "wait":
		b.running.Wait()
	case "kill":
		nodes.servers[words[1]].Kill()
	case "at":
		require.Equal(t, want, cameOf(asked(nodes.direct(words[1]), get(words[2]))), line)
	case "put":
		require.Equal(t, "ok", cameOf(asked(nodes.direct(words[1]), store(protocol.Set, words[2], words[3]))), line)
	default:
		got := cameOf(asked(tree, scenarioOp(t, words)))
		if part, err := strconv.Unquote(want); err == nil {
			require.Contains(t, got, part, line)
		} else {
			require.Equal(t, want, got, line)
		}
	}
}

// direct returns a node of its own for a server.
func (c *configNodes) direct(addr string) Route {
	require.Contains(c.t, c.servers, addr)
	node := pool.NewNode(pool.Config{Addr: c.servers[addr].Addr(), Timeout: testTimeout})
	c.t.Cleanup(func() { node.Close() })
	return node
}

func scenarioOp(t *testing.T, words []string) *Op {
	operation, known := policies[words[0]]
	require.True(t, known, words)
	op := asks(operation, words[1])
	op.Request.Value = nil
	switch {
	case operation == protocol.Get || operation == protocol.GetAndTouch:
		op.Request.Meta = readFlags
	case operation.IsArithmetic():
		op.Request.Delta, op.Request.Meta = 1, protocol.ReturnValue
	case len(words) > 2:
		op.Request.Value = []byte(words[2])
	}
	return op
}

// cameOf says what came of an op.
func cameOf(op *Op) string {
	switch {
	case op.Err != nil:
		return op.Err.Error()
	case op.Reply.Status == protocol.Miss:
		return "miss"
	case op.Reply.Status == protocol.NotStored:
		return "not stored"
	case len(op.Value) > 0:
		return string(op.Value)
	}
	return "ok"
}

// hostsOfTheOrigin are three hosts with the origin's file, each with its own node first, as its generator writes it.
func hostsOfTheOrigin(t *testing.T, node func(Server) (Route, error)) (hosts []Route) {
	servers := []string{`"192.168.100.33:30213"`, `"192.168.100.14:30213"`, `"192.168.100.15:30213"`}
	listed := strings.Join(servers, ", ")
	file := string(readConfig(t, "origin.json"))
	require.Contains(t, file, listed)
	for i, own := range servers {
		others := slices.Delete(slices.Clone(servers), i, i+1)
		config := strings.Replace(file, listed, own+", "+strings.Join(others, ", "), 1)
		c, err := ParseConfig([]byte(config), fmt.Sprint("host ", i), configEnvOf(t, node))
		require.NoError(t, err)
		hosts = append(hosts, c.Route)
	}
	return hosts
}

// Every host finds what another has added, though each reads its own node first, and of adds on all hosts at once one wins.
func TestConfigHostsAgreeOnTheHome(t *testing.T) {
	hosts := hostsOfTheOrigin(t, newConfigNodes(t).node)
	for _, key := range keys(60) {
		for i, host := range hosts {
			k := fmt.Sprint(key, " ", i)
			k = strings.ReplaceAll(k, " ", ":")
			require.Equal(t, "ok", cameOf(asked(host, store(protocol.Add, k, "v"))))
			for _, other := range hosts {
				require.Equal(t, "v", cameOf(asked(other, get(k))))
				require.Equal(t, "not stored", cameOf(asked(other, store(protocol.Add, k, "w"))))
			}
		}
	}
}

// Without read-modify-writes there is nothing to ask the home for: a miss costs one request.
func TestConfigWithoutReadModifyWritesAsksNoHome(t *testing.T) {
	config := strings.Replace(string(readConfig(t, "origin.json")), `"add": "AllSyncRoute|Pool|A", `, "", 1)
	c, err := ParseConfig([]byte(config), "f", leafEnv(t))
	require.NoError(t, err)
	require.NotContains(t, Explain(c.Route, get("k")).String(), "home")

	// Nor where only deletes go to all.
	c, err = ParseConfig([]byte(withPool(`{"type": "OperationSelectorRoute",
		"operation_policies": {"delete": "AllSyncRoute|Pool|A"}, "default_policy": "PoolRoute|A"}`)), "f", leafEnv(t))
	require.NoError(t, err)
	for _, operation := range []protocol.Command{protocol.Get, protocol.Add, protocol.Increment, protocol.Set} {
		require.NotContains(t, Explain(c.Route, asks(operation, "k")).String(), "home")
	}
}

// A read-modify-write has one home even if its own handle would send it elsewhere.
func TestConfigHomeOfOtherHandles(t *testing.T) {
	tree := func(handle string) Route {
		c, err := ParseConfig([]byte(withPool(fmt.Sprintf(`{"type": "OperationSelectorRoute",
			"operation_policies": {"set": "AllSyncRoute|Pool|A"}, "default_policy": %q}`, handle))), "f", configEnvOf(t, newConfigNodes(t).node))
		require.NoError(t, err)
		return c.Route
	}
	for _, handle := range []string{"FailoverRoute|Pool|A", "RandomRoute|Pool|A", "PoolRoute|A", "LatestRoute|Pool|A", "AllFastestRoute|Pool|A"} {
		r := tree(handle)
		for _, k := range keys(10) {
			require.Equal(t, "ok", cameOf(asked(r, store(protocol.Set, k, "1"))))
			require.Equal(t, "2", cameOf(asked(r, scenarioOp(t, []string{"incr", k}))), handle)
			require.Equal(t, "3", cameOf(asked(r, scenarioOp(t, []string{"incr", k}))), handle)
			require.Equal(t, "3", cameOf(asked(r, get(k))), handle)
		}
	}
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
		require.Equal(t, policyName(c), none.Operation)
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

// Reads over children that also decide read-modify-writes ask the home; others do not.
func TestConfigAsksHomeWhereThereIsOne(t *testing.T) {
	const pools = `{"pools": {"A": {"servers": ["a:1", "b:1"]}, "B": {"servers": ["b:1", "a:1"]}}, "route": {"type": "OperationSelectorRoute", "operation_policies": `
	for text, asks := range map[string]bool{
		`{"get": "FailoverRoute|Pool|A", "set": "AllSyncRoute|Pool|A"}}}`:                                                                              false,
		`{"get": "FailoverRoute|Pool|A", "add": "AllSyncRoute|Pool|A"}}}`:                                                                              true,
		`{"get": "FailoverRoute|Pool|A", "incr": "AllSyncRoute|Pool|B"}}}`:                                                                             true,
		`{"get": "FailoverRoute|Pool|A"}, "default_policy": "AllFastestRoute|Pool|A"}}`:                                                                true,
		`{"get": "RandomRoute|Pool|A", "cas": {"type": "AllMajorityRoute", "children": ["Pool|A"]}}}}`:                                                 true,
		`{"get": {"type": "HashRoute", "children": "Pool|A"}, "add": "AllSyncRoute|Pool|A"}}}`:                                                         true,
		`{"get": "FailoverRoute|Pool|A", "set": "w", "add": "w"}}, "named_handles": [{"name": "w", "type": "AllSyncRoute", "children": "Pool|A"}]}`:    true,
		`{"get": "FailoverRoute|Pool|A", "set": "w", "delete": "w"}}, "named_handles": [{"name": "w", "type": "AllSyncRoute", "children": "Pool|A"}]}`: false,
	} {
		env, _ := configEnv(t)
		c, err := ParseConfig([]byte(pools+text), "f", env)
		require.NoError(t, err, text)
		require.Equal(t, asks, strings.Contains(Explain(c.Route, get("k")).String(), "ask home"), text)
	}
}

// Of the keys that mcrouter copies for a fraction of them, these are copied: its own test asserts the list.
func TestConfigShadowFractions(t *testing.T) {
	copied := func(shadow string) (keys []string) {
		c, err := ParseConfig([]byte(withPool(fmt.Sprintf(`{"type": "PoolRoute", "pool": "A", "shadows": [{"target": "NullRoute", %s}]}`, shadow))), "f", leafEnv(t))
		require.NoError(t, err)
		for i := range 100 {
			if key := fmt.Sprint("f", i); strings.Contains(Explain(c.Route, get(key)).String(), "in the background") {
				keys = append(keys, key)
			}
		}
		return keys
	}
	require.Equal(t, strings.Fields("f5 f7 f13 f33 f43 f46 f58 f71 f83 f85 f89 f91 f93"), copied(`"index_range": [0, 2], "key_fraction_range": [0, 0.1]`))
	require.Len(t, copied(`"index_range": [0, 9], "key_fraction_range": [0, 1.0]`), 100)
	require.Empty(t, copied(`"index_range": [0, 2]`))
	require.Empty(t, copied(`"key_fraction_range": [0, 1]`))
	require.Empty(t, copied(`"index_range": [0, 2], "key_fraction_range": [0, 1], "requests_fraction": 0.0`))
	require.Equal(t, []string{"f8"}, copied(`"keys_to_shadow": ["f8"]`))
}
