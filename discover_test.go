package memcache_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/discovery"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/route"
	"github.com/stretchr/testify/require"
)

// byHand is a source whose answers a test gives.
type byHand struct {
	first []discovery.Node
	next  chan answer
	used  chan struct{}
}

type answer struct {
	nodes []discovery.Node
	err   error
}

func newByHand(first ...discovery.Node) *byHand {
	return &byHand{first, make(chan answer), make(chan struct{})}
}

func (b *byHand) Nodes(context.Context) ([]discovery.Node, error) {
	return nil, errors.New("this source is watched")
}

func (b *byHand) Watch(ctx context.Context, yield func([]discovery.Node, error)) error {
	yield(b.first, nil)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-b.next:
			yield(a.nodes, a.err)
			b.used <- struct{}{}
		}
	}
}

// say gives an answer and returns when the client has seen it.
func (b *byHand) say(err error, nodes ...discovery.Node) {
	b.next <- answer{nodes, err}
	<-b.used
}

func stateOf(c *memcache.Client) (list []string) {
	for _, n := range c.Stats().Nodes {
		list = append(list, fmt.Sprintf("%s at %s: %v, %d dials", n.Name, n.Addr, n.State, n.Dials))
	}
	return list
}

// What stands for a node keeps its spelling from then on, so that equal nodes have equal names.
func TestServersInEveryForm(t *testing.T) {
	for given, name := range map[string]string{
		"10.0.0.1": "10.0.0.1:11211", "10.0.0.1:80": "10.0.0.1:80", "node": "node:11211", "node:080": "node:80",
		"::1": "[::1]:11211", "[::1]": "[::1]:11211", "[0:0::1]:80": "[::1]:80", "fe80::1%eth0": "[fe80::1%eth0]:11211",
		"/run/memcached.sock": "/run/memcached.sock", "./a+b.sock": "./a+b.sock",
		"unix:/run/memcached.sock": "/run/memcached.sock", "unix:///run/a+b.sock": "/run/a+b.sock",
	} {
		c := newClient(t, memcache.WithServers(given))
		require.Equal(t, name, c.Stats().Nodes[0].Name)
		require.Equal(t, name, c.Stats().Nodes[0].Addr)
		require.Zero(t, c.Stats().Discovery, "nothing to discover")
	}
	for _, bad := range []string{
		"", ":", ":80", "node:", "node:0", "node:65536", "node:http", "::1:99999", "[::1", "[node]:80", "a b", "a\r\nb:80", "a\x00:80",
		"http://node:80", "node/path", "unix://node/path", "unix:path", "dns+", "dns+:80", "dns+/run/sock", "dnssrv+", "file+",
		"elasticache+", "consul+a",
	} {
		_, err := memcache.New(memcache.WithServers(bad))
		require.ErrorIs(t, err, memcache.ErrBadOption, "%q", bad)
		require.ErrorIs(t, err, discovery.ErrBadSpec, "%q", bad)
		require.ErrorContains(t, err, "is none of host:port, host, [v6]:port, /path, unix:/path, dns+host:port")
	}
}

func TestWithDiscoveryRefuses(t *testing.T) {
	_, err := memcache.New(memcache.WithDiscovery(nil))
	require.ErrorIs(t, err, memcache.ErrBadOption)
	_, err = memcache.New(memcache.WithDiscovery(discovery.Static{}))
	require.ErrorIs(t, err, memcache.ErrNoServers)
	for name, list := range map[string]discovery.Static{
		"bad address":   {{Addr: "a:0"}},
		"bad weight":    {{Addr: "a", Weight: -1}},
		"one name":      {{Name: "n", Addr: "a"}, {Name: "n", Addr: "b"}},
		"one address":   {{Name: "n", Addr: "a"}, {Name: "m", Addr: "a"}},
		"of the server": {{Name: "n", Addr: "c"}},
	} {
		_, err := memcache.New(memcache.WithServers("c"), memcache.WithDiscovery(list))
		require.ErrorIs(t, err, memcache.ErrBadOption, name)
		_, ok := errors.AsType[*discovery.NodeError](err)
		require.True(t, ok, name)
	}
	src := newByHand(discovery.Node{Addr: "10.0.0.1"})
	for _, bad := range [][]string{{""}, {"a b"}, {"a", "a:11211"}, {"x\n"}} {
		_, err := memcache.New(memcache.WithDiscovery(src), memcache.WithRule("k", bad...))
		require.ErrorIs(t, err, memcache.ErrBadOption, bad)
	}
}

