package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/nohop/memcache/discovery"
	"github.com/stretchr/testify/require"
)

// nodesOf returns what a Follower would hand on of these slices.
func nodesOf(t *testing.T, cfg Config, objects ...string) ([]discovery.Node, error) {
	t.Helper()
	var items []endpointSlice
	for i, object := range objects {
		var item endpointSlice
		require.NoError(t, json.Unmarshal([]byte(object), &item), object)
		item.Metadata.Name = fmt.Sprint("s", i)
		items = append(items, item)
	}
	set, err := newSliceSet("1", items)
	require.NoError(t, err)
	nodes, err := set.nodes(cfg)
	if err != nil {
		require.Empty(t, nodes)
		return nil, err
	}
	return discovery.Validate(nodes, 100)
}

func slice(family, ports string, endpoints ...string) string {
	list := "["
	for i, e := range endpoints {
		if i > 0 {
			list += ","
		}
		list += e
	}
	return fmt.Sprintf(`{"addressType":%q,"ports":%s,"endpoints":%s]}`, family, ports, list)
}

// at is an endpoint with conditions as they stand in JSON.
func at(pod, ip, node, conditions string) string {
	return fmt.Sprintf(`{"addresses":[%q],"nodeName":%q,"conditions":{%s},"targetRef":{"kind":"Pod","name":%q},"zone":"z","hostname":null,"hints":{}}`,
		ip, node, conditions, pod)
}

const onePort = `[{"name":"","protocol":"TCP","port":11300}]`

func TestPorts(t *testing.T) {
	const two = `[{"name":"memcached","port":11211},{"name":"metrics","protocol":"TCP","port":9150},{"name":"memcached","protocol":"UDP","port":11299}]`
	p := at("p", "10.0.0.1", "n", "")
	for _, row := range []struct {
		want, ports, result string
	}{
		{"", onePort, "10.0.0.1:11300"},
		{"", `[]`, "10.0.0.1:11211"},
		{"", `null`, "10.0.0.1:11211"},
		{"", `[{"protocol":"UDP","port":1},{"protocol":"TCP","port":2}]`, "10.0.0.1:2"},
		{"", two, ""},
		{"", `[{"protocol":"UDP","port":1}]`, ""},
		{"", `[{"port":null}]`, ""},
		{"memcached", two, "10.0.0.1:11211"},
		{"metrics", two, "10.0.0.1:9150"},
		{"other", two, ""},
		{"memcached", `[]`, ""},
		{"11222", two, "10.0.0.1:11222"},
		{"11222", `[]`, "10.0.0.1:11222"},
	} {
		nodes, err := nodesOf(t, Config{Port: row.want}, slice("IPv4", row.ports, p))
		if row.result == "" {
			require.ErrorIs(t, err, ErrNoPort, "%+v", row)
			continue
		}
		require.NoError(t, err, "%+v", row)
		require.Equal(t, row.result, nodes[0].Addr, "%+v", row)
	}
}

// Slices of pods that have no port of the name are passed over.
func TestPortOfSomeSlices(t *testing.T) {
	cfg := Config{Port: "memcached"}
	has := slice("IPv4", `[{"name":"memcached","port":1}]`, at("a", "10.0.0.1", "n", ""))
	other := slice("IPv4", `[{"name":"memcached","port":2}]`, at("b", "10.0.0.2", "n", ""))
	without := slice("IPv4", `[]`, at("c", "10.0.0.3", "n", ""))
	nodes, err := nodesOf(t, cfg, without, has, other)
	require.NoError(t, err)
	require.Equal(t, []string{"a@10.0.0.1:1/z", "b@10.0.0.2:2/z"}, summary(nodes))
}

func TestConditions(t *testing.T) {
	all := slice("IPv4", onePort,
		at("unknown", "10.0.0.1", "n", ``),
		at("null", "10.0.0.2", "n", `"ready":null,"serving":null,"terminating":null`),
		at("ready", "10.0.0.3", "n", `"ready":true,"serving":true,"terminating":false`),
		at("starting", "10.0.0.4", "n", `"ready":false,"serving":false,"terminating":false`),
		at("ending", "10.0.0.5", "n", `"ready":false,"serving":true,"terminating":true`),
		at("ended", "10.0.0.6", "n", `"ready":false,"serving":false,"terminating":true`),
		at("unready", "10.0.0.7", "n", `"ready":false`),
	)
	for include, want := range map[Include][]string{
		Ready:   {"null", "ready", "unknown"},
		Serving: {"ending", "null", "ready", "unknown"},
		All:     {"ended", "ending", "null", "ready", "starting", "unknown", "unready"},
	} {
		nodes, err := nodesOf(t, Config{Include: include}, all)
		require.NoError(t, err)
		var got []string
		for _, n := range nodes {
			got = append(got, n.Name)
			require.Equal(t, !slices.Contains([]string{"null", "ready", "unknown"}, n.Name), n.Meta["ready"] == "false", n.Name)
			require.Equal(t, slices.Contains([]string{"ending", "ended"}, n.Name), n.Meta["terminating"] == "true", n.Name)
			require.Equal(t, n.Name, n.Meta["pod"])
			require.Equal(t, "n", n.Meta["node"])
		}
		require.Equal(t, want, got)
	}
}

