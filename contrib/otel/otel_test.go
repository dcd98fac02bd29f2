package memcacheotel_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nohop/memcache"
	memcacheotel "github.com/nohop/memcache/contrib/otel"
	"github.com/nohop/memcache/hotkey"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/protocol"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	apimetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// scene is a client whose spans and metrics are kept.
type scene struct {
	*testing.T
	client *memcache.Client
	nodes  []*memcachetest.Server
	spans  *tracetest.SpanRecorder
	tracer trace.Tracer
	reader *metric.ManualReader
	meters *metric.MeterProvider
}

func newScene(t *testing.T, nodes int, opts ...memcacheotel.Option) *scene {
	return newSceneOf(t, nodes, nil, opts...)
}

func newSceneOf(t *testing.T, nodes int, clientOpts []memcache.Option, opts ...memcacheotel.Option) *scene {
	s := &scene{T: t, spans: tracetest.NewSpanRecorder(), reader: metric.NewManualReader()}
	s.meters = metric.NewMeterProvider(metric.WithReader(s.reader))
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans))
	s.tracer = tracers.Tracer("test")
	telemetry, err := memcacheotel.New(append(opts, memcacheotel.WithTracerProvider(tracers), memcacheotel.WithMeterProvider(s.meters))...)
	require.NoError(t, err)
	clientOpts = append(clientOpts, memcache.WithReplicated(), memcache.WithObserver(telemetry), memcache.WithTimeout(5*time.Second))
	for range nodes {
		node := memcachetest.NewServer()
		t.Cleanup(node.Close)
		s.nodes = append(s.nodes, node)
		clientOpts = append(clientOpts, memcache.WithServers(node.Addr()))
	}
	s.client, err = memcache.New(clientOpts...)
	require.NoError(t, err)
	t.Cleanup(func() { s.client.Close() })
	return s
}

// last returns the span that ended last and its attributes.
func (s *scene) last() (sdktrace.ReadOnlySpan, map[string]any) {
	ended := s.spans.Ended()
	require.NotEmpty(s, ended)
	span := ended[len(ended)-1]
	attrs := map[string]any{}
	for _, a := range span.Attributes() {
		attrs[string(a.Key)] = a.Value.AsInterface()
	}
	return span, attrs
}

// TestASpanIsOneCall, a child of the caller's span, with what conventions ask for.
func TestASpanIsOneCall(t *testing.T) {
	s := newScene(t, 1, memcacheotel.WithNamespace("sessions"))
	ctx, parent := s.tracer.Start(t.Context(), "request")
	require.NoError(t, s.client.Set(ctx, &memcache.Item{Key: "secret", Value: []byte("v")}))
	_, err := s.client.Get(ctx, "secret")
	require.NoError(t, err)
	span, attrs := s.last()
	host, port := "127.0.0.1", s.port(0)
	require.Equal(t, "get "+s.nodes[0].Addr(), span.Name())
	require.Equal(t, trace.SpanKindClient, span.SpanKind())
	require.Equal(t, parent.SpanContext().SpanID(), span.Parent().SpanID())
	require.Equal(t, map[string]any{
		"db.system.name": "memcached", "db.operation.name": "get", "db.namespace": "sessions",
		"server.address": host, "server.port": port,
	}, attrs)
	require.Len(t, s.spans.Ended(), 2)

	_, err = s.client.Get(ctx, "nothing")
	require.ErrorIs(t, err, memcache.ErrCacheMiss)
	_, attrs = s.last()
	require.Equal(t, int64(1), attrs["memcache.misses"])
	require.NotContains(t, attrs, "memcache.hits")

	_, err = s.client.GetMulti(ctx, []string{"secret", "a", "b"})
	require.NoError(t, err)
	span, attrs = s.last()
	require.Equal(t, "BATCH get", span.Name())
	require.Equal(t, "BATCH get", attrs["db.operation.name"])
	require.Equal(t, int64(3), attrs["db.operation.batch.size"])
	require.Equal(t, int64(2), attrs["memcache.misses"])
	require.Equal(t, codes.Unset, span.Status().Code, "a miss is no error")
	require.NotContains(t, fmt.Sprint(attrs, span.Name()), "secret")
}

func (s *scene) port(i int) int64 {
	var port int64
	_, err := fmt.Sscanf(s.nodes[i].Addr(), "127.0.0.1:%d", &port)
	require.NoError(s, err)
	return port
}

