package sflow_test

import (
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/nohop/memcache/sflow"
)

// Send every operation to a collector; a real program would sample, say, one in 1,000.
func Example() {
	collector, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer collector.Close()

	exporter, err := sflow.NewExporter(sflow.Config{
		Collectors:   []string{collector.LocalAddr().String()},
		SamplingRate: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	exporter.Observe(sflow.Operation{
		Command:    sflow.Get,
		Key:        "user:17",
		ValueBytes: 1234,
		Duration:   250 * time.Microsecond,
		Status:     sflow.OK,
		Node:       netip.MustParseAddrPort("10.0.0.7:11211"),
	})
	exporter.Close()
	fmt.Printf("%+v\n", exporter.Counts())
	// Output: {Operations:1 Samples:1 Drops:0 Datagrams:1 Failed:0}
}
