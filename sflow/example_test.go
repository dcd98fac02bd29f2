package sflow_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/netip"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
	"github.com/nohop/memcache/sflow"
)

// Have what a client does leave as sFlow: one option. A real program would sample, say, one in 1,000.
func Example() {
	collector, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer collector.Close()
	node := memcachetest.NewServer()
	defer node.Close()

	exporter, err := sflow.NewExporter(sflow.Config{Collectors: []string{collector.LocalAddr().String()}, SamplingRate: 1})
	if err != nil {
		log.Fatal(err)
	}
	client, err := memcache.New(memcache.WithServers(node.Addr()), memcache.WithObserver(exporter))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	err = client.Set(ctx, &memcache.Item{Key: "user:17", Value: []byte("Ada")})
	fmt.Println(err)
	item, err := client.Get(ctx, "user:17")
	fmt.Printf("%s, %v\n", item.Value, err)

	client.Close()
	exporter.Close() // sends what is left
	fmt.Printf("%+v\n", exporter.Counts())
	// Output:
	// <nil>
	// Ada, <nil>
	// {Operations:2 Samples:2 Drops:0 Datagrams:1 Failed:0}
}

// Send operations that are not those of a memcache.Client.
func ExampleExporter_Observe() {
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
