package memcacheprom

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/protocol"
	"github.com/prometheus/client_golang/prometheus"
)

// Observer counts calls by operation and outcome, measures them, and counts events. Give it to memcache.WithObserver and
// register it; one serves any number of clients. It is safe for concurrent use.
type Observer struct {
	ended    map[string]map[string]prometheus.Counter // by operation and outcome, made beforehand: no map is locked in a call
	duration map[string]prometheus.Observer
	keys     map[string]prometheus.Counter
	all      []prometheus.Collector
	events   *prometheus.CounterVec
}

var (
	_ memcache.Observer    = (*Observer)(nil)
	_ prometheus.Collector = (*Observer)(nil)
)

// outcomes are the values of the label "outcome": classes of errors, see memcache.ErrorClass. Misses and conflicts are ok.
var outcomes = []string{"ok", "timeout", "canceled", "node-down", "closed", "partial-write", "denied", "bad-request",
	"network-error", "server-error", "other"}

// operations are the values of the label "operation".
var operations = []string{"get", "get-and-touch", "set", "compare-and-swap", "add", "replace", "append", "prepend", "delete", "touch",
	"increment", "decrement"}

// NewObserver returns an observer.
func NewObserver() *Observer {
	ended := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "memcache_calls_total", Help: "Calls of the application. A miss or a conflict is ok.",
	}, []string{"operation", "outcome"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "memcache_call_duration_seconds", Help: "Duration of calls, failovers included.",
		Buckets: prometheus.ExponentialBuckets(50e-6, 2, 16),
	}, []string{"operation"})
	keys := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "memcache_call_keys_total", Help: "Keys of calls: more than calls where there are batches.",
	}, []string{"operation"})
	o := &Observer{
		ended: make(map[string]map[string]prometheus.Counter), duration: make(map[string]prometheus.Observer),
		keys: make(map[string]prometheus.Counter),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "memcache_events_total", Help: "What has happened to nodes and view, by kind.",
		}, []string{"kind"}),
	}
	o.all = []prometheus.Collector{ended, duration, keys, o.events}
	for _, operation := range operations {
		o.duration[operation], o.keys[operation] = duration.WithLabelValues(operation), keys.WithLabelValues(operation)
		o.ended[operation] = make(map[string]prometheus.Counter)
		for _, outcome := range outcomes {
			o.ended[operation][outcome] = ended.WithLabelValues(operation, outcome)
		}
	}
	return o
}

// Start implements memcache.Observer. A client may have several: each finds its own time under itself.
func (o *Observer) Start(ctx context.Context, _ memcache.Call) context.Context {
	return context.WithValue(ctx, o, time.Now())
}

// End implements memcache.Observer.
func (o *Observer) End(ctx context.Context, call memcache.Call, r memcache.Result) {
	operation := operationOf(call)
	if start, ok := ctx.Value(o).(time.Time); ok {
		o.duration[operation].Observe(time.Since(start).Seconds())
	}
	o.keys[operation].Add(float64(call.Keys))
	o.ended[operation][outcomeOf(r.Err)].Inc()
}

// Event implements memcache.Observer.
func (o *Observer) Event(e memcache.Event) { o.events.WithLabelValues(string(e.Kind)).Inc() }

// Describe implements prometheus.Collector.
func (o *Observer) Describe(descs chan<- *prometheus.Desc) {
	for _, c := range o.all {
		c.Describe(descs)
	}
}

// Collect implements prometheus.Collector.
func (o *Observer) Collect(metrics chan<- prometheus.Metric) {
	for _, c := range o.all {
		c.Collect(metrics)
	}
}

// operationOf names a call as its label does. Not only sets compare: so does an append to what may be compressed.
func operationOf(call memcache.Call) string {
	if call.Compare && call.Command == protocol.Set {
		return "compare-and-swap"
	}
	return call.Command.String()
}

// outcomeOf is one of outcomes, also for an error of a class that is newer than they are.
func outcomeOf(err error) string {
	outcome := cmp.Or(memcache.ErrorClass(err), "ok")
	if !slices.Contains(outcomes, outcome) {
		return "other"
	}
	return outcome
}
