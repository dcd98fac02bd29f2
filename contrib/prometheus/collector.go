package memcacheprom

import (
	"github.com/nohop/memcache"
	"github.com/nohop/memcache/pool"
	"github.com/prometheus/client_golang/prometheus"
)

// Collector turns Client.Stats into metrics. It is a prometheus.Collector, safe for concurrent use.
type Collector struct {
	client *memcache.Client
	descs  map[string]*prometheus.Desc // by short name
}

var _ prometheus.Collector = (*Collector)(nil)

// NewCollector returns a collector of client. Several clients of one process are told apart by labels of the registry, see
// prometheus.WrapRegistererWith.
func NewCollector(client *memcache.Client) *Collector {
	c := &Collector{client, make(map[string]*prometheus.Desc)}
	for _, m := range nodeMetrics {
		c.describe(m.name, m.help, "node")
	}
	for _, m := range clientMetrics {
		c.describe(m.name, m.help)
	}
	c.describe(latency, "Time from a request to its reply at a node, in seconds.", "node")
	c.describe(state, "1 for the state that the node is in.", "node", "state")
	return c
}

func (c *Collector) describe(name, help string, labels ...string) {
	c.descs[name] = prometheus.NewDesc("memcache_"+name, help, labels, nil)
}

const (
	latency = "node_latency_seconds"
	state   = "node_state"
)