// TestARuleThatWaitsForItsNodesIsTold: where a node may yet be found, a rule that names it is no error, but an event, once for
// each set of nodes that are not there.
func TestARuleThatWaitsForItsNodesIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := discovery.Node{Name: "pod-0", Addr: "10.0.0.1"}, discovery.Node{Name: "pod-1", Addr: "10.0.0.2"}
		src, log := newByHand(one), &bytes.Buffer{}
		c := newClient(t, memcache.WithDiscovery(src), memcache.WithPropagation(0), pinned("pod-1"),
			memcache.WithRule("k", "pod-0", "pod-2"), memcache.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
		refused := func() (texts []string) {
			for _, e := range c.Events() {
				if e.Kind == memcache.RulesRefused {
					texts = append(texts, e.Err.Error())
				}
			}
			return texts
		}
		want := []string{"memcache: rules do not apply without nodes pod-1, pod-2"}
		require.Equal(t, want, refused())
		require.Contains(t, log.String(), `nodes="pod-1, pod-2"`)
		require.NotContains(t, log.String(), "secret")
		src.say(nil, one, discovery.Node{Name: "pod-3", Addr: "10.0.0.4"})
		require.Equal(t, want, refused(), "as before")
		src.say(nil, one, two, discovery.Node{Name: "pod-2", Addr: "10.0.0.3"})
		require.Equal(t, want, refused(), "all are there")
		src.say(nil, one, two)
		require.Equal(t, append(want, "memcache: rules do not apply without nodes pod-2"), refused())
	})
}

// A node is known by its name: at another address it keeps its keys, and the others keep theirs and their connections.
func TestANodeThatMovesKeepsItsKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, dialer := podNetwork(t, "10.0.0.1", "10.0.0.2", "10.0.0.3")
		for _, s := range servers {
			defer s.Close()
		}
		stays, moves := discovery.Node{Name: "pod-0", Addr: "10.0.0.1"}, discovery.Node{Name: "pod-1", Addr: "10.0.0.2"}
		src := newByHand(stays, moves)
		c, err := memcache.New(memcache.WithDiscovery(src), dialer, memcache.WithRule("ruled", "pod-1"), memcache.WithPropagation(0))
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.Ping(t.Context()))
		home := func(key string) string {
			e, err := c.Explain(key)
			require.NoError(t, err)
			return e.Home
		}
		before := map[string]string{}
		for _, k := range manyKeys(100) {
			before[k] = home(k)
		}
		require.Equal(t, "pod-1", home("ruled"))

		moves.Addr = "10.0.0.3"
		src.say(nil, moves, stays)
		for k, want := range before {
			require.Equal(t, want, home(k))
		}
		require.NoError(t, c.Set(t.Context(), item("ruled", "v")))
		require.Equal(t, 1, servers["10.0.0.3"].Stats().CurrItems)
		require.Equal(t, []string{"pod-0 at 10.0.0.1:11211: up, 1 dials", "pod-1 at 10.0.0.3:11211: up, 1 dials"}, stateOf(c))
		time.Sleep(time.Second)
		require.Zero(t, servers["10.0.0.2"].Stats().CurrConnections)
	})
}

// Zones and weights are what the source says.
func TestZonesAndWeightsOfDiscoveredNodes(t *testing.T) {
	node := func(name, zone string, weight float64) discovery.Node {
		return discovery.Node{Name: name, Addr: name + ".svc", Zone: zone, Weight: weight}
	}
	src := newByHand(node("a0", "a", 3), node("a1", "a", 1), node("b0", "b", 0), node("none", "", 0))
	c := newClient(t, memcache.WithDiscovery(src), memcache.WithZoned(), memcache.WithLocal("b"))
	counts := map[string]int{}
	const keys = 4000
	for _, k := range manyKeys(keys) {
		e, err := c.Explain(k)
		require.NoError(t, err)
		require.Len(t, e.Replicas, 3, "one in each zone")
		require.Equal(t, "b0", e.Replicas[0].Node, "the own zone's is read first")
		for _, r := range e.Replicas {
			counts[r.Node]++
		}
	}
	require.Equal(t, keys, counts["b0"])
	require.Equal(t, keys, counts["none"], "nodes without a zone are one of their own")
	require.Equal(t, keys, counts["a0"]+counts["a1"])
	require.InDelta(t, 0.75, float64(counts["a0"])/keys, 0.03)

	// Where every node holds every key the own zone is near as well.
	flat := newClient(t, memcache.WithDiscovery(src2(src)), memcache.WithReplicated(), memcache.WithLocal("a1"))
	e, err := flat.Explain("k")
	require.NoError(t, err)
	require.Equal(t, "a1", e.Replicas[0].Node)
	byZone := newClient(t, memcache.WithDiscovery(src2(src)), memcache.WithReplicated(), memcache.WithLocal("b"))
	e, err = byZone.Explain("k")
	require.NoError(t, err)
	require.Equal(t, "b0", e.Replicas[0].Node)
}

