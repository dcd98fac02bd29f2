package kubernetes

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nohop/memcache/discovery"
	"github.com/stretchr/testify/require"
)

// following is a Follower of the source at work.
type following struct {
	t      *testing.T
	f      *discovery.Follower
	lists  chan []string
	events chan discovery.Event
	cancel context.CancelFunc
	ended  chan error
}

// quick is tried again soon after it has failed.
type quick struct{ *Source }

func (quick) Interval() time.Duration { return 10 * time.Millisecond }

func newSource(t *testing.T, cfg Config) *Source {
	src, err := New(cfg)
	require.NoError(t, err)
	src.pause = time.Millisecond
	return src
}

func follow(t *testing.T, cfg Config) *following {
	f := &following{t: t, lists: make(chan []string, 1000), events: make(chan discovery.Event, 1000), ended: make(chan error, 1)}
	var err error
	f.f, err = discovery.NewFollower(discovery.Config{
		Source: quick{newSource(t, cfg)}, MaxBackoff: 50 * time.Millisecond, OnEvent: func(e discovery.Event) { f.events <- e },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	go func() { f.ended <- f.f.Run(ctx, func(nodes []discovery.Node) { f.lists <- summary(nodes) }) }()
	t.Cleanup(cancel)
	return f
}

// summary is a list as a test reads it: "name@address/zone".
func summary(nodes []discovery.Node) (list []string) {
	for _, n := range nodes {
		list = append(list, n.Name+"@"+n.Addr+"/"+n.Zone)
	}
	return list
}

func (f *following) want(list ...string) {
	f.t.Helper()
	select {
	case got := <-f.lists:
		require.Equal(f.t, list, got)
	case <-time.After(20 * time.Second):
		require.FailNow(f.t, "no list came", "want %v, status %+v", list, f.f.Status())
	}
}

func (f *following) event() discovery.Event {
	f.t.Helper()
	select {
	case e := <-f.events:
		return e
	case <-time.After(20 * time.Second):
		require.FailNow(f.t, "no event came")
		return discovery.Event{}
	}
}

// stop ends the Follower, which must have nothing more to tell.
func (f *following) stop() {
	f.t.Helper()
	f.cancel()
	require.ErrorIs(f.t, <-f.ended, context.Canceled)
	require.Empty(f.t, f.lists)
}

func bothProtocols(t *testing.T, test func(t *testing.T, s *apiServer)) {
	for name, http2 := range map[string]bool{"HTTP/2.0": true, "HTTP/1.1": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t, http2)
			s.cfg.Port = "memcached"
			test(t, s)
			require.Equal(t, name, s.requests[0].Proto)
		})
	}
}

func TestFollowsTheService(t *testing.T) {
	bothProtocols(t, func(t *testing.T, s *apiServer) {
		s.set("memcached-x", pod("p1", "10.0.0.1", "n1", "a"), pod("p2", "10.0.0.2", "n2", "b"))
		f := follow(t, s.cfg)
		f.want("p1@10.0.0.1:11211/a", "p2@10.0.0.2:11211/b")
		s.set("memcached-y", pod("p3", "10.0.0.3", "n3", "c"))
		f.want("p1@10.0.0.1:11211/a", "p2@10.0.0.2:11211/b", "p3@10.0.0.3:11211/c")
		s.set("memcached-x", pod("p1", "10.0.0.9", "n1", "a"))
		f.want("p1@10.0.0.9:11211/a", "p3@10.0.0.3:11211/c")
		s.remove("memcached-y")
		f.want("p1@10.0.0.9:11211/a")
		s.remove("memcached-x")
		require.ErrorIs(t, f.event().Err, discovery.ErrNoNodes, "the last list stays")
		s.set("memcached-x", with(pod("p1", "10.0.0.9", "n1", "a"), `{"ready": true}`))
		require.NoError(t, f.event().Err)
		lists, watches := s.counts()
		require.Equal(t, []int{1, 1}, []int{lists, watches}, "one list and one watch for all of it")
		require.EqualValues(t, 1, s.open.Load(), "the connection of the list is closed")
		f.stop()
		eventually(t, func() bool { return s.open.Load() == 0 })
	})
}

