package memcacheprom_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache"
	memcacheprom "github.com/nohop/memcache/contrib/prometheus"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
)

// scene is a client with a registry that sees it.
type scene struct {
	*testing.T
	client   *memcache.Client
	nodes    []*memcachetest.Server
	registry *prometheus.Registry
}

func newScene(t *testing.T, nodes int, opts ...memcache.Option) *scene {
	s := &scene{T: t, registry: prometheus.NewPedanticRegistry()}
	for range nodes {
		node := memcachetest.NewServer()
		t.Cleanup(node.Close)
		s.nodes = append(s.nodes, node)
		opts = append(opts, memcache.WithServers(node.Addr()))
	}
	observer := memcacheprom.NewObserver()
	client, err := memcache.New(append([]memcache.Option{memcache.WithTimeout(5 * time.Second), memcache.WithObserver(observer)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	s.client = client
	s.registry.MustRegister(observer, memcacheprom.NewCollector(client))
	return s
}

// sum returns the sum of a metric over all series with these labels, given as name and value in turn. Of a histogram it is
// the count.
func (s *scene) sum(name string, labels ...string) (total float64) {
	families, err := s.registry.Gather()
	require.NoError(s, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && hasLabels(m, labels) {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return total
}

func hasLabels(m *dto.Metric, labels []string) bool {
	found := 0
	for _, l := range m.GetLabel() {
		for i := 0; i < len(labels); i += 2 {
			if l.GetName() == labels[i] && l.GetValue() == labels[i+1] {
				found++
			}
		}
	}
	return found == len(labels)/2
}

// TestWhatCallsComeTo: counts of calls, keys, reads and hits, by operation and by node.
func TestWhatCallsComeTo(t *testing.T) {
	s := newScene(t, 2)
	for i := range 10 {
		require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: fmt.Sprint("key-", i), Value: []byte("v")}))
	}
	_, err := s.client.GetMulti(t.Context(), []string{"key-1", "key-2", "none"})
	require.NoError(t, err)
	_, err = s.client.Get(t.Context(), "none")
	require.ErrorIs(t, err, memcache.ErrCacheMiss)

	require.Equal(t, 10.0, s.sum("memcache_calls_total", "operation", "set", "outcome", "ok"))
	require.Equal(t, 2.0, s.sum("memcache_calls_total", "operation", "get", "outcome", "ok"))
	require.Equal(t, 4.0, s.sum("memcache_call_keys_total", "operation", "get"))
	require.Equal(t, 2.0, s.sum("memcache_call_duration_seconds", "operation", "get"))
	require.Equal(t, 4.0, s.sum("memcache_node_reads_total"))
	require.Equal(t, 2.0, s.sum("memcache_node_hits_total"))
	require.Equal(t, 14.0, s.sum("memcache_node_requests_total"))
	require.Equal(t, 14.0, s.sum("memcache_node_latency_seconds"))
	require.Equal(t, 2.0, s.sum("memcache_node_state", "state", "up"))
	require.Equal(t, 2.0, s.sum("memcache_nodes"))
	require.Positive(t, s.sum("memcache_node_sent_bytes_total", "node", s.nodes[0].Addr()))
}

// TestADeadNode shows as failovers, events and another state, and its errors as an outcome.
func TestADeadNode(t *testing.T) {
	s := newScene(t, 2, memcache.WithReplicated())
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "k"}))
	s.nodes[0].Kill()
	s.nodes[1].Kill()
	_, err := s.client.Get(t.Context(), "k")
	require.Error(t, err)
	require.Equal(t, 1.0, s.sum("memcache_calls_total", "operation", "get", "outcome", memcache.ErrorClass(err)))
	require.Equal(t, 1.0, s.sum("memcache_node_failovers_total"))
	require.Eventually(t, func() bool { return s.sum("memcache_events_total", "kind", "node_lost") >= 2 }, 10*time.Second, time.Millisecond)
	require.Zero(t, s.sum("memcache_node_state", "state", "up"))
}

