// Zones answers: what do zones buy? It starts two zones of two nodes each inside this process, reads from its own zone, and
// takes the zone away.
//
//	go run ./examples/zones
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "zones:", err)
		os.Exit(1)
	}
}

const keys = 1000

func run(ctx context.Context, out io.Writer) error {
	east, west := startZone(2), startZone(2)
	defer east.close()
	defer west.close()
	client, err := memcache.New(
		memcache.WithZone("east", east.addrs()...), // every zone holds every key once,
		memcache.WithZone("west", west.addrs()...), // on one of its nodes
		memcache.WithLocal("east"),                 // reads begin here
		memcache.WithTimeout(2*time.Second),        // the nodes share our CPUs
	)
	if err != nil {
		return err
	}
	defer client.Close()

	items := make([]*memcache.Item, keys)
	for i := range items {
		items[i] = &memcache.Item{Key: fmt.Sprintf("user:%d", i), Value: []byte("somebody")}
	}
	if err := client.SetMulti(ctx, items); err != nil {
		return err
	}
	fmt.Fprintf(out, "stored %d keys: %d are in east, %d in west\n", keys, east.items(), west.items())

	found, err := readAll(ctx, client)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "read %d of them: %d came from east, %d from west\n", found, east.hits(), west.hits())

	east.kill()
	found, err = readAll(ctx, client)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "east is gone, read %d of them: %d came from west\n", found, west.hits())
	if found != keys || west.hits() != keys {
		return fmt.Errorf("%d of %d keys were found without the own zone", found, keys)
	}
	return nil
}

func readAll(ctx context.Context, client *memcache.Client) (found int, err error) {
	for i := range keys {
		if _, err := client.Get(ctx, fmt.Sprintf("user:%d", i)); err != nil {
			return found, err
		}
		found++
	}
	return found, nil
}

// zone is the nodes of a zone.
type zone []*memcachetest.Server

func startZone(n int) (z zone) {
	for range n {
		z = append(z, memcachetest.NewServer())
	}
	return z
}

func (z zone) addrs() (list []string) {
	for _, node := range z {
		list = append(list, node.Addr())
	}
	return list
}

func (z zone) close() {
	for _, node := range z {
		node.Close()
	}
}

func (z zone) kill() {
	for _, node := range z {
		node.Kill()
	}
}

// items and hits are what the nodes themselves have counted.
func (z zone) items() (n int) {
	for _, node := range z {
		n += node.Stats().CurrItems
	}
	return n
}

func (z zone) hits() (n int) {
	for _, node := range z {
		n += node.Stats().GetHits
	}
	return n
}