// Watches end, in between events and within them; the next one goes on where the last was, without a new list.
func TestGoesOnAfterDisconnects(t *testing.T) {
	bothProtocols(t, func(t *testing.T, s *apiServer) {
		s.set("x", pod("p0", "10.0.0.1", "n1", "a"))
		s.fail(fault{after: 1}, fault{after: 1, torn: true}, fault{torn: true}, fault{after: 0}, fault{after: 2, torn: true})
		f := follow(t, s.cfg)
		f.want("p0@10.0.0.1:11211/a")
		for i := 1; i <= 8; i++ {
			name := fmt.Sprint("p", i)
			s.set("x", pod(name, "10.0.0.1", "n1", "a"))
			f.want(name + "@10.0.0.1:11211/a")
		}
		lists, watches := s.counts()
		require.Equal(t, 1, lists)
		require.Equal(t, 6, watches)
		require.Empty(t, f.events)
		f.stop()
	})
}

// Bookmarks move the version on, so that a watch can go on where a version that saw no event has long expired.
func TestBookmarks(t *testing.T) {
	s := newAPIServer(t, true)
	s.cfg.Port = "memcached"
	s.set("x", pod("p1", "10.0.0.1", "n1", "a"))
	s.fail(fault{after: 1})
	f := follow(t, s.cfg)
	f.want("p1@10.0.0.1:11211/a")
	before := f.f.Status().LookUps
	s.bookmark()
	eventually(t, func() bool { return f.f.Status().LookUps > before })
	s.mu.Lock()
	s.oldest = s.version // what was before the bookmark is forgotten
	s.mu.Unlock()
	s.set("x", pod("p2", "10.0.0.1", "n1", "a"))
	f.want("p2@10.0.0.1:11211/a")
	lists, _ := s.counts()
	require.Equal(t, 1, lists)
	f.stop()
}

// A version that has expired, as an event or as an answer, leads to a new list at once and is no trouble to tell of.
func TestListsAgainAfterGone(t *testing.T) {
	for name, gone := range map[string]answerFunc{
		"event":  nil,
		"answer": func(w http.ResponseWriter) { refuse(w, 410, "Expired", "too old resource version") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t, true)
			s.cfg.Port = "memcached"
			s.set("x", pod("p1", "10.0.0.1", "n1", "a"))
			s.set("gone", pod("p9", "10.0.0.9", "n9", "a"))
			s.fail(fault{after: 0})
			f := follow(t, s.cfg)
			f.want("p1@10.0.0.1:11211/a", "p9@10.0.0.9:11211/a")
			eventually(t, func() bool { _, watches := s.counts(); return watches == 1 })
			s.breakOp("watch", gone)
			s.mu.Lock()
			delete(s.slices, "gone") // nobody will ever be told of it
			s.slices["x"] = s.object("x", []map[string]any{pod("p2", "10.0.0.2", "n1", "b")})
			s.mu.Unlock()
			s.compact()
			s.bookmark() // ends the watch
			f.want("p2@10.0.0.2:11211/b")
			s.breakOp("watch", nil)
			s.set("x", pod("p3", "10.0.0.3", "n1", "b"))
			f.want("p3@10.0.0.3:11211/b")
			require.Empty(t, f.events)
			f.stop()
		})
	}
}