func TestKeysAreSaidOnRequest(t *testing.T) {
	s := newScene(t, 1, memcacheotel.WithKeys())
	_, _ = s.client.Get(t.Context(), "k")
	_, attrs := s.last()
	require.Equal(t, "k", attrs["memcache.key"])
}

// TestAFailedCall says of what kind; one that another replica has served says so and is none.
func TestAFailedCall(t *testing.T) {
	s := newScene(t, 2)
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "k"}))
	explained, err := s.client.Explain("k")
	require.NoError(t, err)
	first := 0
	if s.nodes[1].Addr() == explained.Replicas[0].Node {
		first = 1
	}
	s.nodes[first].Kill()
	_, err = s.client.Get(t.Context(), "k")
	require.NoError(t, err)
	span, attrs := s.last()
	require.Equal(t, int64(1), attrs["memcache.failovers"])
	require.Equal(t, s.port(1-first), attrs["server.port"])
	require.Equal(t, codes.Unset, span.Status().Code)

	s.nodes[1-first].Kill()
	_, err = s.client.Get(t.Context(), "k")
	require.Error(t, err)
	span, attrs = s.last()
	require.Equal(t, memcache.ErrorClass(err), attrs["error.type"])
	require.Equal(t, codes.Error, span.Status().Code)
}

// TestMetrics: durations with buckets that suit a cache, and counters of keys and events.
func TestMetrics(t *testing.T) {
	s := newScene(t, 1)
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "k", Value: []byte("v")}))
	_, err := s.client.GetMulti(t.Context(), []string{"k", "a", "b"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.sum("memcache.client.events") >= 2 }, 10*time.Second, time.Millisecond)
	require.Equal(t, int64(1), s.sum("memcache.client.hits"))
	require.Equal(t, int64(2), s.sum("memcache.client.misses"))
	require.Zero(t, s.sum("memcache.client.failovers"))
	h, ok := s.metric("db.client.operation.duration").Data.(metricdata.Histogram[float64])
	require.True(t, ok)
	require.Equal(t, "s", s.metric("db.client.operation.duration").Unit)
	require.Len(t, h.DataPoints, 2, "set and BATCH get")
	for _, p := range h.DataPoints {
		require.Equal(t, uint64(1), p.Count)
		require.Less(t, p.Bounds[0], 1e-4)
		name, _ := p.Attributes.Value("db.operation.name")
		require.Contains(t, []string{"set", "BATCH get"}, name.AsString())
	}
}

// TestExemplars: a duration leads to a span that took as long, of some of the calls and of each that failed.
func TestExemplars(t *testing.T) {
	s := newScene(t, 1)
	for range 200 {
		_, _ = s.client.Get(t.Context(), "k")
	}
	s.nodes[0].Kill()
	_, err := s.client.Get(t.Context(), "k")
	require.Error(t, err)
	spans := map[string]bool{}
	for _, span := range s.spans.Ended() {
		id := span.SpanContext().SpanID()
		spans[string(id[:])] = true
	}
	h, ok := s.metric("db.client.operation.duration").Data.(metricdata.Histogram[float64])
	require.True(t, ok)
	require.Len(t, h.DataPoints, 2, "calls that went well, and that failed")
	for _, p := range h.DataPoints {
		require.NotEmpty(t, p.Exemplars, p.Attributes.Encoded(attribute.DefaultEncoder()))
		for _, e := range p.Exemplars {
			require.True(t, spans[string(e.SpanID)])
		}
	}
}