func TestIdentities(t *testing.T) {
	const noPod = `{"addresses":["10.0.0.8"],"hostname":"cache-8"}`
	const bare = `{"addresses":["10.0.0.9"],"targetRef":{"kind":"Machine","name":"m"}}`
	all := slice("IPv4", onePort, at("p", "10.0.0.1", "n1", ""), noPod, bare)
	nodes, err := nodesOf(t, Config{}, all)
	require.NoError(t, err)
	require.Equal(t, []string{"10.0.0.9:11300@10.0.0.9:11300/", "cache-8@10.0.0.8:11300/", "p@10.0.0.1:11300/z"}, summary(nodes))
	_, err = nodesOf(t, Config{Identity: ByNode}, all)
	require.ErrorIs(t, err, ErrNoNodeName)
	_, err = nodesOf(t, Config{}, slice("IPv4", onePort, `{"addresses":[]}`))
	require.ErrorIs(t, err, ErrNoAddresses)
}

// A DaemonSet's new pod stands beside the old one for a while: the node is where the ready one is.
func TestOnePodForANode(t *testing.T) {
	const ready, starting, ending = `"ready":true`, `"ready":false`, `"ready":false,"serving":true,"terminating":true`
	for _, row := range []struct{ first, second, want string }{
		{ready, starting, "10.0.0.1"},
		{starting, ready, "10.0.0.2"},
		{ending, starting, "10.0.0.1"},
		{`"ready":true,"terminating":true`, ready, "10.0.0.2"}, // a service that publishes addresses that are not ready
	} {
		nodes, err := nodesOf(t, Config{Identity: ByNode, Include: All},
			slice("IPv4", onePort, at("p1", "10.0.0.1", "n", row.first)), slice("IPv4", onePort, at("p2", "10.0.0.2", "n", row.second)))
		require.NoError(t, err)
		require.Equal(t, []string{"n@" + row.want + ":11300/z"}, summary(nodes))
	}
	_, err := nodesOf(t, Config{Identity: ByNode},
		slice("IPv4", onePort, at("p1", "10.0.0.1", "n", ready), at("p2", "10.0.0.2", "n", ready)))
	require.ErrorIs(t, err, discovery.ErrDuplicateName, "two ready ones cannot be one node")
}

// A dual-stack pod is in a slice for each kind of address, and is one node.
func TestDualStack(t *testing.T) {
	four, six := slice("IPv4", onePort, at("p", "10.0.0.1", "n", "")), slice("IPv6", onePort, at("p", "2001:db8::1", "n", ""))
	for _, objects := range [][]string{{four, six}, {six, four}, {four, six, four}} {
		nodes, err := nodesOf(t, Config{}, objects...)
		require.NoError(t, err)
		require.Equal(t, []string{"p@10.0.0.1:11300/z"}, summary(nodes))
	}
	nodes, err := nodesOf(t, Config{}, slice("IPv4", onePort, at("p", "10.0.0.1", "n", `"terminating":true`)), six)
	require.NoError(t, err)
	require.Equal(t, []string{"p@[2001:db8::1]:11300/z"}, summary(nodes), "what stays counts before the kind of address")
	nodes, err = nodesOf(t, Config{}, six)
	require.NoError(t, err)
	require.Equal(t, []string{"p@[2001:db8::1]:11300/z"}, summary(nodes))
}

// Whatever an event holds, it is applied whole or refused, and what comes of it is valid or an error.
func FuzzEvents(f *testing.F) {
	for _, seed := range []string{
		`{"metadata":{"name":"x","resourceVersion":"2"},"addressType":"IPv4","ports":[{"port":1}],"endpoints":[{"addresses":["10.0.0.1"]}]}`,
		`{"metadata":{"resourceVersion":"3"}}`, `{"code":410}`, `{"endpoints":[{"addresses":null}]}`, `7`, ``,
	} {
		for _, kind := range []string{"ADDED", "DELETED", "BOOKMARK", "ERROR", "X"} {
			f.Add(kind, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, kind string, object []byte) {
		set, err := newSliceSet("1", nil)
		require.NoError(t, err)
		if err := set.apply(event{kind, object}); err != nil {
			require.Equal(t, "1", set.version)
			require.Empty(t, set.slices)
			return
		}
		require.NotEmpty(t, set.version)
		for _, identity := range []Identity{ByPod, ByNode} {
			nodes, err := set.nodes(Config{Identity: identity, Include: All})
			require.False(t, err != nil && nodes != nil)
		}
	})
}
