package memcacheotel

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// Option configures New and Watch. To Watch, WithTracerProvider and WithKeys mean nothing.
type Option func(*config)

type config struct {
	tracers   trace.TracerProvider
	meters    metric.MeterProvider
	namespace string
	keys      bool
}

func newConfig(opts []Option) config {
	c := config{tracers: otel.GetTracerProvider(), meters: otel.GetMeterProvider()}
	for _, opt := range opts {
		opt(&c)
	}
	return c
}

// WithTracerProvider replaces the global provider of tracers.
func WithTracerProvider(p trace.TracerProvider) Option { return func(c *config) { c.tracers = p } }

// WithMeterProvider replaces the global provider of meters.
func WithMeterProvider(p metric.MeterProvider) Option { return func(c *config) { c.meters = p } }

// WithNamespace sets db.namespace, the cache's name among others.
func WithNamespace(name string) Option { return func(c *config) { c.namespace = name } }

// WithKeys has spans say their first key, as memcache.key. Keys may be secrets, or hold them.
func WithKeys() Option { return func(c *config) { c.keys = true } }
