package kubernetes

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// apiServer speaks the part of the Kubernetes API that is used, over TLS and with a token, as the real one does: a list with
// a version, and a watch that is one JSON object a line, in chunks, for all that has happened since a version.
type apiServer struct {
	t     *testing.T
	http  *httptest.Server
	token string // what is accepted
	cfg   Config // how to reach it

	open atomic.Int64 // connections

	mu       sync.Mutex
	version  int
	oldest   int // the first version that a watch can begin at
	slices   map[string]map[string]any
	history  []record
	wake     chan struct{} // closed at the next change
	faults   []fault       // for the next watches, one each
	requests []*http.Request
	lists    int
	watches  int
	broken   map[string]answerFunc // instead of the answer, by "list" or "watch"
}

type record struct {
	version int
	line    string
}

// fault ends a watch: after so many events, in the middle of the next if torn.
type fault struct {
	after int
	torn  bool
}

type answerFunc func(w http.ResponseWriter)

const path = "/apis/discovery.k8s.io/v1/namespaces/caches/endpointslices"

// newAPIServer returns a server with HTTP/2, as the real one, or HTTP/1.1, as some proxies before it.
func newAPIServer(t *testing.T, http2 bool) *apiServer {
	s := &apiServer{
		t: t, token: "first", version: 100, slices: map[string]map[string]any{}, wake: make(chan struct{}), broken: map[string]answerFunc{},
	}
	s.http = httptest.NewUnstartedServer(http.HandlerFunc(s.handle))
	s.http.EnableHTTP2 = http2
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that go while they connect
	s.http.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.open.Add(1)
		case http.StateClosed:
			s.open.Add(-1)
		}
	}
	s.http.StartTLS()
	t.Cleanup(func() {
		s.http.CloseClientConnections()
		s.http.Close()
	})
	s.cfg = Config{
		Service: "memcached", Namespace: "caches", Server: s.http.URL,
		CAFile: filepath.Join(t.TempDir(), "ca.crt"), TokenFile: filepath.Join(t.TempDir(), "token"),
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
	require.NoError(t, os.WriteFile(s.cfg.CAFile, ca, 0o600))
	s.writeToken("first\n")
	return s
}

func (s *apiServer) writeToken(token string) {
	require.NoError(s.t, os.WriteFile(s.cfg.TokenFile, []byte(token), 0o600))
}

// pod is an endpoint as the API server writes it.
func pod(name, ip, node, zone string) map[string]any {
	return map[string]any{
		"addresses": []string{ip}, "conditions": map[string]any{"ready": true, "serving": true, "terminating": false},
		"nodeName": node, "zone": zone, "targetRef": map[string]any{"kind": "Pod", "namespace": "caches", "name": name, "uid": "u-" + name},
	}
}

// with returns the endpoint with other conditions.
func with(e map[string]any, conditions string) map[string]any {
	var c map[string]any
	if err := json.Unmarshal([]byte(conditions), &c); err != nil {
		panic(err)
	}
	e["conditions"] = c
	return e
}

func (s *apiServer) object(name string, endpoints []map[string]any) map[string]any {
	return map[string]any{
		"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4", "endpoints": endpoints,
		"metadata": map[string]any{"name": name, "namespace": "caches", "resourceVersion": strconv.Itoa(s.version)},
		"ports":    []map[string]any{{"name": "memcached", "protocol": "TCP", "port": 11211}, {"name": "metrics", "protocol": "TCP", "port": 9150}},
	}
}

// set makes or replaces a slice, with these changes to its object.
func (s *apiServer) set(name string, endpoints ...map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	kind := "MODIFIED"
	if s.slices[name] == nil {
		kind = "ADDED"
	}
	s.slices[name] = s.object(name, endpoints)
	s.recordLocked(kind, s.slices[name])
}

func (s *apiServer) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	delete(s.slices, name)
	s.recordLocked("DELETED", s.object(name, nil))
}