// A token that has expired is refused; the one that has taken its place in the file is used next.
func TestReadsTheTokenAgain(t *testing.T) {
	s := newAPIServer(t, true)
	s.cfg.Port = "memcached"
	s.set("x", pod("p1", "10.0.0.1", "n1", "a"))
	s.fail(fault{after: 1})
	f := follow(t, s.cfg)
	f.want("p1@10.0.0.1:11211/a")
	eventually(t, func() bool { _, watches := s.counts(); return watches == 1 })
	s.setToken("second")
	s.bookmark()
	s.set("x", pod("p2", "10.0.0.2", "n1", "a"))
	e := f.event()
	var refused *APIError
	require.ErrorAs(t, e.Err, &refused)
	require.Equal(t, 401, refused.Code)
	require.NotContains(t, e.Err.Error(), "first")
	require.Equal(t, 1, e.Nodes)
	s.writeToken("second")
	f.want("p2@10.0.0.2:11211/a")
	f.stop()
}

// The certificates of the authority are read again too.
func TestReadsTheAuthorityAgain(t *testing.T) {
	s := newAPIServer(t, true)
	s.cfg.Port = "memcached"
	s.set("x", pod("p1", "10.0.0.1", "n1", "a"))
	good, err := os.ReadFile(s.cfg.CAFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(s.cfg.CAFile, otherAuthority(t), 0o600))
	src := newSource(t, s.cfg)
	_, err = src.Nodes(t.Context())
	require.ErrorContains(t, err, "certificate")
	require.NoError(t, os.WriteFile(s.cfg.CAFile, []byte("nonsense"), 0o600))
	_, err = src.Nodes(t.Context())
	require.ErrorContains(t, err, "holds none")
	require.NoError(t, os.WriteFile(s.cfg.CAFile, good, 0o600))
	nodes, err := src.Nodes(t.Context())
	require.NoError(t, err)
	require.Len(t, nodes, 1)
}

func TestTroubleIsToldAndTheListStays(t *testing.T) {
	text := func(s string) answerFunc { return func(w http.ResponseWriter) { fmt.Fprint(w, s) } }
	for name, row := range map[string]struct {
		op   string
		f    answerFunc
		want string
	}{
		"forbidden":          {"list", func(w http.ResponseWriter) { refuse(w, 403, "Forbidden", "cannot list") }, "needs list and watch"},
		"too many requests":  {"list", func(w http.ResponseWriter) { refuse(w, 429, "TooManyRequests", "later") }, `429 TooManyRequests: "later"`},
		"a proxy's error":    {"list", func(w http.ResponseWriter) { http.Error(w, "<html>", http.StatusBadGateway) }, "502 Bad Gateway"},
		"a redirect":         {"list", func(w http.ResponseWriter) { w.Header().Set("Location", "/"); w.WriteHeader(302) }, "302 Found"},
		"list of nonsense":   {"list", text("<html>"), "invalid character"},
		"list cut off":       {"list", text(`{"metadata":{"resourceVersion":"1"},"items":[`), "unexpected EOF"},
		"no version":         {"list", text(`{"items":[]}`), "without a resourceVersion"},
		"a page":             {"list", text(`{"metadata":{"resourceVersion":"1","continue":"x"},"items":[]}`), "not whole"},
		"slice without name": {"list", text(`{"metadata":{"resourceVersion":"1"},"items":[{}]}`), "without a name"},
		"watch refused":      {"watch", func(w http.ResponseWriter) { refuse(w, 500, "InternalError", "etcd") }, `watch of EndpointSlices: 500 InternalError: "etcd"`},
		"watch of nonsense":  {"watch", text("<html>"), "invalid character"},
		"unknown event":      {"watch", text(`{"type":"NEW","object":{"metadata":{"name":"x","resourceVersion":"1"}}}`), `unknown event "NEW"`},
		"event, no version":  {"watch", text(`{"type":"ADDED","object":{"metadata":{"name":"x"}}}`), "without a name or version"},
		"event, no object":   {"watch", text(`{"type":"ADDED"}`), "unexpected end"},
		"event, wrong kind":  {"watch", text(`{"type":"ADDED","object":{"metadata":7}}`), "cannot unmarshal"},
		"event, no error":    {"watch", text(`{"type":"ERROR","object":"x"}`), "cannot unmarshal"},
		"error event":        {"watch", text(`{"type":"ERROR","object":` + status(500, "InternalError", "etcd") + `}`), "500 InternalError"},
		"no event at all":    {"watch", text(`7`), "cannot unmarshal"},
		"event too long":     {"watch", text(`{"type":"` + strings.Repeat("x", maxEventBytes)), "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newAPIServer(t, true)
			s.cfg.Port = "memcached"
			s.set("x", pod("p1", "10.0.0.1", "n1", "a"))
			s.fail(fault{after: 0})
			if row.op == "list" {
				s.breakOp("watch", func(w http.ResponseWriter) { refuse(w, 410, "Expired", "") }) // leads to a list
			}
			f := follow(t, s.cfg)
			f.want("p1@10.0.0.1:11211/a")
			s.breakOp(row.op, row.f)
			s.bookmark() // ends the watch
			e := f.event()
			require.ErrorContains(t, e.Err, row.want)
			require.Less(t, len(e.Err.Error()), 500)
			require.Equal(t, 1, e.Nodes)
			s.breakOp("list", nil)
			s.breakOp("watch", nil)
			s.set("x", pod("p2", "10.0.0.2", "n1", "a"))
			f.want("p2@10.0.0.2:11211/a")
			f.stop()
		})
	}
}

