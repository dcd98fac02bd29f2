package memcacheotel

import (
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/nohop/memcache"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// kind is what all calls of an operation that one node has answered in the same way have in common. There are few, so they
// are made once: attributes are most of what telemetry costs.
type kind struct {
	name  string                // of spans
	attrs []attribute.KeyValue  // of spans
	took  []metric.RecordOption // of durations
	*counts
}

// kindKey tells kinds apart.
type kindKey struct {
	operation, addr, class string
	hits, misses           int // of a single read
}

// kinds are those made so far.
type kinds struct {
	mu    sync.RWMutex
	known map[kindKey]*kind
}

// maxKinds bounds the memory where nodes come and go for ever.
const maxKinds = 4096

func (t *Telemetry) kindOf(call memcache.Call, r memcache.Result) *kind {
	key := kindKey{operation: operationOf(call), addr: r.Addr, class: memcache.ErrorClass(r.Err)}
	if call.Keys == 1 {
		key.hits, key.misses = r.Hits, r.Misses
	}
	t.kinds.mu.RLock()
	k := t.kinds.known[key]
	t.kinds.mu.RUnlock()
	if k != nil {
		return k
	}
	k = t.newKind(key, call.Keys > 1)
	t.kinds.mu.Lock()
	defer t.kinds.mu.Unlock()
	if t.kinds.known == nil || len(t.kinds.known) >= maxKinds {
		t.kinds.known = make(map[kindKey]*kind)
	}
	t.kinds.known[key] = k
	return k
}

func (t *Telemetry) newKind(key kindKey, batch bool) *kind {
	attrs := []attribute.KeyValue{semconv.DBSystemNameMemcached, semconv.DBOperationName(key.operation)}
	if t.namespace != "" {
		attrs = append(attrs, semconv.DBNamespace(t.namespace))
	}
	if key.class != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(key.class))
	}
	server, peer := nodeAttributes(key.addr)
	attrs = append(attrs, server...)
	measured := attribute.NewSet(attrs...)
	k := &kind{name: key.operation, took: []metric.RecordOption{metric.WithAttributeSet(measured)}, counts: t.totals.of(measured)}
	k.attrs = append(append([]attribute.KeyValue(nil), attrs...), peer...)
	if !batch && key.addr != "" {
		k.name += " " + key.addr
	}
	if key.hits+key.misses > 0 {
		k.attrs = append(k.attrs, hits(key.hits), misses(key.misses))
	}
	return k
}

const defaultPort = 11211

// nodeAttributes name a node, as what it is and as what is dialed.
func nodeAttributes(addr string) (server, peer []attribute.KeyValue) {
	if addr == "" {
		return nil, nil
	}
	server = []attribute.KeyValue{semconv.ServerAddress(addr)}
	if strings.Contains(addr, "/") {
		return server, []attribute.KeyValue{semconv.NetworkPeerAddress(addr), semconv.NetworkTransportUnix}
	}
	host, text, err := net.SplitHostPort(addr)
	port, err2 := strconv.Atoi(text)
	if err != nil || err2 != nil {
		return server, nil
	}
	server[0] = semconv.ServerAddress(host)
	if port != defaultPort {
		server = append(server, semconv.ServerPort(port))
	}
	return server, []attribute.KeyValue{semconv.NetworkPeerAddress(host), semconv.NetworkPeerPort(port)}
}