// bookmark moves the version on, as changes elsewhere in the cluster do, and tells the watches.
func (s *apiServer) bookmark() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version += 10
	s.recordLocked("BOOKMARK", map[string]any{
		"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "endpoints": nil, "ports": nil, "addressType": "",
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(s.version)},
	})
}

func (s *apiServer) recordLocked(kind string, object any) {
	line, err := json.Marshal(map[string]any{"type": kind, "object": object})
	require.NoError(s.t, err)
	s.history = append(s.history, record{s.version, string(line) + "\n"})
	close(s.wake)
	s.wake = make(chan struct{})
}

// compact forgets what has happened: a watch that wants to begin before now is refused.
func (s *apiServer) compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.oldest, s.history = s.version, nil
}

func (s *apiServer) fail(faults ...fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, faults...)
}

// breakOp replaces the answers to an operation; nil restores them.
func (s *apiServer) breakOp(op string, f answerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken[op] = f
}

func (s *apiServer) counts() (lists, watches int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lists, s.watches
}

func (s *apiServer) setToken(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

func (s *apiServer) handle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	op, token := "list", s.token
	if r.FormValue("watch") == "true" {
		op = "watch"
		s.watches++
	} else {
		s.lists++
	}
	broken := s.broken[op]
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.Method != http.MethodGet || r.URL.Path != path || r.FormValue("labelSelector") != "kubernetes.io/service-name=memcached":
		refuse(w, 404, "NotFound", "no such resource")
	case r.Header.Get("Authorization") != "Bearer "+token:
		refuse(w, 401, "Unauthorized", "Unauthorized")
	case broken != nil:
		broken(w)
	case op == "list":
		s.list(w)
	default:
		s.watch(w, r)
	}
}

// refuse sends a Status, as the API server does with an error.
func refuse(w http.ResponseWriter, code int, reason, message string) {
	w.WriteHeader(code)
	fmt.Fprint(w, status(code, reason, message))
}

func status(code int, reason, message string) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code)
}

func (s *apiServer) list(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	items := []map[string]any{}
	for _, slice := range s.slices {
		items = append(items, slice)
	}
	require.NoError(s.t, json.NewEncoder(w).Encode(map[string]any{
		"kind": "EndpointSliceList", "apiVersion": "discovery.k8s.io/v1", "items": items,
		"metadata": map[string]any{"resourceVersion": strconv.Itoa(s.version)},
	}))
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request) {
	from, err := strconv.Atoi(r.FormValue("resourceVersion"))
	length, badLength := strconv.Atoi(r.FormValue("timeoutSeconds"))
	if err != nil || badLength != nil || length < 60 || r.FormValue("allowWatchBookmarks") != "true" {
		refuse(w, 400, "BadRequest", "bad watch")
		return
	}
	s.mu.Lock()
	oldest, end := s.oldest, fault{after: 1 << 30}
	if len(s.faults) > 0 {
		end, s.faults = s.faults[0], s.faults[1:]
	}
	s.mu.Unlock()
	if from < oldest {
		fmt.Fprintf(w, `{"type":"ERROR","object":%s}`+"\n", status(410, "Expired", "too old resource version"))
		return
	}
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	s.stream(w, r, from, end)
}

// stream sends what has happened after version from, and what happens then, until the client goes or the watch ends.
func (s *apiServer) stream(w http.ResponseWriter, r *http.Request, from int, end fault) {
	for {
		s.mu.Lock()
		wake, history := s.wake, s.history
		s.mu.Unlock()
		for _, e := range history {
			if e.version <= from {
				continue
			}
			if end.after == 0 {
				if end.torn {
					fmt.Fprint(w, e.line[:len(e.line)/2])
					w.(http.Flusher).Flush()
					panic(http.ErrAbortHandler)
				}
				return
			}
			end.after--
			from = e.version
			fmt.Fprint(w, e.line)
			w.(http.Flusher).Flush()
		}
		select {
		case <-wake:
		case <-r.Context().Done():
			return
		}
	}
}

// eventually is for what another goroutine does after it has answered; it is bounded.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, time.Millisecond)
}