// A server that is not there is tried again, at growing intervals.
func TestServerThatIsNotThere(t *testing.T) {
	s := newAPIServer(t, true)
	s.http.Close()
	f := follow(t, s.cfg)
	require.ErrorContains(t, f.event().Err, "connect")
	require.Equal(t, 2, func() int { return f.event().Failures }())
	f.stop()
}

// A server that ends every watch at once is not asked in a tight loop.
func TestShortWatchesArePaced(t *testing.T) {
	s := newAPIServer(t, true)
	s.cfg.Port = "memcached"
	s.set("x", pod("p1", "10.0.0.1", "n1", "a"))
	s.breakOp("watch", func(http.ResponseWriter) {})
	src := newSource(t, s.cfg)
	src.pause = 50 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err := src.Watch(ctx, func([]discovery.Node, error) {})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, watches := s.counts()
	require.LessOrEqual(t, watches, 11)
}

// The end of the context ends a list and a watch that wait for the server.
func TestEndOfContext(t *testing.T) {
	for _, op := range []string{"list", "watch"} {
		s := newAPIServer(t, true)
		s.cfg.Port = "memcached"
		s.set("x", pod("p1", "10.0.0.1", "n1", "a"))
		arrived, release := make(chan struct{}, 1), make(chan struct{})
		s.breakOp(op, func(http.ResponseWriter) { arrived <- struct{}{}; <-release })
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- newSource(t, s.cfg).Watch(ctx, func([]discovery.Node, error) {}) }()
		<-arrived
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		close(release)
	}
}

// The token goes to nobody but the server it is for.
func TestTokenThatCannotBeSent(t *testing.T) {
	s := newAPIServer(t, true)
	for contents, want := range map[string]string{"": "no token", " \n": "no token", "a\nsecret": "no token", "\x01": "no token"} {
		s.writeToken(contents)
		_, err := newSource(t, s.cfg).Nodes(t.Context())
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret")
	}
	require.NoError(t, os.Remove(s.cfg.TokenFile))
	_, err := newSource(t, s.cfg).Nodes(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Empty(t, s.requests)
}

// Without TLS and token, as "kubectl proxy" serves the API.
func TestPlainServer(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Empty(t, r.Header.Get("Authorization"))
		_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": "1"}, "items": []any{}})
	}))
	defer plain.Close()
	nodes, err := newSource(t, Config{Service: "memcached", Namespace: "caches", Server: plain.URL + "/"}).Nodes(t.Context())
	require.NoError(t, err)
	require.Empty(t, nodes)
	require.False(t, errors.Is(err, discovery.ErrNoNodes))
}

// otherAuthority returns a certificate that the server's is not signed by.
func otherAuthority(t *testing.T) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})
}
