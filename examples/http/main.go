// Http answers: how does a web service use the cache? It is a service with a slow database, a cache before it, and the debug
// page. service.go is the service; this file starts it.
//
//	go run ./examples/http                                  # nodes inside the process
//	go run ./examples/http -servers 10.0.0.1:11211,dns+cache:11211
//
// Then open http://127.0.0.1:8080/user/7 twice, and http://127.0.0.1:8080/debug/memcache/.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/memcachetest"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to serve at")
	servers := flag.String("servers", "", "memcached servers, separated by commas; none: three inside this process")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *listen, *servers); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, servers string) error {
	addrs := strings.Split(servers, ",")
	if servers == "" {
		var stop func()
		addrs, stop = startNodes(3)
		defer stop()
	}
	client, err := memcache.New(memcache.WithServers(addrs...))
	if err != nil {
		return err
	}
	defer client.Close()
	server := &http.Server{Addr: listen, Handler: newService(client, slowDatabase), ReadHeaderTimeout: 5 * time.Second}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	log.Printf("open http://%s/user/7 and http://%s/debug/memcache/", listen, listen)
	return serve(ctx, server, listener)
}

// serve returns when ctx has ended and all requests have been answered: they use the client, which is closed then.
func serve(ctx context.Context, server *http.Server, listener net.Listener) error {
	answered := make(chan error, 1)
	context.AfterFunc(ctx, func() { answered <- server.Shutdown(context.Background()) })
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-answered
}

func startNodes(n int) (addrs []string, stop func()) {
	nodes := make([]*memcachetest.Server, n)
	for i := range nodes {
		nodes[i] = memcachetest.NewServer()
		addrs = append(addrs, nodes[i].Addr())
	}
	return addrs, func() {
		for _, node := range nodes {
			node.Close()
		}
	}
}