// src2 is another source with the same first answer.
func src2(b *byHand) *byHand { return newByHand(b.first...) }

// Servers may be given as a file, whose nodes have names, zones and weights.
func TestServersFromAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nodes")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write("10.0.0.1 name=x zone=a\n10.0.0.2 name=y zone=b\n")
	c := newClient(t, memcache.WithServers("file+"+path), memcache.WithZoned(), memcache.WithLocal("b"),
		memcache.WithResolver(&fakeDNS{}, time.Millisecond), memcache.WithPropagation(0))
	require.Equal(t, []string{"x at 10.0.0.1:11211: idle, 0 dials", "y at 10.0.0.2:11211: idle, 0 dials"}, stateOf(c))
	e, err := c.Explain("k")
	require.NoError(t, err)
	require.Equal(t, "y", e.Replicas[0].Node)
	write("10.0.0.1 name=x zone=a\n10.0.0.3 name=y zone=b\n10.0.0.4 name=z zone=b\n")
	require.Eventually(t, func() bool { return len(c.Stats().Nodes) == 3 }, longTimeout, time.Millisecond)
}

// silent is a source that never answers.
type silent struct{}

func (silent) Nodes(ctx context.Context) ([]discovery.Node, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// mute is a watched one.
type mute struct{ silent }

func (mute) Watch(ctx context.Context, _ func([]discovery.Node, error)) error {
	<-ctx.Done()
	return ctx.Err()
}

// New waits for a source's first word, and not for ever.
func TestNewWaitsForTheFirstAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			src   discovery.Source
			waits time.Duration
			nodes int
		}{
			"answers":                 {newByHand(discovery.Node{Addr: "10.0.0.1"}), 0, 1},
			"fails":                   {discovery.DNS{Host: "cache", Resolver: &fakeDNS{err: errors.New("refused")}}, 0, 0},
			"knows of none":           {discovery.DNS{Host: "cache", Resolver: &fakeDNS{}}, 0, 0},
			"silent":                  {silent{}, 6 * time.Second, 0},
			"watched and silent":      {mute{}, 7 * time.Second, 0},
			"silent beside one known": {discovery.Merge(silent{}, discovery.StaticAddrs("10.0.0.1")), 6 * time.Second, 1},
		} {
			start := time.Now()
			client, err := memcache.New(memcache.WithDiscovery(c.src))
			require.NoError(t, err, name)
			require.Equal(t, c.waits, time.Since(start), name)
			require.Len(t, client.Stats().Nodes, c.nodes, name)
			if c.nodes == 0 {
				require.ErrorIs(t, client.Ping(t.Context()), memcache.ErrNoServers, name)
			}
			require.NoError(t, client.Close(), name)
		}
	})
}

