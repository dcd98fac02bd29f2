// Package sflow answers: how does an sFlow analyzer see what this client does?
//
// An Exporter takes every operation, samples one in N at random, and sends the samples by UDP to a collector such as
// sFlow-RT, sflowtool or Ganglia, in the form that memcached servers with sFlow instrumentation use. A client's operations
// leave by one option:
//
//	exporter, err := sflow.NewExporter(sflow.Config{Collectors: []string{"10.0.0.9"}, SamplingRate: 400})
//	client, err := memcache.New(memcache.WithServers(…), memcache.WithObserver(exporter))
//	…
//	client.Close()
//	exporter.Close()
//
// Several clients may share an Exporter, and others than memcache.Client tell it by Observe. An operation that is not sampled
// costs three atomic operations and no allocation; one that is costs some microseconds and a few hundred bytes.
//
// An operation is what the application asks for one key. Each key of a GetMulti is one. Reads that are answered from copies of
// hot keys (package hotcopy) are among them, so an analyzer does not take a key that was relieved for one that has cooled
// down; keys and values are as they travel, with namespace and compressed.
//
// An analyzer that multiplies by N knows the rates of each key with a relative error of about 196/sqrt(c) percent for c
// samples, at 95 % confidence (https://sflow.org/packetSamplingBasics/).
//
// # What is sent
//
// Datagrams of sFlow version 5 (https://sflow.org/sflow_version_5.txt) with flow samples of one logical entity as data
// source. Each sample has a memcache_operation record (https://sflow.org/sflow_memcache.txt, enterprise 0, format 2200) and,
// where the node's address is known, an extended_socket_ipv4 or extended_socket_ipv6 record
// (https://sflow.org/sflow_host.txt, formats 2100 and 2101). The operation is a client's, so the sample's input is the
// host's internal interface and its output is unknown, the reverse of a server's.
//
// There are no counter samples: the memcache_counters of the standard (format 2204) are a server's own, and a client does
// not know them.
package sflow
