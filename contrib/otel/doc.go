// Package memcacheotel answers: what does OpenTelemetry see of a memcache client?
//
//	telemetry, err := memcacheotel.New()
//	client, err := memcache.New(memcache.WithServers(addrs...), memcache.WithObserver(telemetry))
//	watching, err := memcacheotel.Watch(client)
//
// Each call of the application is one span of kind client, retries and failovers included, and one measurement of its
// duration, both as the semantic conventions for databases have them (https://opentelemetry.io/docs/specs/semconv/database/):
//
//	span name                   the operation and the server, "get 10.0.0.1:11211"; of a batch "BATCH get"
//	db.system.name              memcached
//	db.operation.name           get, set … ; of a batch "BATCH get"
//	db.operation.batch.size     its keys, from 2 on
//	db.namespace                what WithNamespace says
//	server.address, server.port the node that answered last, by its name
//	network.peer.address, .port the same as it is dialed, where that is not its name
//	error.type                  memcache.ErrorClass, of a call that failed; a miss is no error
//
// The metric db.client.operation.duration is in seconds, with buckets from 50 µs on: the recommended ones begin at 1 ms,
// where a cache has its timeouts. Its exemplars are calls that failed, and one in eight of the others. Beside it there are
// memcache.client.hits, .misses and .failovers, counters of keys, and memcache.client.events, of what happens to the nodes. A
// span has the hits, misses and failovers of its call as attributes; that of a single read only memcache.misses, if it missed:
// each attribute costs a call some 80 ns.
//
// Watch adds what Client.Stats knows, read when metrics are: memcache.client.node.* has the state of each node, whether it is
// ejected or slow; memcache.client.copies.* the copies of hot keys; memcache.client.verified.* the Sets that were looked at
// again.
//
// No key is ever part of a span or a metric, unless WithKeys asks for it.
package memcacheotel
