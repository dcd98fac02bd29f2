package memcacheotel

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/nohop/memcache"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// counts are the keys of calls that have the same attributes. They are added up here and told when metrics are read: to add
// to a counter of the SDK with each call costs some 300 ns, most of it to look at the attributes again.
type counts struct {
	hits, misses, failovers atomic.Int64
	attrs                   metric.MeasurementOption
}

func (c *counts) add(r *memcache.Result) {
	addTo(&c.hits, r.Hits)
	addTo(&c.misses, r.Misses)
	addTo(&c.failovers, r.Failovers)
}

func addTo(total *atomic.Int64, n int) {
	if n > 0 {
		total.Add(int64(n))
	}
}

// totals are all counts. They are never dropped, or counters would fall; where there are too many, as with nodes that come
// and go for ever, the new ones share those without attributes.
type totals struct {
	mu    sync.Mutex
	known map[attribute.Distinct]*counts
	list  []*counts
}

// maxTotals bounds the memory.
const maxTotals = 4096

// of returns the counts of a set of attributes.
func (t *totals) of(attrs attribute.Set) *counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.known[attrs.Equivalent()]
	if c == nil && len(t.list) >= maxTotals {
		attrs = *attribute.EmptySet()
		c = t.known[attrs.Equivalent()]
	}
	if c != nil {
		return c
	}
	c = &counts{attrs: metric.WithAttributeSet(attrs)}
	if t.known == nil {
		t.known = make(map[attribute.Distinct]*counts)
	}
	t.known[attrs.Equivalent()] = c
	t.list = append(t.list, c)
	return c
}

func (t *totals) all() []*counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list[:len(t.list):len(t.list)]
}

// counters are the instruments that tell of totals.
type counters struct{ hits, misses, failovers metric.Int64Observable }

func (t *Telemetry) observe(_ context.Context, o metric.Observer) error {
	for _, c := range t.totals.all() {
		for _, told := range []struct {
			to    metric.Int64Observable
			total int64
		}{{t.counters.hits, c.hits.Load()}, {t.counters.misses, c.misses.Load()}, {t.counters.failovers, c.failovers.Load()}} {
			if told.total > 0 {
				o.ObserveInt64(told.to, told.total, c.attrs)
			}
		}
	}
	return nil
}
