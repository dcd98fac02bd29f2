package inspect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/inspect"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/rulestore"
	"github.com/stretchr/testify/require"
)

// scene is a client of two nodes and its pages.
type scene struct {
	*testing.T
	client *memcache.Client
	nodes  []*memcachetest.Server
	url    string
}

func newScene(t *testing.T, opts ...inspect.Option) *scene { return newSceneOf(t, nil, opts...) }

func newSceneOf(t *testing.T, clientOpts []memcache.Option, opts ...inspect.Option) *scene {
	s := &scene{T: t}
	var addrs []string
	for range 2 {
		node := memcachetest.NewServer()
		t.Cleanup(node.Close)
		s.nodes, addrs = append(s.nodes, node), append(addrs, node.Addr())
	}
	client, err := memcache.New(append(clientOpts, memcache.WithServers(addrs...), memcache.WithReplicated(), memcache.WithTimeout(5*time.Second))...)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	s.client = client
	mux := http.NewServeMux()
	mux.Handle("/debug/memcache/", http.StripPrefix("/debug/memcache", inspect.Handler(client, opts...)))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = server.URL + "/debug/memcache/"
	return s
}

// get returns the answer to a path, and decodes it into v if v is not nil.
func (s *scene) get(path string, v any) (status int, body string, header http.Header) {
	response, err := http.Get(s.url + path)
	require.NoError(s, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(s, err)
	if v != nil {
		require.NoError(s, json.Unmarshal(data, v), "%s", data)
	}
	return response.StatusCode, string(data), response.Header
}

// TestState tells of nodes what has been asked of them, and of events the newest first.
func TestState(t *testing.T) {
	s := newScene(t)
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "k", Value: []byte("v")}))
	_, err := s.client.Get(t.Context(), "k")
	require.NoError(t, err)
	var state inspect.State
	status, _, _ := s.get("state.json", &state)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "replicated", state.Kind)
	require.Len(t, state.Nodes, 2)
	var hits, counted int64
	for _, n := range state.Nodes {
		require.Equal(t, "up", n.State)
		require.Equal(t, 1, n.Connections)
		require.False(t, n.Ejected || n.Slow)
		require.Equal(t, "serving", n.Step)
		hits += int64(n.Hits)
		for _, bucket := range n.Latency {
			counted += bucket[1]
		}
	}
	require.Equal(t, int64(1), hits)
	require.Equal(t, int64(3), counted)
	require.Nil(t, state.Discovery, "the nodes are fixed")
	require.Equal(t, string(memcache.NodeDialed), state.Events[0].Kind)

	s.nodes[0].Kill()
	require.Eventually(t, func() bool {
		_, _ = s.client.Get(t.Context(), "k")
		_ = s.client.Ping(t.Context())
		s.get("state.json", &state)
		return slices.ContainsFunc(state.Nodes, func(n inspect.Node) bool { return n.State == "down" && n.Ejected })
	}, 10*time.Second, 10*time.Millisecond)
}

// TestKeysAreHiddenUnlessAskedFor: their hashes tell them apart.
func TestKeysAreHiddenUnlessAskedFor(t *testing.T) {
	for _, shown := range []bool{false, true} {
		var opts []inspect.Option
		if shown {
			opts = append(opts, inspect.WithKeys())
		}
		s := newScene(t, opts...)
		require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "secret", Value: make([]byte, 100<<10)}))
		var report hotkey.Report
		require.Eventually(t, func() bool {
			_, _ = s.client.Get(t.Context(), "secret")
			s.get("keys.json?n=5", &report)
			return len(report.Keys) > 0
		}, 10*time.Second, time.Millisecond)
		require.Equal(t, shown, report.Keys[0].Key == "secret")
		require.NotEmpty(t, report.Keys[0].ID)
		for _, path := range []string{"", "state.json", "page.js"} {
			_, body, _ := s.get(path, nil)
			require.NotContains(t, body, "secret")
		}
	}
}

// TestRulesThatApply are told with what they do, and with their keys if these are shown.
func TestRulesThatApply(t *testing.T) {
	own := []memcache.Option{memcache.WithKeyRules(
		hotkey.Rule{Key: "secret", Action: hotkey.Action{Kind: hotkey.Keep, Staleness: time.Second}},
		hotkey.Rule{Key: "secret\xff", Action: hotkey.Action{Kind: hotkey.None}},
		hotkey.Rule{Prefix: "secrets:", Action: hotkey.Action{Kind: hotkey.Deny}},
	)}
	for _, shown := range []bool{false, true} {
		var opts []inspect.Option
		if shown {
			opts = append(opts, inspect.WithKeys())
		}
		s := newSceneOf(t, own, opts...)
		var rules inspect.Rules
		status, body, _ := s.get("rules.json", &rules)
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, 3, rules.Total)
		require.Nil(t, rules.Store)
		found := map[string]inspect.Rule{}
		for _, rule := range rules.Rules {
			require.Len(t, rule.ID, 16)
			require.Equal(t, "explicit", rule.Origin)
			found[rule.Of+" "+rule.Do] = rule
		}
		require.Len(t, found, 3)
		require.Contains(t, found, "key keep 1s")
		require.Contains(t, found, "prefix deny")
		require.Nil(t, found["key none"].Expires)
		require.Equal(t, shown, strings.Contains(body, "secret"))
		if shown {
			require.Equal(t, "secrets:", found["prefix deny"].Key)
			require.Equal(t, "secret\xff", string(found["key none"].KeyBase64))
		}
		s.get("rules.json?n=1", &rules)
		require.Len(t, rules.Rules, 1)
		require.Equal(t, 3, rules.Total)
	}
}