func (s *scene) metric(name string) metricdata.Metrics {
	var all metricdata.ResourceMetrics
	require.NoError(s, s.reader.Collect(context.Background(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name == name {
				return m
			}
		}
	}
	return metricdata.Metrics{}
}

func (s *scene) sum(name string) (total int64) {
	var points []metricdata.DataPoint[int64]
	switch data := s.metric(name).Data.(type) {
	case metricdata.Sum[int64]:
		points = data.DataPoints
	case metricdata.Gauge[int64]:
		points = data.DataPoints
	}
	for _, p := range points {
		total += p.Value
	}
	return total
}

// TestWatch: what Client.Stats knows is observed, until it is unregistered.
func TestWatch(t *testing.T) {
	s := newSceneOf(t, 2, []memcache.Option{memcache.WithKeyRules(
		hotkey.Rule{Key: "hot", Action: hotkey.Action{Kind: hotkey.Keep}},
		hotkey.Rule{Prefix: "bad:", Action: hotkey.Action{Kind: hotkey.Deny}},
	)})
	watching, err := memcacheotel.Watch(s.client, memcacheotel.WithMeterProvider(s.meters), memcacheotel.WithNamespace("sessions"))
	require.NoError(t, err)
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "hot", Value: make([]byte, 1000)}))
	for range 3 {
		_, err = s.client.Get(t.Context(), "hot")
		require.NoError(t, err)
	}
	_, err = s.client.Get(t.Context(), "bad:1")
	require.ErrorIs(t, err, memcache.ErrDenied)
	stats := s.client.Stats()
	for name, want := range map[string]uint64{
		"memcache.client.copies.keys": 1, "memcache.client.copies.size": uint64(stats.Copies.Bytes), "memcache.client.copies.kept": stats.Copies.Kept,
		"memcache.client.copies.checks": stats.Copies.Checks, "memcache.client.copies.saved": stats.Copies.Saved,
		"memcache.client.denied": 1, "memcache.client.verified.sets": 0, "memcache.client.node.ejected": 0, "memcache.client.node.slow": 0,
		"memcache.client.node.connections": 2,
	} {
		require.Equal(t, int64(want), s.sum(name), name)
	}
	require.Positive(t, stats.Copies.Kept)
	require.Equal(t, map[string]string{s.nodes[0].Addr(): "up", s.nodes[1].Addr(): "up"}, s.states())

	s.nodes[0].Kill()
	require.Eventually(t, func() bool {
		_ = s.client.Set(t.Context(), &memcache.Item{Key: "k"})
		return s.sum("memcache.client.node.ejected") == 1
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, "down", s.states()[s.nodes[0].Addr()])
	require.NoError(t, watching.Unregister())
	require.Empty(t, s.states())
}

// states returns the state of each node, as the metrics have it.
func (s *scene) states() map[string]string {
	found := map[string]string{}
	data, ok := s.metric("memcache.client.node.state").Data.(metricdata.Gauge[int64])
	if !ok {
		return found
	}
	for _, p := range data.DataPoints {
		name, _ := p.Attributes.Value("memcache.node")
		state, _ := p.Attributes.Value("memcache.node.state")
		space, _ := p.Attributes.Value("db.namespace")
		require.Equal(s, "sessions", space.AsString())
		found[name.AsString()] = state.AsString()
	}
	return found
}

// TestCountsOfManyNodes: nothing is lost and nothing grows for ever where nodes come and go.
func TestCountsOfManyNodes(t *testing.T) {
	s := newScene(t, 1)
	telemetry, err := memcacheotel.New(memcacheotel.WithMeterProvider(s.meters), memcacheotel.WithTracerProvider(tracenoop.NewTracerProvider()))
	require.NoError(t, err)
	call := memcache.Call{Command: protocol.Get, Keys: 1}
	const nodes = 10_000
	for range 2 {
		for i := range nodes {
			telemetry.End(telemetry.Start(t.Context(), call), call, memcache.Result{Addr: fmt.Sprint("node-", i, ":11211"), Hits: 1, Failovers: 2})
		}
	}
	require.Equal(t, int64(2*nodes), s.sum("memcache.client.hits"))
	require.Equal(t, int64(4*nodes), s.sum("memcache.client.failovers"))
}

// TestAddresses of all kinds are named as conventions have it.
func TestAddresses(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	telemetry, err := memcacheotel.New(memcacheotel.WithMeterProvider(noop.NewMeterProvider()),
		memcacheotel.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder))))
	require.NoError(t, err)
	call := memcache.Call{Command: protocol.Get, Keys: 1}
	type attrs = []attribute.KeyValue
	unix := attribute.String("network.transport", "unix")
	for _, c := range []struct {
		name, addr string
		want       attrs
	}{
		{"cache:11211", "cache:11211", attrs{attribute.String("server.address", "cache")}},
		{"[::1]:11311", "[::1]:11311", attrs{attribute.String("server.address", "::1"), attribute.Int("server.port", 11311)}},
		{"/run/mc.sock", "/run/mc.sock", attrs{attribute.String("server.address", "/run/mc.sock"), unix}},
		{"strange", "strange", attrs{attribute.String("server.address", "strange")}},
		{"", "10.0.0.1:11211", attrs{attribute.String("server.address", "10.0.0.1")}},
		{"mc-0.mc:11211", "10.0.0.1:11211", attrs{attribute.String("server.address", "mc-0.mc"), attribute.String("network.peer.address", "10.0.0.1"), attribute.Int("network.peer.port", 11211)}},
		{"near", "/run/mc.sock", attrs{attribute.String("server.address", "near"), attribute.String("network.peer.address", "/run/mc.sock"), unix}},
		{"", "", attrs{}},
	} {
		telemetry.End(telemetry.Start(t.Context(), call), call, memcache.Result{Node: c.name, Addr: c.addr})
		ended := recorder.Ended()
		said := ended[len(ended)-1].Attributes()
		require.Equal(t, c.want, said[2:], "%v: behind the system and the operation", c)
	}
	telemetry.End(t.Context(), call, memcache.Result{}) // of a call that it has not seen start
}

