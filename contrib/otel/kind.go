package memcacheotel

import (
	"hash/maphash"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nohop/memcache"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// kind is what all calls of an operation that one node has answered in the same way have in common. There are few, so they
// are made once: attributes are most of what telemetry costs.
type kind struct {
	key   kindKey
	name  string                // of spans
	attrs []attribute.KeyValue  // of spans
	took  []metric.RecordOption // of durations
	*counts
}

// kindKey tells kinds apart.
type kindKey struct {
	operation, node, addr, class string
	misses                       int // of a single read
}

// kinds are those made so far.
type kinds struct {
	recent [64]atomic.Pointer[kind] // by the hash of the address: to find a key of four strings in a map takes some 100 ns

	mu    sync.Mutex
	known map[kindKey]*kind
}

// maxKinds bounds the memory where nodes come and go for ever.
const maxKinds = 4096

var seed = maphash.MakeSeed()

// slot is where a kind of that key is, if it is a recent one.
func (k *kinds) slot(key *kindKey) *atomic.Pointer[kind] {
	h := maphash.String(seed, key.addr) + uint64(len(key.operation)+key.misses)
	return &k.recent[h%uint64(len(k.recent))]
}

func (t *Telemetry) kindOf(call memcache.Call, r memcache.Result) *kind {
	key := kindKey{operation: operationOf(call), node: r.Node, addr: r.Addr, class: memcache.ErrorClass(r.Err)}
	if call.Keys == 1 {
		key.misses = r.Misses
	}
	slot := t.kinds.slot(&key)
	k := slot.Load()
	if k == nil || k.key != key {
		k = t.knownKind(key, call.Keys > 1)
		slot.Store(k)
	}
	return k
}

func (t *Telemetry) knownKind(key kindKey, batch bool) *kind {
	t.kinds.mu.Lock()
	defer t.kinds.mu.Unlock()
	if k := t.kinds.known[key]; k != nil {
		return k
	}
	k := t.newKind(key, batch)
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
	server, peer := nodeAttributes(key.node, key.addr)
	attrs = append(attrs, server...)
	measured := attribute.NewSet(attrs...)
	k := &kind{key: key, name: key.operation, took: []metric.RecordOption{metric.WithAttributeSet(measured)}, counts: t.totals.of(measured)}
	k.attrs = append(append([]attribute.KeyValue(nil), attrs...), peer...)
	if !batch && key.addr != "" {
		k.name += " " + key.addr
	}
	if key.misses > 0 {
		k.attrs = append(k.attrs, misses(key.misses))
	}
	return k
}

const defaultPort = 11211

// nodeAttributes name a node as what it is, and as what is dialed where that is something else: each attribute costs a span
// some 100 ns.
func nodeAttributes(name, addr string) (server, peer []attribute.KeyValue) {
	dialed := endpointOf(addr)
	server = endpointOf(name).server()
	if server == nil || name == addr {
		return dialed.server(), dialed.transport()
	}
	return server, append(dialed.peer(), dialed.transport()...)
}

// endpoint is where a node listens: a host and a port, the path of a socket, or something unknown.
type endpoint struct {
	host string
	port int // 0: none
}

func endpointOf(addr string) endpoint {
	if host, text, err := net.SplitHostPort(addr); err == nil && !strings.Contains(addr, "/") {
		if port, err := strconv.Atoi(text); err == nil {
			return endpoint{host, port}
		}
	}
	return endpoint{host: addr}
}

func (e endpoint) server() (attrs []attribute.KeyValue) {
	if e.host != "" {
		attrs = append(attrs, semconv.ServerAddress(e.host))
	}
	if e.port != 0 && e.port != defaultPort {
		attrs = append(attrs, semconv.ServerPort(e.port))
	}
	return attrs
}

func (e endpoint) peer() (attrs []attribute.KeyValue) {
	if e.host != "" {
		attrs = append(attrs, semconv.NetworkPeerAddress(e.host))
	}
	if e.port != 0 {
		attrs = append(attrs, semconv.NetworkPeerPort(e.port))
	}
	return attrs
}

// transport is said where it is not TCP.
func (e endpoint) transport() []attribute.KeyValue {
	if e.port == 0 && strings.Contains(e.host, "/") {
		return []attribute.KeyValue{semconv.NetworkTransportUnix}
	}
	return nil
}
