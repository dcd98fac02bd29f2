// Mcrouter answers: what becomes of a configuration file of mcrouter's? This program runs config.json as it is, without an
// mcrouter, and changes it while it runs.
//
//	go run ./examples/mcrouter
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
)

//go:embed config.json
var configured string

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mcrouter:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "mcrouter-example")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	names := []string{"near-1", "near-2", "far"}
	nodes, config := make([]*memcachetest.Server, len(names)), configured
	for i := range nodes { // each in the place of one of the file's servers
		nodes[i] = memcachetest.NewServer()
		defer nodes[i].Close()
		config = strings.ReplaceAll(config, fmt.Sprintf("127.0.0.1:2120%d", i+1), nodes[i].Addr())
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return err
	}
	client, err := memcache.New(memcache.WithMcrouterConfig(path), memcache.WithTimeout(2*time.Second))
	if err != nil {
		return err
	}
	defer client.Close()

	named := func(text string) string { // addresses differ from run to run
		for i, node := range nodes {
			text = strings.ReplaceAll(text, node.Addr(), names[i])
		}
		return text
	}
	explained, err := client.Explain("user:7")
	if err != nil {
		return err
	}
	// The get is in the file's failover; around it is what the client adds, so that an item that was added is found by all.
	read := explained.Read.Next[0].Next[0]
	fmt.Fprintf(out, "a get of user:7 goes\n%s\na set goes\n%s\n", named(read.String()), named(explained.Write.String()))

	if err := client.Set(ctx, &memcache.Item{Key: "user:7", Value: []byte("somebody")}); err != nil {
		return err
	}
	nodes[0].Kill()
	nodes[1].Kill()
	item, err := client.Get(ctx, "user:7")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "with the near pool dead, user:7 is %s\n", item.Value)

	changed := strings.ReplaceAll(config, `["PoolRoute|near", "PoolRoute|far"]`, `["PoolRoute|far"]`)
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		return err
	}
	for len(client.Stats().Nodes) > 1 { // the file is looked at each second
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	fmt.Fprintln(out, "the file has changed: the client uses", named(client.Stats().Nodes[0].Name))
	return nil
}