// TestEveryErrorHasAnOutcome, whatever its class.
func TestEveryErrorHasAnOutcome(t *testing.T) {
	s := newScene(t, 1, memcache.WithKeyRules(hotkey.Rule{Prefix: "bad:", Action: hotkey.Action{Kind: hotkey.Deny}}))
	_, err := s.client.Get(t.Context(), "bad:1")
	require.ErrorIs(t, err, memcache.ErrDenied)
	require.Equal(t, 1.0, s.sum("memcache_calls_total", "operation", "get", "outcome", "denied"))
	require.Equal(t, 1.0, s.sum("memcache_denied_total"))

	observer, registry := memcacheprom.NewObserver(), prometheus.NewRegistry()
	registry.MustRegister(observer)
	for i, err := range []error{nil, memcache.ErrCacheMiss, memcache.ErrNotStored, memcache.ErrPartialWrite, memcache.ErrNodeDown, io.EOF} {
		observer.End(t.Context(), memcache.Call{Command: protocol.Set, Keys: 1}, memcache.Result{Err: err})
		require.Equal(t, float64(i+1), (&scene{T: t, registry: registry}).sum("memcache_calls_total", "operation", "set"))
	}
	observer.End(t.Context(), memcache.Call{Command: protocol.Set, Keys: 1}, memcache.Result{Err: memcache.ErrClosed})
	require.Equal(t, 1.0, (&scene{T: t, registry: registry}).sum("memcache_calls_total", "outcome", "closed"))
}

// TestAnEjectedNode is to be seen as one, and so are those that are not.
func TestAnEjectedNode(t *testing.T) {
	s := newScene(t, 2, memcache.WithReplicated())
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "k"}))
	require.Zero(t, s.sum("memcache_node_ejected"))
	require.Zero(t, s.sum("memcache_node_slow"))
	require.Positive(t, s.sum("memcache_node_recent_latency_seconds"))
	s.nodes[0].Kill()
	require.Eventually(t, func() bool {
		_ = s.client.Set(t.Context(), &memcache.Item{Key: "k"})
		return s.sum("memcache_node_ejected", "node", s.nodes[0].Addr()) == 1
	}, 10*time.Second, time.Millisecond)
	require.Zero(t, s.sum("memcache_node_ejected", "node", s.nodes[1].Addr()))
	require.Equal(t, 2.0, s.sum("memcache_node_state"), "one state for each node")
}

// TestCopiesAndVerifiedSets are those of Client.Stats.
func TestCopiesAndVerifiedSets(t *testing.T) {
	s := newScene(t, 2, memcache.WithReplicated(), memcache.WithPropagation(time.Second), memcache.WithTimeout(200*time.Millisecond),
		memcache.WithKeyRules(hotkey.Rule{Key: "hot", Action: hotkey.Action{Kind: hotkey.Keep}}))
	require.Eventually(t, func() bool { // nothing is stored before the nodes have joined, D and some seconds
		_ = s.client.Set(t.Context(), &memcache.Item{Key: "hot", Value: make([]byte, 1000)})
		_, _ = s.client.Get(t.Context(), "hot")
		return s.sum("memcache_copies_kept_reads_total") > 0 && s.sum("memcache_verified_sets_total") > 0
	}, 20*time.Second, 20*time.Millisecond)
	require.Equal(t, 1.0, s.sum("memcache_copies_keys"))
	require.Greater(t, s.sum("memcache_copies_bytes"), 1000.0)
	require.GreaterOrEqual(t, s.sum("memcache_copies_saved_bytes_total"), 1000.0)
	require.Positive(t, s.sum("memcache_copies_checks_total"))
	require.Zero(t, s.sum("memcache_verified_split_sets_total"))
}

// TestNamesAreAsPrometheusWantsThem, and the buckets of latencies hold all of them.
func TestNamesAreAsPrometheusWantsThem(t *testing.T) {
	s := newScene(t, 1)
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "k"}))
	problems, err := testutil.GatherAndLint(s.registry)
	require.NoError(t, err)
	require.Empty(t, problems)
	families, err := s.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != "memcache_node_latency_seconds" {
			continue
		}
		h := f.GetMetric()[0].GetHistogram()
		require.Len(t, h.GetBucket(), 19)
		require.InDelta(t, 33e-6, h.GetBucket()[0].GetUpperBound(), 1e-6)
		require.InDelta(t, 8.6, h.GetBucket()[18].GetUpperBound(), 0.1)
		require.Equal(t, h.GetSampleCount(), h.GetBucket()[18].GetCumulativeCount())
		return
	}
	t.Fatal("no latencies")
}