// Trouble leaves the last view in force; it is told, ever less often, and to be seen in Stats.
func TestTroubleOfTheSourceIsToldAndChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		log := slog.New(slog.NewTextHandler(&lines, nil))
		told := func() []string {
			defer lines.Reset()
			return strings.Split(strings.TrimSpace(lines.String()), "\n")
		}
		a, b := discovery.Node{Addr: "10.0.0.1"}, discovery.Node{Addr: "10.0.0.2"}
		src := newByHand(a, b)
		c, err := memcache.New(memcache.WithDiscovery(src), memcache.WithLogger(log), memcache.WithLocal("10.0.0.2"),
			memcache.WithPropagation(0))
		require.NoError(t, err)
		defer c.Close()
		require.Equal(t, 2, c.Stats().Discovery.Nodes)
		require.Equal(t, time.Now(), c.Stats().Discovery.LastGood)
		require.Contains(t, told()[0], "nodes=2 local=10.0.0.2:11211 localBy=WithLocal")

		good := time.Now()
		trouble := errors.New("connection refused")
		for range 8 {
			time.Sleep(time.Second)
			src.say(trouble)
		}
		src.say(nil)
		src.say(nil, a, discovery.Node{Name: "other", Addr: "10.0.0.1"})
		status := c.Stats().Discovery
		require.Len(t, c.Stats().Nodes, 2, "the last good list")
		require.Equal(t, 10, status.Failures)
		require.Equal(t, good, status.LastGood)
		require.Equal(t, 8*time.Second, status.Age)
		require.ErrorIs(t, status.LastErr, discovery.ErrDuplicateAddr)
		text := told()
		require.Len(t, text, 4, "of the failures 1, 2, 4 and 8")
		require.Contains(t, text[3], `level=WARN msg="memcache: discovery failed; the last list stays" error="connection refused" failures=8 nodes=2 age=8s`)

		src.say(nil, a)
		require.Len(t, c.Stats().Nodes, 1)
		require.Zero(t, c.Stats().Discovery.Age)
		text = told()
		require.Len(t, text, 2)
		require.Contains(t, text[0], "the view has changed\" nodes=1 local=\"\"")
		require.Contains(t, text[1], "answers again")
	})
}

// A list that no view can be made of leaves the last one in force, and is told.
func TestAViewThatCannotBeMadeIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		src := newByHand(discovery.Node{Addr: "10.0.0.1"})
		c, err := memcache.New(memcache.WithDiscovery(src), memcache.WithLogger(slog.New(slog.NewTextHandler(&lines, nil))),
			memcache.WithRoute(func(n memcache.Nodes) (route.Route, error) {
				if len(n.Members) > 1 {
					return nil, errors.New("too many")
				}
				return n.Members[0].Route, nil
			}))
		require.NoError(t, err)
		defer c.Close()
		src.say(nil, discovery.Node{Addr: "10.0.0.1"}, discovery.Node{Addr: "10.0.0.2"})
		require.Len(t, c.Stats().Nodes, 1)
		require.Contains(t, lines.String(), `level=ERROR msg="memcache: no view can be made of the nodes there are now; the last one stays" error="too many"`)
	})
}

// Nodes of a source beside nodes that are given: both count.
func TestDiscoveryBesideServers(t *testing.T) {
	src := newByHand(discovery.Node{Name: "pod", Addr: "10.0.0.1"})
	c := newClient(t, memcache.WithServers("10.0.0.2"), memcache.WithDiscovery(src), memcache.WithRule("k", "10.0.0.2", "pod"))
	require.Equal(t, []string{"10.0.0.2:11211 at 10.0.0.2:11211: idle, 0 dials", "pod at 10.0.0.1:11211: idle, 0 dials"}, stateOf(c))
	e, err := c.Explain("k")
	require.NoError(t, err)
	require.Equal(t, "10.0.0.2:11211", e.Home)
	require.Len(t, e.Replicas, 2)
}

// Several sources, and no node that is given: all is well while all of them answer.
func TestSeveralSources(t *testing.T) {
	c := newClient(t, memcache.WithDiscovery(newByHand(discovery.Node{Addr: "10.0.0.1"})),
		memcache.WithDiscovery(newByHand(discovery.Node{Addr: "10.0.0.2"})))
	require.Len(t, c.Stats().Nodes, 2)
	require.Zero(t, c.Stats().Discovery.Failures)
	require.NoError(t, c.Stats().Discovery.LastErr)
}

// Nodes come and go at run time, here from a list in the program; most clients have a source that asks DNS, a file or
// Kubernetes.
func ExampleWithDiscovery() {
	a, b := memcachetest.NewServer(), memcachetest.NewServer()
	defer a.Close()
	defer b.Close()
	list := discovery.Static{
		{Name: "cache-0", Addr: a.Addr(), Zone: "eu-1a"},
		{Name: "cache-1", Addr: b.Addr(), Zone: "eu-1b"},
	}
	client, err := memcache.New(
		memcache.WithDiscovery(list),
		memcache.WithZoned(),        // every zone holds every key
		memcache.WithLocal("eu-1b"), // this one is read first
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	e, err := client.Explain("user:42")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range e.Replicas {
		fmt.Println(r.Node)
	}
	fmt.Println("local:", e.Local, "by", e.LocalBy)
	// Output:
	// cache-1
	// cache-0
	// local: eu-1b by WithLocal
}
