// App is the application of the Kubernetes example: it reads from the memcached of its own node, writes to all of them, and
// follows them as they come and go. The same binary runs in a pod and in the local rehearsal.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/nohop/memcache"
	"github.com/nohop/memcache/inspect"
)

func main() {
	listen := flag.String("listen", ":8080", "address to serve at")
	servers := flag.String("servers", "dns+memcached:11211", "where the memcached nodes are found")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *servers); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, listen, servers string) error {
	client, err := memcache.New(
		memcache.WithServers(servers),
		memcache.WithReplicated(), // the local node is found by HOST_IP
		memcache.WithLogger(slog.Default()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	server := &http.Server{Addr: listen, Handler: newService(client), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Shutdown(context.Background()) })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// service has the cache work on demand.
type service struct{ client *memcache.Client }

func newService(client *memcache.Client) http.Handler {
	s := &service{client}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", s.ready)
	mux.HandleFunc("POST /work", s.work)
	mux.Handle("/debug/memcache/", http.StripPrefix("/debug/memcache", inspect.Handler(client)))
	return mux
}

// ready is not about the cache: an application without its cache is slow and not dead.
func (s *service) ready(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ready") }

// Report is what work has come to.
type Report struct {
	Local     string        `json:"local"`
	Nodes     int           `json:"nodes"`
	Found     int           `json:"found"`
	FromLocal int           `json:"fromLocal"` // of Found, what the local node has served
	Missed    int           `json:"missed"`
	Failed    int           `json:"failed"`
	Took      time.Duration `json:"took"`
}

// work stores as many keys as set says and reads as many as get says.
func (s *service) work(w http.ResponseWriter, r *http.Request) {
	stores, _ := strconv.Atoi(r.FormValue("set")) // no number is none
	reads, _ := strconv.Atoi(r.FormValue("get"))
	t := s.client.Topology()
	report := Report{Local: t.Local, Nodes: len(t.Nodes)}
	before := s.hits(t.Local)
	began := time.Now()
	for i := range stores {
		if err := s.client.Set(r.Context(), &memcache.Item{Key: key(i), Value: []byte("value"), TTL: time.Hour}); err != nil {
			report.Failed++
		}
	}
	for i := range reads {
		switch _, err := s.client.Get(r.Context(), key(i)); {
		case err == nil:
			report.Found++
		case errors.Is(err, memcache.ErrCacheMiss):
			report.Missed++
		default:
			report.Failed++
		}
	}
	report.Took = time.Since(began)
	report.FromLocal = s.hits(t.Local) - before
	_ = json.NewEncoder(w).Encode(report) // the reader may be gone
}

// hits is how many reads the node has served to this application.
func (s *service) hits(name string) int {
	for _, n := range s.client.Stats().Nodes {
		if n.Name == name {
			return int(n.Hits)
		}
	}
	return 0
}

func key(i int) string { return fmt.Sprintf("key:%d", i%1000) }