// TestTheDashboardLoads: it is what Grafana takes, and asks for nothing that there is not.
func TestTheDashboardLoads(t *testing.T) {
	data, err := os.ReadFile("dashboard.json")
	require.NoError(t, err)
	var dashboard struct {
		Title         string
		SchemaVersion int
		UID           string
		Panels        []struct {
			ID      int
			Type    string
			Title   string
			GridPos struct{ H, W, X, Y int }
			Targets []struct{ Expr, RefID string }
		}
	}
	require.NoError(t, json.Unmarshal(data, &dashboard))
	require.NotEmpty(t, dashboard.Title)
	require.NotEmpty(t, dashboard.UID)
	require.GreaterOrEqual(t, dashboard.SchemaVersion, 36)
	s := newScene(t, 1)
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "k"}))
	s.nodes[0].Kill()
	_, _ = s.client.Get(t.Context(), "k")
	require.Eventually(t, func() bool { return s.sum("memcache_events_total") > 0 }, 10*time.Second, time.Millisecond)
	known := s.names()
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		require.False(t, ids[p.ID], "panel %d twice", p.ID)
		ids[p.ID] = true
		require.NotEmpty(t, p.Title)
		require.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		require.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			names := regexp.MustCompile(`memcache_\w+`).FindAllString(target.Expr, -1)
			require.NotEmpty(t, names, p.Title)
			for _, name := range names {
				require.Contains(t, known, strings.TrimSuffix(name, "_bucket"), p.Title)
			}
		}
	}
	require.GreaterOrEqual(t, len(ids), 8)
}

func (s *scene) names() (list []string) {
	families, err := s.registry.Gather()
	require.NoError(s, err)
	for _, f := range families {
		list = append(list, f.GetName())
	}
	return list
}

// TestNoKeyIsEverALabel: what an application calls its keys is its own.
func TestNoKeyIsEverALabel(t *testing.T) {
	s := newScene(t, 1)
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "secret-7"}))
	page := httptest.NewRecorder()
	promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, page.Code)
	require.Contains(t, page.Body.String(), "memcache_calls_total")
	require.NotContains(t, page.Body.String(), "secret")
}

// BenchmarkObserver is what a call costs more with the observer.
func BenchmarkObserver(b *testing.B) {
	o := memcacheprom.NewObserver()
	call := memcache.Call{Command: protocol.Get, Key: "k", Keys: 1}
	b.ReportAllocs()
	for b.Loop() {
		ctx := o.Start(b.Context(), call)
		o.End(ctx, call, memcache.Result{Hits: 1})
	}
}

// An append to what may be compressed compares, too, and is an append.
func TestOnlySetsAreCompareAndSwap(t *testing.T) {
	s := newScene(t, 1, memcache.WithCompression(memcache.Deflate{}, 64))
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "k", Value: []byte("v")}))
	require.NoError(t, s.client.Append(t.Context(), &memcache.Item{Key: "k", Value: []byte("w")}))
	require.Equal(t, 1.0, s.sum("memcache_call_keys_total", "operation", "append"))
	require.Zero(t, s.sum("memcache_call_keys_total", "operation", "compare-and-swap"))
	it, err := s.client.Get(t.Context(), "k")
	require.NoError(t, err)
	require.NoError(t, s.client.CompareAndSwap(t.Context(), it))
	require.Equal(t, 1.0, s.sum("memcache_call_keys_total", "operation", "compare-and-swap"))
}

// An observer measures only calls that it has seen start.
func TestTwoObservers(t *testing.T) {
	one, other := memcacheprom.NewObserver(), memcacheprom.NewObserver()
	call := memcache.Call{Command: protocol.Get, Keys: 1}
	ctx := other.Start(one.Start(t.Context(), call), call)
	one.End(ctx, call, memcache.Result{})
	durations := func(o *memcacheprom.Observer, ctx context.Context) float64 {
		s := &scene{T: t, registry: prometheus.NewPedanticRegistry()}
		s.registry.MustRegister(o)
		o.End(ctx, call, memcache.Result{})
		return s.sum("memcache_call_duration_seconds")
	}
	require.Equal(t, 2.0, durations(one, ctx))
	require.Zero(t, durations(memcacheprom.NewObserver(), ctx))
}
