package inspect

import (
	"bytes"
	"embed"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/nohop/memcache"
)

//go:embed page
var page embed.FS

// Option configures Handler.
type Option func(*handler)

// WithKeys shows the names of hot and missed keys, and of keys and prefixes that rules are for.
func WithKeys() Option { return func(h *handler) { h.keys = true } }

// handler serves a client's page.
type handler struct {
	client *memcache.Client
	keys   bool
}

// Handler returns the page and the JSON of client. It must be mounted so that the page's own path ends with a slash; see
// the package's example. It is safe for concurrent use.
func Handler(client *memcache.Client, opts ...Option) http.Handler {
	h := &handler{client: client}
	for _, opt := range opts {
		opt(h)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", file("index.html", "text/html; charset=utf-8"))
	mux.HandleFunc("GET /page.js", file("page.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /page.css", file("page.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /state.json", h.state)
	mux.HandleFunc("GET /keys.json", h.hotKeys)
	mux.HandleFunc("GET /rules.json", h.rules)
	mux.HandleFunc("GET /explain.json", h.explain)
	return secured(mux)
}

// policy lets the page have what comes with it and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func file(name, contentType string) http.HandlerFunc {
	data, err := page.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(data) // the reader may be gone
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	var text bytes.Buffer
	if err := json.NewEncoder(&text).Encode(body); err != nil { // such as a time that JSON cannot say
		status = http.StatusInternalServerError
		text.Reset()
		_ = json.NewEncoder(&text).Encode(failure{err.Error()})
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // the reader may be gone
}

type failure struct {
	Error string `json:"error"`
}

func (h *handler) state(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, stateOf(h.client))
}

// shownKeys is how many lines the lists of keys have, unless n in the query says otherwise; mostKeys is the most.
const shownKeys, mostKeys = 20, 200

// lines returns how many lines a list is to have; 0 and an answer if what was asked for cannot be.
func lines(w http.ResponseWriter, r *http.Request) int {
	text := r.URL.Query().Get("n")
	if text == "" {
		return shownKeys
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > mostKeys {
		reply(w, http.StatusBadRequest, failure{"n must be a number from 1 to " + strconv.Itoa(mostKeys)})
		return 0
	}
	return n
}

func (h *handler) rules(w http.ResponseWriter, r *http.Request) {
	if n := lines(w, r); n > 0 {
		reply(w, http.StatusOK, h.rulesOf(h.client, n))
	}
}

func (h *handler) hotKeys(w http.ResponseWriter, r *http.Request) {
	n := lines(w, r)
	if n == 0 {
		return
	}
	report := h.client.HotKeyReport(n)
	if !h.keys {
		report.HideKeys()
	}
	reply(w, http.StatusOK, report)
}

func (h *handler) explain(w http.ResponseWriter, r *http.Request) {
	explanation, err := h.client.Explain(r.URL.Query().Get("key"))
	if err != nil {
		reply(w, http.StatusBadRequest, failure{err.Error()})
		return
	}
	reply(w, http.StatusOK, struct {
		memcache.Explanation
		Text string `json:"text"`
	}{explanation, explanation.String()})
}