// Example has a client traced and measured by the global providers.
func Example() {
	telemetry, err := memcacheotel.New()
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := memcache.New(memcache.WithServers("10.0.0.1:11211"), memcache.WithObserver(telemetry))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	watching, err := memcacheotel.Watch(client)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer watching.Unregister()
}

// BenchmarkTelemetry is what a get costs more with spans and metrics on, and with metrics alone; and beside it what the SDK
// takes for the same span and measurement, when it is handed both without a thought.
func BenchmarkTelemetry(b *testing.B) {
	meters := metric.NewMeterProvider(metric.WithReader(metric.NewManualReader()))
	sampled := sdktrace.NewTracerProvider()
	for _, bench := range []struct {
		name string
		get  func()
	}{
		{"spans+metrics", observedGet(b, sampled, meters)},
		{"metrics", observedGet(b, tracenoop.NewTracerProvider(), meters)},
		{"sdk alone", bareGet(b, sampled, meters)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bench.get()
			}
		})
	}
}

func observedGet(b *testing.B, tracers trace.TracerProvider, meters *metric.MeterProvider) func() {
	telemetry, err := memcacheotel.New(memcacheotel.WithTracerProvider(tracers), memcacheotel.WithMeterProvider(meters))
	require.NoError(b, err)
	call := memcache.Call{Command: protocol.Get, Key: "k", Keys: 1}
	result := memcache.Result{Hits: 1, Node: "10.0.0.1:11211", Addr: "10.0.0.1:11211"}
	return func() { telemetry.End(telemetry.Start(b.Context(), call), call, result) }
}

func bareGet(b *testing.B, tracers trace.TracerProvider, meters *metric.MeterProvider) func() {
	duration, err := meters.Meter("bare").Float64Histogram("duration", apimetric.WithExplicitBucketBoundaries(memcacheotel.DurationBounds...))
	require.NoError(b, err)
	tracer := tracers.Tracer("bare")
	measured := []attribute.KeyValue{
		attribute.String("db.system.name", "memcached"), attribute.String("db.operation.name", "get"), attribute.String("server.address", "10.0.0.1"),
	}
	start := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient)}
	record := []apimetric.RecordOption{apimetric.WithAttributeSet(attribute.NewSet(measured...))}
	return func() {
		ctx, span := tracer.Start(b.Context(), "get 10.0.0.1:11211", start...)
		span.SetAttributes(measured...)
		span.End()
		duration.Record(ctx, 1e-4, record...)
	}
}

// TestTwoTelemetries of one client: each ends its own spans, and counts its calls.
func TestTwoTelemetries(t *testing.T) {
	first := tracetest.NewSpanRecorder()
	telemetry, err := memcacheotel.New(memcacheotel.WithMeterProvider(noop.NewMeterProvider()),
		memcacheotel.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(first))))
	require.NoError(t, err)
	s := newSceneOf(t, 1, []memcache.Option{memcache.WithObserver(telemetry)})
	_, err = s.client.Get(t.Context(), "k")
	require.ErrorIs(t, err, memcache.ErrCacheMiss)
	require.Len(t, first.Ended(), 1)
	require.Len(t, s.spans.Ended(), 1)
	require.Equal(t, int64(1), s.sum("memcache.client.misses"))
}

// TestOnlySetsAreCompareAndSwap: an append to what may be compressed compares, too, and a delete can.
func TestOnlySetsAreCompareAndSwap(t *testing.T) {
	s := newSceneOf(t, 1, []memcache.Option{memcache.WithCompression(memcache.Deflate{}, 64)})
	require.NoError(t, s.client.Set(t.Context(), &memcache.Item{Key: "k", Value: []byte("v")}))
	require.NoError(t, s.client.Append(t.Context(), &memcache.Item{Key: "k", Value: []byte("w")}))
	_, attrs := s.last()
	require.Equal(t, "append", attrs["db.operation.name"])
	it, err := s.client.Get(t.Context(), "k")
	require.NoError(t, err)
	require.NoError(t, s.client.CompareAndSwap(t.Context(), it))
	_, attrs = s.last()
	require.Equal(t, "compare-and-swap", attrs["db.operation.name"])
}