// metric is one figure of T.
type metric[T any] struct {
	name, help string
	kind       prometheus.ValueType
	value      func(*T) float64
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

var nodeMetrics = []metric[pool.Stats]{
	{"node_requests_total", "Requests sent to a node.", counter, func(s *pool.Stats) float64 { return float64(s.Requests) }},
	{"node_reads_total", "Reads that a node has answered.", counter, func(s *pool.Stats) float64 { return float64(s.Hits + s.Misses) }},
	{"node_hits_total", "Reads that found their key.", counter, func(s *pool.Stats) float64 { return float64(s.Hits) }},
	{"node_retries_total", "Requests that were sent again.", counter, func(s *pool.Stats) float64 { return float64(s.Retries) }},
	{"node_failovers_total", "Requests that failed at a node and were moved on to another.", counter, func(s *pool.Stats) float64 { return float64(s.Failovers) }},
	{"node_ejections_total", "Times that a node was silent for so long that its callers failed at once.", counter, func(s *pool.Stats) float64 { return float64(s.Suspected) }},
	{"node_dials_total", "Connections tried.", counter, func(s *pool.Stats) float64 { return float64(s.Dials) }},
	{"node_dial_errors_total", "Connections that could not be made.", counter, func(s *pool.Stats) float64 { return float64(s.DialErrors) }},
	{"node_connections_lost_total", "Connections that broke.", counter, func(s *pool.Stats) float64 { return float64(s.Broken) }},
	{"node_sent_bytes_total", "Bytes sent to a node.", counter, func(s *pool.Stats) float64 { return float64(s.BytesOut) }},
	{"node_received_bytes_total", "Bytes received from a node.", counter, func(s *pool.Stats) float64 { return float64(s.BytesIn) }},
	{"node_repaired_keys_total", "Keys deleted at a node because it had missed their writes.", counter, func(s *pool.Stats) float64 { return float64(s.Repaired) }},
	{"node_missed_keys", "Keys that a node has missed writes of and that are not read there.", gauge, func(s *pool.Stats) float64 { return float64(s.Missed) }},
	{"node_connections", "Live connections to a node.", gauge, func(s *pool.Stats) float64 { return float64(s.Conns) }},
	{"node_owed_replies", "Replies that a node owes now.", gauge, func(s *pool.Stats) float64 { return float64(s.Owed) }},
	{"node_ejected", "1 if requests to the node fail at once.", gauge, func(s *pool.Stats) float64 { return oneIf(s.Ejected) }},
	{"node_slow", "1 if the node is so much slower than the others that it is read last.", gauge, func(s *pool.Stats) float64 { return oneIf(s.Slow) }},
	{"node_recent_latency_seconds", "Average latency of the last requests, by which slow nodes are told; 0 if it is not known.", gauge, func(s *pool.Stats) float64 { return s.Recent.Seconds() }},
}

func oneIf(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

var clientMetrics = []metric[memcache.Stats]{
	{"nodes", "Nodes of the view.", gauge, func(s *memcache.Stats) float64 { return float64(len(s.Nodes)) }},
	{"discovery_age_seconds", "How long the list of nodes has gone unconfirmed; 0 while discovery is well.", gauge, func(s *memcache.Stats) float64 { return s.Discovery.Age.Seconds() }},
	{"loads_total", "Values loaded by GetOrLoad.", counter, func(s *memcache.Stats) float64 { return float64(s.Loads.Loads) }},
	{"load_errors_total", "Loads that failed.", counter, func(s *memcache.Stats) float64 { return float64(s.Loads.Errors) }},
	{"loads_stored_total", "Loads whose value was stored.", counter, func(s *memcache.Stats) float64 { return float64(s.Loads.Stored) }},
	{"loads_void_total", "Loads whose value was not stored because the key had changed meanwhile.", counter, func(s *memcache.Stats) float64 { return float64(s.Loads.Void) }},
	{"loads_shared_total", "Callers that joined a load of their process.", counter, func(s *memcache.Stats) float64 { return float64(s.Loads.Shared) }},
	{"loads_waited_total", "Times that another process's load was waited for.", counter, func(s *memcache.Stats) float64 { return float64(s.Loads.Waited) }},
	{"discovery_failures", "Failures of discovery in a row.", gauge, func(s *memcache.Stats) float64 { return float64(s.Discovery.Failures) }},

	{"copies_keys", "Hot keys that the process knows versions of.", gauge, func(s *memcache.Stats) float64 { return float64(s.Copies.Entries) }},
	{"copies_bytes", "Bytes that these keys take, with the values that are kept.", gauge, func(s *memcache.Stats) float64 { return float64(s.Copies.Bytes) }},
	{"copies_checks_total", "Times that a home was asked whether a hot key has changed.", counter, func(s *memcache.Stats) float64 { return float64(s.Copies.Checks) }},
	{"copies_changed_total", "Checks that found another version.", counter, func(s *memcache.Stats) float64 { return float64(s.Copies.Changed) }},
	{"copies_kept_reads_total", "Reads answered by a value kept in the process.", counter, func(s *memcache.Stats) float64 { return float64(s.Copies.Kept) }},
	{"copies_spread_reads_total", "Reads answered by a copy on another node.", counter, func(s *memcache.Stats) float64 { return float64(s.Copies.Copied) }},
	{"copies_saved_bytes_total", "Bytes of values that homes did not have to send.", counter, func(s *memcache.Stats) float64 { return float64(s.Copies.Saved) }},
	{"copies_made_total", "Copies made on other nodes.", counter, func(s *memcache.Stats) float64 { return float64(s.Copies.Fills + s.Copies.Pushes) }},
	{"copies_fallbacks_total", "Reads for which a copy was sought and that went home after all.", counter, func(s *memcache.Stats) float64 { return float64(s.Copies.Fallbacks) }},
	{"denied_total", "Requests refused by a rule.", counter, func(s *memcache.Stats) float64 { return float64(s.Copies.Denied) }},
	{"rules_failures", "Failures of the store of rules in a row.", gauge, func(s *memcache.Stats) float64 { return float64(s.Rules.Failures) }},
	{"rules_age_seconds", "How long the rules have gone unconfirmed; 0 while the store is well.", gauge, func(s *memcache.Stats) float64 { return s.Rules.Age.Seconds() }},

	{"verified_sets_total", "Sets of several replicas that were looked at again.", counter, func(s *memcache.Stats) float64 { return float64(s.Verified.Verified) }},
	{"verified_split_sets_total", "Verified sets whose replicas had come to differ.", counter, func(s *memcache.Stats) float64 { return float64(s.Verified.Splits) }},
	{"verified_removed_copies_total", "Copies removed because they differed.", counter, func(s *memcache.Stats) float64 { return float64(s.Verified.Removed) }},
	{"verified_unknown_copies_total", "Copies that could not be looked at, and are deleted.", counter, func(s *memcache.Stats) float64 { return float64(s.Verified.Unknown) }},
	{"verified_skipped_sets_total", "Sets whose copies cannot be told from others, and may differ.", counter, func(s *memcache.Stats) float64 { return float64(s.Verified.Skipped) }},
	{"verified_in_caller_total", "Verified sets whose callers had to wait for it.", counter, func(s *memcache.Stats) float64 { return float64(s.Verified.InCaller) }},
	{"verified_queued_sets", "Sets that wait to be verified.", gauge, func(s *memcache.Stats) float64 { return float64(s.Verified.Queued) }},
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	stats := c.client.Stats()
	for _, m := range clientMetrics {
		metrics <- prometheus.MustNewConstMetric(c.descs[m.name], m.kind, m.value(&stats))
	}
	for i := range stats.Nodes {
		c.collectNode(metrics, &stats.Nodes[i])
	}
}

func (c *Collector) collectNode(metrics chan<- prometheus.Metric, s *pool.Stats) {
	for _, m := range nodeMetrics {
		metrics <- prometheus.MustNewConstMetric(c.descs[m.name], m.kind, m.value(s), s.Name)
	}
	metrics <- prometheus.MustNewConstMetric(c.descs[state], gauge, 1, s.Name, s.State.String())
	metrics <- prometheus.MustNewConstHistogram(c.descs[latency], s.Latency.Count(), s.Latency.Sum.Seconds(), buckets(&s.Latency), s.Name)
}

// buckets are those of h, cumulative, four joined in one, from 32 µs to 8.6 s: Prometheus pays for each.
func buckets(h *pool.Histogram) map[float64]uint64 {
	list := make(map[float64]uint64)
	var seen uint64
	for end, n := range h.All() {
		seen += n
		if end&(end-1) == 0 && end >= 1<<15 && end <= 1<<33 {
			list[end.Seconds()] = seen
		}
	}
	return list
}
