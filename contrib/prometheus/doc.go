// Package memcacheprom answers: what does a Prometheus see of a memcache client?
//
//	metrics := memcacheprom.NewObserver()
//	client, err := memcache.New(memcache.WithServers(addrs...), memcache.WithObserver(metrics))
//	registry.MustRegister(metrics, memcacheprom.NewCollector(client))
//
// The Collector reads Client.Stats when it is scraped and costs nothing else: each node's requests, reads, hits, latencies,
// state, connections and repairs, and whether it is ejected or slow; the loads of GetOrLoad; discovery; copies of hot keys and
// the store of rules; Sets that were verified. The Observer adds what
// calls of the application came to, with their durations, and counts events; it costs each call some hundred nanoseconds, so
// it is apart. Either can be used alone.
//
// Names, units and labels are kept stable. Labels are bounded: node names, operations, outcomes, kinds of events; keys are
// never among them. Reads and hits are two counters, so that a hit ratio is a quotient of rates:
//
//	sum(rate(memcache_node_hits_total[1m])) / sum(rate(memcache_node_reads_total[1m]))
//
// dashboard.json is a Grafana dashboard over these metrics.
package memcacheprom
