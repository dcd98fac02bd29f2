package memcacheotel

import (
	"context"
	"errors"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/protocol"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const scope = "github.com/nohop/memcache/contrib/otel"

// Telemetry makes spans and metrics of a client's calls. Give it to memcache.WithObserver. It is safe for concurrent use, and
// one serves any number of clients.
type Telemetry struct {
	config
	tracer   trace.Tracer
	duration metric.Float64Histogram
	events   metric.Int64Counter
	counters counters
	totals   totals
	kinds    kinds
}

var _ memcache.Observer = (*Telemetry)(nil)

// durationBounds are the buckets of durations, in seconds.
var durationBounds = []float64{50e-6, 100e-6, 200e-6, 400e-6, 800e-6, 1.6e-3, 3.2e-3, 6.4e-3, 12.8e-3, 25.6e-3, 51.2e-3, 0.1, 0.2, 0.5, 1, 2.5}

// New returns a Telemetry over the global providers, or those of opts. What it has counted is told for as long as the meter
// provider lives, so make one for a process and not one for a request. The error is that of an instrument.
func New(opts ...Option) (*Telemetry, error) {
	t := &Telemetry{config: newConfig(opts)}
	t.tracer = t.tracers.Tracer(scope)
	m := t.meters.Meter(scope)
	var errs [3]error
	t.duration, errs[0] = m.Float64Histogram("db.client.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of database client operations."), metric.WithExplicitBucketBoundaries(durationBounds...))
	t.events, errs[1] = m.Int64Counter("memcache.client.events", metric.WithUnit("{event}"),
		metric.WithDescription("What has happened to nodes and view."))
	errs[2] = t.startCounters(&instruments{meter: m})
	return t, errors.Join(errs[:]...)
}

func (t *Telemetry) startCounters(i *instruments) error {
	t.counters.hits = i.add("memcache.client.hits", "{key}", "Reads that found their key.", counter)
	t.counters.misses = i.add("memcache.client.misses", "{key}", "Reads that did not find their key.", counter)
	t.counters.failovers = i.add("memcache.client.failovers", "{key}", "Keys moved on to another replica because one failed.", counter)
	_, err := i.observedBy(t.observe)
	return err
}

// pending is the context of a call, with what End needs of Start.
type pending struct {
	context.Context
	of    *Telemetry    // a client may have several
	began time.Duration // since the start of the program
	span  trace.Span
}

// epoch is what calls are timed from: the clock since then is read in half the time of time.Now, which reads two.
var epoch = time.Now()

// Value finds the pending call itself, by its Telemetry.
func (p *pending) Value(key any) any {
	if key == p.of {
		return p
	}
	return p.Context.Value(key)
}

// pendingOf returns the call of ctx that t has seen start; nil if there is none.
func (t *Telemetry) pendingOf(ctx context.Context) *pending {
	if p, ok := ctx.(*pending); ok && p.of == t { // no other observer has come in between
		return p
	}
	p, _ := ctx.Value(t).(*pending)
	return p
}

var asClient = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient)}

// Start implements memcache.Observer.
func (t *Telemetry) Start(ctx context.Context, call memcache.Call) context.Context {
	p := &pending{of: t, began: time.Since(epoch)}
	p.Context, p.span = t.tracer.Start(ctx, operationOf(call), asClient...)
	return p
}

// End implements memcache.Observer.
func (t *Telemetry) End(ctx context.Context, call memcache.Call, r memcache.Result) {
	p := t.pendingOf(ctx)
	if p == nil {
		return
	}
	k := t.kindOf(call, r)
	t.describe(p.span, k, call, r)
	if r.Err == nil && !isExemplary(p.span) {
		ctx = context.Background()
	}
	p.span.End()
	t.duration.Record(ctx, (time.Since(epoch) - p.began).Seconds(), k.took...)
	k.add(&r)
}

// isExemplary reports whether the duration of a call that went well is to be offered as an exemplar, with its span: one in eight
// is, and all where there are no spans. The SDK keeps one for each bucket until metrics are read, and being offered more costs each call a tenth of its telemetry.
func isExemplary(span trace.Span) bool {
	id := span.SpanContext().SpanID()
	return id[len(id)-1]%8 == 0
}

// Event implements memcache.Observer.
func (t *Telemetry) Event(e memcache.Event) {
	t.events.Add(context.Background(), 1, metric.WithAttributes(attribute.String("memcache.event", string(e.Kind))))
}

// describe says of a span what is known when it ends.
func (t *Telemetry) describe(span trace.Span, k *kind, call memcache.Call, r memcache.Result) {
	span.SetName(k.name)
	span.SetAttributes(k.attrs...)
	if call.Keys > 1 {
		span.SetAttributes(semconv.DBOperationBatchSize(call.Keys), hits(r.Hits), misses(r.Misses))
	}
	if r.Failovers > 0 {
		span.SetAttributes(attribute.Int("memcache.failovers", r.Failovers))
	}
	if t.keys {
		span.SetAttributes(attribute.String("memcache.key", call.Key))
	}
	if r.Err != nil {
		span.SetStatus(codes.Error, r.Err.Error()) // errors hold no key
	}
}

func hits(n int) attribute.KeyValue   { return attribute.Int("memcache.hits", n) }
func misses(n int) attribute.KeyValue { return attribute.Int("memcache.misses", n) }

// operationOf is the operation's name, as conventions want that of a batch.
func operationOf(call memcache.Call) string {
	name := call.Command.String()
	if call.Compare && call.Command == protocol.Set { // others compare, too: an append to what may be compressed
		name = "compare-and-swap"
	}
	if call.Keys > 1 {
		return "BATCH " + name
	}
	return name
}
