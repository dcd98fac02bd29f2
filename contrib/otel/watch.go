package memcacheotel

import (
	"context"
	"errors"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/pool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Watch has figures of Client.Stats observed whenever metrics are read: nodes that are ejected or slow, copies of hot keys,
// Sets that were verified. Those of nodes have the attribute memcache.node, the node's name, and memcache.client.node.state is
// 1 for the memcache.node.state that a node is in, a pool.State. Several clients of a process are told apart by WithNamespace.
// A reading costs a snapshot of the counters, and nothing else does. It goes on until the registration is unregistered; the
// error is that of an instrument.
func Watch(client *memcache.Client, opts ...Option) (metric.Registration, error) {
	cfg := newConfig(opts)
	m := &instruments{meter: cfg.meters.Meter(scope)}
	w := &watcher{client: client, attrs: cfg.attrs(), ofNodes: observables(m, nodeFigures), ofClient: observables(m, clientFigures)}
	w.state = m.add("memcache.client.node.state", "1", "1 for the state that the node is in.", gauge)
	return m.observedBy(w.observe)
}

func (c *config) attrs() []attribute.KeyValue {
	attrs := []attribute.KeyValue{semconv.DBSystemNameMemcached}
	if c.namespace != "" {
		attrs = append(attrs, semconv.DBNamespace(c.namespace))
	}
	return attrs
}

// instruments are those made so far.
type instruments struct {
	meter metric.Meter
	all   []metric.Observable
	errs  []error
}

func (m *instruments) add(name, unit, what string, kind figureKind) metric.Int64Observable {
	var made metric.Int64Observable
	var err error
	switch kind {
	case counter:
		made, err = m.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(what))
	default:
		made, err = m.meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(what))
	}
	m.all, m.errs = append(m.all, made), append(m.errs, err)
	return made
}

// observedBy has the instruments observed whenever metrics are read, unless one could not be made.
func (m *instruments) observedBy(callback metric.Callback) (metric.Registration, error) {
	if err := errors.Join(m.errs...); err != nil {
		return nil, err
	}
	return m.meter.RegisterCallback(callback, m.all...)
}

// observables makes an instrument of each figure.
func observables[T any](m *instruments, figures []figure[T]) []metric.Int64Observable {
	list := make([]metric.Int64Observable, len(figures))
	for i, f := range figures {
		list[i] = m.add(f.name, f.unit, f.what, f.kind)
	}
	return list
}

// watcher observes a client.
type watcher struct {
	client   *memcache.Client
	attrs    []attribute.KeyValue
	ofNodes  []metric.Int64Observable // of nodeFigures
	ofClient []metric.Int64Observable // of clientFigures
	state    metric.Int64Observable
}

func (w *watcher) observe(_ context.Context, o metric.Observer) error {
	stats := w.client.Stats()
	own := w.with()
	for i, f := range clientFigures {
		o.ObserveInt64(w.ofClient[i], f.value(&stats), own)
	}
	for i := range stats.Nodes {
		w.observeNode(o, &stats.Nodes[i])
	}
	return nil
}

func (w *watcher) observeNode(o metric.Observer, s *pool.Stats) {
	node := attribute.String("memcache.node", s.Name)
	own := w.with(node)
	for i, f := range nodeFigures {
		o.ObserveInt64(w.ofNodes[i], f.value(s), own)
	}
	o.ObserveInt64(w.state, 1, w.with(node, attribute.String("memcache.node.state", s.State.String())))
}

// with returns the client's attributes and more.
func (w *watcher) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributes(append(more, w.attrs...)...)
}