// TestHistoryOfViewsAndRules: what there was when, the newest first, and no key with it.
func TestHistoryOfViewsAndRules(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rules.json")
	write := func(text string) {
		require.NoError(t, os.WriteFile(path+".new", []byte(text), 0o600))
		require.NoError(t, os.Rename(path+".new", path))
	}
	write(`{"epoch": 1, "rules": [{"prefix": "secret:", "do": "deny"}]}`)
	s := newSceneOf(t, []memcache.Option{memcache.WithRuleStore(&rulestore.File{Path: path})})
	var state inspect.State
	past := func(kinds ...memcache.EventKind) func() bool {
		return func() bool {
			state = inspect.State{}
			s.get("state.json", &state)
			var seen []memcache.EventKind
			for _, event := range state.Rules {
				seen = append(seen, memcache.EventKind(event.Kind))
			}
			return slices.Equal(kinds, slices.Compact(seen))
		}
	}
	require.Eventually(t, past(memcache.RulesChanged), 10*time.Second, time.Millisecond)
	require.Equal(t, 1, state.Rules[0].Rules)
	require.Len(t, state.Views, 1)
	require.Equal(t, string(memcache.ViewChanged), state.Views[0].Kind)
	require.Equal(t, 2, state.Views[0].Nodes)

	write(`{"epoch": 2, "rules": [{"key": "secret:1", "do": "dance"}]}`)
	require.Eventually(t, past(memcache.RulesRefused, memcache.RulesChanged), 10*time.Second, time.Millisecond)
	require.NotEmpty(t, state.Rules[0].Error)
	var rules inspect.Rules
	_, body, _ := s.get("rules.json", &rules)
	require.Equal(t, uint64(1), rules.Epoch, "the last good rules stay")
	require.Positive(t, rules.Store.Failures)
	require.NotEmpty(t, rules.Store.Error)
	_, all, _ := s.get("state.json", nil)
	require.NotContains(t, body+all, "secret")
}

func TestExplain(t *testing.T) {
	s := newScene(t)
	var answer struct{ Home, Text string }
	status, _, _ := s.get("explain.json?key=user:7", &answer)
	require.Equal(t, http.StatusOK, status)
	want, err := s.client.Explain("user:7")
	require.NoError(t, err)
	require.Equal(t, want.Home, answer.Home)
	require.Equal(t, want.String(), answer.Text)

	var failed struct{ Error string }
	status, _, _ = s.get("explain.json?key=two+words", &failed)
	require.Equal(t, http.StatusBadRequest, status)
	require.NotEmpty(t, failed.Error)
}

// TestThePageIsReadOnlyAndKeepsToItself: no other method, no other origin, no framing, no path besides.
func TestThePageIsReadOnlyAndKeepsToItself(t *testing.T) {
	s := newScene(t)
	for _, path := range []string{"", "page.js", "page.css", "state.json", "keys.json", "rules.json", "explain.json?key=k"} {
		status, body, header := s.get(path, nil)
		require.Equal(t, http.StatusOK, status, path)
		require.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'", path)
		require.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-store", header.Get("Cache-Control"), path)
		require.NotContains(t, strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), "http://", path)
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
			request, err := http.NewRequest(method, s.url+path, nil)
			require.NoError(t, err)
			response, err := http.DefaultClient.Do(request)
			require.NoError(t, err)
			response.Body.Close()
			require.Equal(t, http.StatusMethodNotAllowed, response.StatusCode, "%s %s", method, path)
		}
	}
	for _, path := range []string{"other", "page/page.js", "..%2f..%2fetc/passwd", "keys.json?n=0", "keys.json?n=x", "keys.json?n=100000", "rules.json?n=0"} {
		status, _, _ := s.get(path, nil)
		require.Contains(t, []int{http.StatusNotFound, http.StatusBadRequest}, status, path)
	}
}

// TestAClosedClient has a page that says so.
func TestAClosedClient(t *testing.T) {
	s := newScene(t)
	s.client.Close()
	var state inspect.State
	status, _, _ := s.get("state.json", &state)
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, state.Nodes)
}

// ExampleHandler puts the page beside those of an application's own.
func ExampleHandler() {
	node := memcachetest.NewServer()
	defer node.Close()
	client, err := memcache.New(memcache.WithServers(node.Addr()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	mux := http.NewServeMux()
	mux.Handle("/debug/memcache/", http.StripPrefix("/debug/memcache", inspect.Handler(client)))
	response := httptest.NewRecorder()
	mux.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/debug/memcache/explain.json?key=k", nil))
	fmt.Println(response.Code)
	// Output: 200
}

// What JSON cannot say is an error, and not an answer without a body.
func TestAnAnswerThatCannotBeEncoded(t *testing.T) {
	node := memcachetest.NewServer()
	t.Cleanup(node.Close)
	table, err := hotkey.NewTable(hotkey.Header{Epoch: 1}, []hotkey.Rule{{
		Key: "secret", Action: hotkey.Action{Kind: hotkey.Deny}, Expires: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC),
	}})
	require.NoError(t, err)
	c, err := memcache.New(memcache.WithServers(node.Addr()), memcache.WithRuleStore(fixedRules{table}))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.Eventually(t, func() bool { return c.Rules().Len() == 1 }, 5*time.Second, time.Millisecond)
	w := httptest.NewRecorder()
	inspect.Handler(c).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/rules.json", nil))
	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.Contains(t, w.Body.String(), `"error":`)
	require.NotContains(t, w.Body.String(), "secret")
}

// fixedRules is a store whose table never changes.
type fixedRules struct{ table *hotkey.Table }

func (s fixedRules) Load(context.Context) (*hotkey.Table, error) { return s.table, nil }

func (s fixedRules) Publish(context.Context, hotkey.Header, *hotkey.Table) error {
	return rulestore.ErrConflict
}

func (s fixedRules) Interval() time.Duration { return time.Second }
